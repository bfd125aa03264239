"""One village, one model, one night, made once."""

from __future__ import annotations

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
def model(records: pl.DataFrame) -> Model:
    return training.train(records, seed=1, drawn=300_000)


@pytest.fixture(scope="session")
def linked(records: pl.DataFrame, model: Model) -> Linked:
    return night.link(records, None, model, START, KEY)
