"""One village, one model, one night, made once."""

from __future__ import annotations

import fcntl
import pickle
from pathlib import Path

import polars as pl
import pytest
from village import KEY, START, village

from linkage import night, training
from linkage.model import Model
from linkage.night import Linked


@pytest.fixture(scope="session")
def people() -> tuple[pl.DataFrame, pl.DataFrame]:
    return village(1500)


@pytest.fixture(scope="session")
def records(people: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    return people[0]


@pytest.fixture(scope="session")
def truth(people: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    return people[1]


@pytest.fixture(scope="session")
def model(made: tuple[Model, Linked]) -> Model:
    return made[0]


@pytest.fixture(scope="session")
def linked(made: tuple[Model, Linked]) -> Linked:
    return made[1]


@pytest.fixture(scope="session")
def made(records: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> object:
    """The model and the night, made by the first worker that needs them and read by the others."""
    place: Path = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        place = place.parent
    with (place / "linked.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = place / "linked.pickle"
        if not kept.exists():
            model = training.train(records, seed=1, drawn=300_000)
            kept.write_bytes(pickle.dumps((model, night.link(records, None, model, START, KEY))))
        return pickle.loads(kept.read_bytes())
