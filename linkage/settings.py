"""What a council may choose about linkage, in `sites/<council>/linkage.yaml`, without code; nothing need be chosen.

What belongs here: the settings and their file. What they lead to stands with the part that they are about.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import AfterValidator, Field, model_validator

from linkage.blocking import RULES
from linkage.comparisons import COMPARISONS, Comparison, extra
from linkage.conform import READ
from warehouse.site import Config, SiteError, read_config, read_yaml
from warehouse.tables import SOURCE_RECORD

FILE = "linkage.yaml"
BITS = 60.0  # no cut and no strength lies beyond
# compared as it is, or of no use: whose ethnicity it is may be read to audit alone
NOT_TO_ADD = {*READ, *SOURCE_RECORD.key, "ethnicity", "delivery"}


def _among(known: list[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"there is no {what} of this name. There are: {', '.join(known)}")
        return value

    return AfterValidator(check)


Named = Annotated[str, _among([c.name for c in COMPARISONS], "comparison")]
Rule = Annotated[str, _among(list(RULES), "blocking rule")]
Bits = Annotated[float, Field(ge=-BITS, le=BITS)]


class Extra(Config):
    """A comparison of a column that the default does not know.

    Attributes:
        name: as the evidence tells it.
        column: of the records, for a council of `source_record`; conformed records hold it as `x_<column>`.
        kind: `text` and `code` (agreement on a rare value counts for more), `number` or `date`.
    """

    name: Annotated[str, Field(min_length=1)]
    column: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: Literal["text", "code", "number", "date"]

    @property
    def conformed(self) -> str:
        """The column of the conformed records."""
        return f"x_{self.column}"

    @property
    def comparison(self) -> Comparison:
        """The comparison made of it."""
        return extra(self.name, self.conformed, self.kind)


class Matching(Config):
    """How the council's own matching counts; `kinfold register matching FILE` takes it in.

    Attributes:
        role: `evidence` adds `strength` bits to pairs that share an id; under `master` its ids win and ours fill in.
        strength: bits, of evidence.
    """

    role: Literal["evidence", "master"] = "evidence"
    strength: Annotated[float, Field(gt=0, le=BITS)] = 8.0


class Settings(Config):
    """What a council chose; the default suits most.

    Attributes:
        engine: `duckdb`, or `spark` for what one machine cannot hold.
        cut: weight in bits from which pairs are joined; `auto` is chosen in training, from the records alone.
        grey: weights in bits between which a pair goes to review; `auto` likewise.
        leave_out: comparisons not to be made.
        caps: for a blocking rule, how many records may share a value before it counts for nothing.
        extra: comparisons of further columns.
        matching: how the council's own matching counts; None: not at all.
    """

    engine: Literal["duckdb", "spark"] = "duckdb"
    cut: Bits | Literal["auto"] = "auto"
    grey: tuple[Bits, Bits] | Literal["auto"] = "auto"
    leave_out: tuple[Named, ...] = ()
    caps: Mapping[Rule, Annotated[int, Field(ge=2, le=10_000)]] = Field(default_factory=dict)
    extra: tuple[Extra, ...] = ()
    matching: Matching | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_comments(cls, data: object) -> object:
        return {} if data is None else data

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        names = [*(c.name for c in COMPARISONS), *(one.name for one in self.extra)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two comparisons are called {', '.join(twice)}. Give each a name of its own")
        if self.grey != "auto" and self.grey[0] > self.grey[1]:
            raise ValueError("the grey band ends before it begins. Write the lower weight first")
        if self.cut != "auto" and self.grey != "auto" and not self.grey[0] <= self.cut <= self.grey[1]:
            raise ValueError("the cut lies outside the grey band. Put the band around it")
        return self

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What is compared, in the order of `g0`, `g1` ...; one that is left out keeps its place and is never made."""
        kept = (Comparison(c.name, "true", c.levels) if c.name in self.leave_out else c for c in COMPARISONS)
        return (*kept, *(one.comparison for one in self.extra))

    @property
    def further(self) -> list[str]:
        """The columns of the records that are compared beside those of the default."""
        return [one.column for one in self.extra]

    def unlike(self, frozen: Settings) -> list[str]:
        """What is chosen otherwise than a model was trained with; how the matching counts is not trained."""
        trained = ("engine", "cut", "grey", "leave_out", "caps", "extra")
        return [name for name in trained if getattr(self, name) != getattr(frozen, name)]


def load(site: Path) -> Settings:
    """Read the council's `linkage.yaml`; the default where there is none.

    Args:
        site: the council's folder.

    Raises:
        SiteError: every mistake, with file, line and remedy.
    """
    path = site / FILE
    if not path.is_file():
        return Settings()
    settings = read_config(path, Settings)
    wrong = [(n, one) for n, one in enumerate(settings.extra) if one.column not in _FITTING[one.kind]]
    if wrong:
        document = read_yaml(path)
        raise SiteError(
            document.mistake(
                ("extra", n, "column"),
                f"{one.column!r} is no column that can be compared as {one.kind}. "
                f"There are: {', '.join(_FITTING[one.kind]) or 'none'}.",
            )
            for n, one in wrong
        )
    return settings


def _fitting() -> dict[str, list[str]]:
    """For each kind, the columns of `source_record` that can be compared so and are not compared anyway."""
    there = {name: held for name, held in SOURCE_RECORD.schema.items() if name not in NOT_TO_ADD}
    text, dates = ([name for name, held in there.items() if held == kind] for kind in (pl.String, pl.Date))
    return {"text": text, "code": text, "date": dates, "number": [n for n, held in there.items() if held.is_numeric()]}


_FITTING = _fitting()
