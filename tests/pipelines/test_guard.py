"""An error that nobody foresaw says where it was, and nothing of what it quotes; see test_nothing_leaks.py, too."""

from __future__ import annotations

import dagster as dg
import pytest

from pipelines.guard import StepFailed, guarded
from warehouse.store import StoreError

CANARY = "QUIXOTE-8675309"


def test_errors_of_our_own_keep_their_words_and_lose_what_they_came_of() -> None:
    def refuse() -> None:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise StoreError("say what to do") from error

    with pytest.raises(StoreError, match="say what to do") as told:
        guarded("a step", refuse)()
    assert told.value.__cause__ is None and told.value.__context__ is None
    with pytest.raises(dg.Failure):
        guarded("a step", lambda: (_ for _ in ()).throw(dg.Failure("no")))()


def test_a_step_that_yields_is_guarded_while_it_yields() -> None:
    def step() -> object:
        yield 1
        raise ValueError(CANARY)

    made = guarded("a step", step)()
    assert next(made) == 1
    with pytest.raises(StepFailed, match=r"a step stopped on ValueError at tests/pipelines/test_guard\.py") as told:
        next(made)
    assert CANARY not in str(told.value)
