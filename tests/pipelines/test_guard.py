"""An error that nobody foresaw says where it was, and nothing of what it quotes; see test_nothing_leaks.py, too."""

from __future__ import annotations

import dagster as dg
import pytest

from pipelines.guard import StepFailed, guard_all, guarded
from pipelines.run import _why
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


def test_whoever_runs_a_night_is_told_which_check_or_step_stopped_it_and_nobodys_value() -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("adds_up", asset="counted", blocking=True)])
    def counted() -> object:
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, metadata={"whose": CANARY})])

    @dg.asset
    def talkative() -> None:
        raise ValueError(CANARY)

    @dg.asset
    def ours() -> None:
        raise StoreError("restore it from a backup")

    guard_all([counted, talkative, ours], [])
    quiet = dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}})
    done = dg.materialize([counted, talkative, ours], instance=quiet, raise_on_error=False)
    said = _why(done)
    assert "the check adds_up of counted did not pass" in said and "restore it from a backup" in said
    assert "step talkative stopped on ValueError at tests/pipelines/test_guard.py" in said and CANARY not in said
