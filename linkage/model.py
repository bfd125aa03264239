"""What agreement is worth: the frozen model, what no single comparison sees, and how pairs are scored.

What belongs here: the model, the rules over comparisons, scoring with Splink on DuckDB. What is compared belongs in
`linkage.comparisons`, how a model is trained in `linkage.training`, what follows from scores in `linkage.cluster`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import ValidationError

from linkage.comparisons import ASKED, Comparison
from linkage.comparisons import COMPARISONS as COMPARISONS
from linkage.settings import Settings
from warehouse.scratch import scratch

REACH = 2.0  # bits below the cut at which a record may still join the only group that it can belong to
FLOOR = -5.0  # edges are kept down to this weight, so that the cut can move without scoring again
BRIDGE = 20.0  # the weight of a shared valid id
VERSION = 3
FILE = "model.json"
REMEDY = "Train a new linkage model with `kinfold retrain linkage`, then run the next night."
MEMORY = "1500MB"  # of DuckDB; what does not fit goes to its folder
TOGETHER = 300_000  # pairs scored at once, which bounds what memory it takes
BATCH = 20_000  # of them that one thread scores at once
MET = "met"
GROWN = 16  # years: the youngest whom a feed of adults knows
BEARERS = "bearers"  # the table of full names
RAREST = 1e-4  # no name counts as rarer


class TrainingError(Exception):
    """The records do not suffice to train a model; says what is missing and what to do."""


class Outdated(TrainingError):
    """A model that this Kinfold cannot read, as an older one wrote it; the next night trains another."""


PLACE_OF = {comparison.name: position for position, comparison in enumerate(COMPARISONS)}
AGE = "age for the feed"
IDS = {"NHS number": "nhs_number", "UPN": "upn", "child id": "la_child_id", "National Insurance number": "ni_number"}
BRIDGES = ("NHS number", "UPN", "child id")


def level_of(comparison: str, label: str) -> int:
    """The number by which edges name a level: the highest for the most alike, 0 for the last, -1 for missing."""
    levels = COMPARISONS[PLACE_OF[comparison]].levels
    return len(levels) - 1 - [level.label for level in levels].index(label)


def _agrees(comparison: str, *labels: str) -> pl.Expr:
    return pl.col(f"g{PLACE_OF[comparison]}").is_in([level_of(comparison, label) for label in labels])


def _known(comparison: str) -> pl.Expr:
    return pl.col(f"g{PLACE_OF[comparison]}") >= 0


OTHER_FORENAME = _agrees("forename", "different") | _agrees("initial", "different")
MIDDLE_NAME = _agrees("forename", "a middle name")
FORENAME_AGREES = _agrees("forename", "the same")
NO_FORENAME = ~_known("forename") & ~_known("initial")
OTHER_BIRTH = _agrees("birth date", "different", "a generation apart", "a year or less apart", "two parts of three")
GENERATION = _agrees("birth date", "a generation apart")
OTHER_SURNAME = _agrees("surname and address", "nothing agrees")
OTHER_SURNAME_AT_DOOR = _agrees("surname and address", "door, other surname")
SAME_BIRTH = _agrees("birth date", "the same")
NAMESAKES = _agrees("forename", "the same") & _agrees(
    "surname and address", "surname, no address", "surname and neighbourhood", "surname, other address"
)
NAMES_ALONE = NAMESAKES & ~_known("birth date")
NAMES_AND_LIKE_BIRTH = NAMESAKES & _known("birth date") & ~SAME_BIRTH
NEAR_BIRTH = _agrees("birth date", "one character apart", "day and month turned round")
SAME_ID = pl.any_horizontal(*(_agrees(name, "the same") for name in BRIDGES))
OTHER_ID = pl.any_horizontal(*(_agrees(name, "different") for name in ("NHS number", "UPN")))
CONTRADICTS = OTHER_FORENAME & _known("birth date") & ~SAME_BIRTH & ~NEAR_BIRTH

TWINS = OTHER_FORENAME & SAME_BIRTH
SIBLINGS = (OTHER_FORENAME | MIDDLE_NAME) & OTHER_BIRTH
PARENT_AND_CHILD = GENERATION
UNLIKE_FORENAME = _known("forename") & ~_agrees("forename", "the same", "forename and surname turned round")
TWO_PEOPLE = OTHER_ID & (OTHER_BIRTH | OTHER_FORENAME | UNLIKE_FORENAME) & ~SAME_ID
CHILD_AMONG_ADULTS = _agrees(AGE, "a child, where the feed knows adults")
NEVER = (TWINS | SIBLINGS | PARENT_AND_CHILD | TWO_PEOPLE | CHILD_AMONG_ADULTS) & ~SAME_ID
# Where nothing contradicts, a low weight says only that little could be compared.
SILENT = ~(
    OTHER_FORENAME | OTHER_ID | CHILD_AMONG_ADULTS | _agrees("sex", "different")
    | _agrees("birth date", "different", "a year or less apart", "a generation apart")
)  # fmt: skip

# What comparisons taken one by one overlook: relatives agree in everything but forename and birth date at once.
GUARD = (
    pl.when(SAME_ID).then(0.0)
    .when(TWO_PEOPLE).then(-60.0)  # valid ids and names both differ: no number of other pairs outvotes that
    .when(OTHER_FORENAME & SAME_BIRTH).then(-7.0)
    .when(OTHER_FORENAME & NEAR_BIRTH).then(-2.0)
    .when(OTHER_FORENAME & _known("birth date")).then(-9.0)
    .when(OTHER_FORENAME).then(-11.0)
    .when(GENERATION | CHILD_AMONG_ADULTS).then(-6.0)
    .when(MIDDLE_NAME & ~SAME_BIRTH).then(-5.0)
    .when(NO_FORENAME).then(-8.0)
    .when(OTHER_SURNAME & SAME_BIRTH).then(-1.5)
    .when(OTHER_SURNAME_AT_DOOR & ~_known("birth date")).then(
        pl.when(FORENAME_AGREES).then(3.0).otherwise(-2.0)  # few who live together share a forename
    )
    .otherwise(0.0)
)  # fmt: skip


def full_name() -> pl.Expr:
    """Forename and surname of a record, null where it lacks either."""
    return pl.concat_str("forename", "surname", separator="|")


@dataclass(frozen=True)
class Model:
    """A frozen model.

    Attributes:
        prior: probability that two records drawn at random are one person.
        m, u: a comparison's level probabilities, most alike first, among matches and among strangers.
        together: bits by which a forename and a surname are found together more often than either frequency says.
        cut: weight from which pairs are joined.
        grey: weights between which a person should look at a pair.
        settings: what the council chose, frozen with the rest.
        adults: feeds that tell no birth dates and know adults only.
        feeds: of two feeds (`a|b`, in order), by how many bits more often than any two records a record of the one and
            a record of the other are one person: a feed that lists each person once says so here.
        facts: what it was trained on, counts only.
        frequencies: `forename` and `surname`: frames of name and frequency. They hold names: keep them in the vault.
    """

    prior: float
    m: Mapping[str, tuple[float, ...]]
    u: Mapping[str, tuple[float, ...]]
    together: float
    cut: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    frequencies: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    grey: tuple[float, float] = (-2.0, 6.0)
    settings: Settings = field(default_factory=Settings)
    adults: tuple[str, ...] = ()
    feeds: Mapping[str, float] = field(default_factory=dict)

    @property
    def reach(self) -> float:
        """The weight from which two records may have to do with one another: components are made at it."""
        return self.cut - REACH

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What is compared, in the order of `g0`, `g1` ... and of `match_edge.levels`."""
        return self.settings.comparisons

    def told(self, levels: Sequence[int]) -> list[tuple[str, str, float]]:
        """Say in words what a row of `match_edge.levels` stands for.

        Returns:
            Of each comparison that could be made: its name, the level reached, and the bits that it is worth before
            the frequency of a name is counted.
        """
        found = []
        for comparison, number in zip(self.comparisons, levels, strict=True):
            if number >= 0:
                place = len(comparison.levels) - 1 - number
                bits = math.log2(self.m[comparison.name][place] / self.u[comparison.name][place])
                found.append((comparison.name, comparison.levels[place].label, bits))
        return found

    @property
    def model_id(self) -> str:
        """Digest of everything that decides a score."""
        digest = hashlib.sha256(json.dumps(self._plain(), sort_keys=True).encode())
        digest.update(repr(self.comparisons).encode())
        for name in sorted(self.frequencies):
            digest.update(self.frequencies[name].sort(name).hash_rows(0).to_numpy().tobytes())
        return digest.hexdigest()[:16]

    def _plain(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "prior": self.prior,
            "together": self.together,
            "cut": self.cut,
            "grey": list(self.grey),
            "adults": list(self.adults),
            "feeds": dict(self.feeds),
            "settings": self.settings.model_dump(mode="json"),
            "m": {name: list(values) for name, values in self.m.items()},
            "u": {name: list(values) for name, values in self.u.items()},
        }

    def text(self) -> str:
        """What `model.json` holds: probabilities, settings and facts, no names."""
        levels = {c.name: [level.label for level in c.levels] for c in self.comparisons}
        told = {**self._plain(), "model_id": self.model_id, "levels": levels, "facts": dict(self.facts)}
        return json.dumps(told, indent=1, sort_keys=True)

    def save(self, folder: Path) -> None:
        """Write `model.json`. The frequencies hold names and are the caller's to keep."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(self.text(), encoding="utf-8")

    @staticmethod
    def load(path: Path, frequencies: Mapping[str, pl.DataFrame]) -> Model:
        """Read `model.json` (or the folder that holds it) and join it with its frequencies.

        Raises:
            Outdated: the file was made for other comparisons, or by a Kinfold of other settings.
            TrainingError: it was made with other frequencies.
        """
        path = path / FILE if path.is_dir() else path
        return Model.parse(path.read_text(encoding="utf-8"), frequencies)

    @staticmethod
    def parse(text: str, frequencies: Mapping[str, pl.DataFrame]) -> Model:
        """Read what `text` wrote.

        Raises:
            Outdated: it was made for other comparisons, or by a Kinfold of other settings.
            TrainingError: it was made with other frequencies.
        """
        told = json.loads(text)
        if told["version"] != VERSION:
            raise Outdated(f"{FILE} was written by another Kinfold. {REMEDY}")
        try:
            settings = Settings.model_validate(told["settings"])
        except ValidationError:
            raise Outdated(f"{FILE} was trained with settings that there are no longer. {REMEDY}") from None
        if told["levels"] != {c.name: [level.label for level in c.levels] for c in settings.comparisons}:
            raise Outdated(f"{FILE} was trained for other comparisons. {REMEDY}")
        m, u = ({name: tuple(values) for name, values in told[key].items()} for key in ("m", "u"))
        low, high = told["grey"]
        model = Model(
            told["prior"], m, u, told["together"], told["cut"], told["facts"], dict(frequencies), (low, high),
            settings, tuple(told["adults"]), told["feeds"],
        )  # fmt: skip
        if model.model_id != told["model_id"]:
            raise TrainingError(f"{FILE} does not fit the name frequencies beside it. {REMEDY}")
        return model


@cache
def _read_levels_once() -> None:
    """Have Splink work out once whether a level is an exact match, instead of anew in each run that scores pairs.

    The answer hangs on the level's SQL alone, and to normalise that takes 2 to 3 s a run, however few the records.
    """
    from splink.internals.comparison_level import ComparisonLevel

    for name in ("_is_exact_match", "_exact_match_colnames"):
        read, found = vars(ComparisonLevel)[name].fget, dict[tuple[str, str], Any]()

        def answer(level: Any, asked: Any = read, known: dict[tuple[str, str], Any] = found) -> Any:
            told = (level.sql_condition, level.sqlglot_dialect)
            if told not in known:
                known[told] = asked(level)
            return known[told]

        setattr(ComparisonLevel, name, property(answer))


@contextmanager
def engine(folder: Path | None = None, memory: str = MEMORY, threads: int = 2) -> Iterator[Any]:
    """An in-memory DuckDB that spills, if it must, into a folder of its own below `folder` only."""
    import duckdb

    with ExitStack() as opened:
        spill = opened.enter_context(scratch(folder, "join")) if folder else ""
        con = duckdb.connect(":memory:")
        opened.callback(con.close)
        con.execute(f"set threads={threads}; set memory_limit='{memory}'; set preserve_insertion_order=false")
        con.execute("set lambda_syntax='ENABLE_SINGLE_ARROW'; set enable_progress_bar=false")
        con.execute(f"set temp_directory='{spill}'")
        yield con


def compare(
    people: pl.DataFrame, pairs: pl.DataFrame, model: Model, floor: float, folder: Path | None, threads: int = 2
) -> pl.DataFrame:
    """Score pairs with Splink.

    Args:
        people: conformed records, at least those of the pairs.
        pairs: `uid_l` < `uid_r`.
        floor: weight below which pairs are dropped; `-inf` keeps all.
        threads: of DuckDB.

    Returns:
        `uid_l`, `uid_r`, `weight` (before any rule), `g0`, `g1` ...: the level each comparison reached; `rarity`: where
        both names are the same, the bits by which the full name says more than either name by itself; and `met`: the
        bits that the two feeds are worth.
    """
    names = {f"g{n}": pl.Int8 for n in range(len(model.comparisons))}
    empty = pl.DataFrame(
        schema={
            "uid_l": pl.Int64,
            "uid_r": pl.Int64,
            "weight": pl.Float64,
            **names,
            "rarity": pl.Float64,
            "met": pl.Float64,
        }
    )
    if not pairs.height:
        return empty
    used = for_comparison(people, model)
    if model.settings.engine == "spark":
        from linkage import spark

        told = spark.compare(used, pairs, model, floor)
        return told.with_columns(met_of(people, told, model))
    place = np.zeros(int(people["uid"][-1]) + 1, dtype=np.int64)
    place[people["uid"].to_numpy()] = np.arange(people.height)
    rarity, used = used["rarity"], frequent(used.drop("rarity"), model)
    sql, found = scoring_sql(model, floor), []
    with engine(folder, threads=threads) as con:
        for part in pairs.iter_slices(TOGETHER):
            at = {end: place[part[f"uid_{end}"].to_numpy()] for end in "lr"}
            sides = [used[rows].rename(lambda name, end=end: f"{name}_{end}") for end, rows in at.items()]
            met_here = pl.concat(sides, how="horizontal").to_arrow(compat_level=pl.CompatLevel.newest())
            con.register(MET, pa.Table.from_batches(met_here.to_batches(BATCH)))
            found.append(con.sql(sql).pl())
            con.unregister(MET)
    scored = pl.concat(found).sort("uid_l", "uid_r")
    rare = pl.when(NAMESAKES).then(rarity.gather(pl.Series(place[scored["uid_l"].to_numpy()]))).otherwise(0.0)
    return scored.with_columns(rare.alias("rarity"), met_of(people, scored, model))


def scoring_sql(model: Model, floor: float) -> str:
    """Splink's SQL for DuckDB, which scores the pairs in `MET`: the columns of the one as `x_l`, of the other as `x_r`.

    Splink's own `predict` would join them, from copies of all records; to gather rows by their places costs a tenth.

    Returns:
        A query for `uid_l`, `uid_r`, `weight`, `g0`, `g1` ...
    """
    from splink.internals.predict import predict_from_comparison_vectors_sqls_using_settings

    _read_levels_once()
    settings = splink_settings(model).get_settings("duckdb")
    parts = predict_from_comparison_vectors_sqls_using_settings(settings)[0]
    told = settings.core_model_settings.comparisons
    worth = (name for comparison in told for name in comparison._match_weight_columns_to_sum)
    weight = " + ".join([repr(math.log2(model.prior / (1 - model.prior))), *worth])
    levels = (f"{comparison._gamma_column_name}::tinyint as g{n}" for n, comparison in enumerate(told))
    return f"""
        with __splink__df_comparison_vectors as (
            select {", ".join(settings._columns_to_select_for_comparison_vector_values)}
            from (select *, {", ".join(f"{sql} as {name}" for name, sql in ASKED.items())}, '0' as match_key from {MET})
        ), {parts["output_table_name"]} as ({parts["sql"]})
        select uid_l, uid_r, {weight} as weight, {", ".join(levels)} from {parts["output_table_name"]}
        {"" if math.isinf(floor) else f"where {weight} >= {floor}"}
    """


def frequent(used: pl.DataFrame, model: Model) -> pl.DataFrame:
    """How frequent each name is; one that the model does not know is as rare as the rarest that it knows."""
    for name, table in model.frequencies.items():
        if name != BEARERS:
            told = pl.when(pl.col(name).is_not_null()).then(pl.col(f"tf_{name}").fill_null(table[f"tf_{name}"].min()))
            used = used.join(table, on=name, how="left", maintain_order="left").with_columns(told)
    return used


def met(feed_l: pl.Series, feed_r: pl.Series, model: Model) -> pl.Series:
    """The bits that the feeds of each pair are worth; 0 where the model does not know them."""
    pair = pl.concat_str(pl.min_horizontal("l", "r"), pl.max_horizontal("l", "r"), separator="|")
    worth = pair.replace_strict(list(model.feeds), list(model.feeds.values()), default=0.0, return_dtype=pl.Float64)
    return pl.DataFrame({"l": feed_l, "r": feed_r}).select(worth.alias("met")).to_series()


def met_of(people: pl.DataFrame, pairs: pl.DataFrame, model: Model) -> pl.Series:
    """The same of `uid_l`, `uid_r`: worked out once for every two feeds."""
    feeds, code = feed_codes(people)
    many = len(feeds)
    worth = met(pl.Series(np.repeat(feeds, many)), pl.Series(feeds * many), model).to_numpy().reshape(many, many)
    return pl.Series("met", worth[code[pairs["uid_l"].to_numpy()], code[pairs["uid_r"].to_numpy()]])


def feed_codes(people: pl.DataFrame) -> tuple[list[str], np.ndarray]:
    """The feeds, sorted, and of each uid the place of its feed among them."""
    feeds = people["feed"].unique().sort()
    code = np.zeros(int(people["uid"].max() or 0) + 1, dtype=np.int64)  # type: ignore[arg-type]
    code[people["uid"].to_numpy()] = feeds.search_sorted(people["feed"]).to_numpy()
    return feeds.to_list(), code


def for_comparison(people: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Of conformed records what is compared, and beside it `rarity`, of each record's full name."""
    adult = pl.col("feed").is_in(model.adults) & pl.col("year").is_null()
    used = people.with_columns(
        pl.when(adult).then(pl.col("seen") - GROWN).cast(pl.Int16).alias("grown"),
        pl.Series("rarity", _rarity(people, model)),
    )
    return used.drop("fingerprint", "record_id", "feed", "seen", "household", "honorific")


def levels_reached(scored: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Turn what each comparison is worth, `g0` ..., into the level that it stands for.

    Args:
        scored: `g0` ... in bits, and `rarity` of one record of each pair; kept where both names are the same.
    """
    levels = scored.with_columns(_levels(scored[f"g{n}"], model, c) for n, c in enumerate(model.comparisons))
    return levels.with_columns(pl.when(NAMESAKES).then("rarity").otherwise(0.0).alias("rarity"))


def _rarity(people: pl.DataFrame, model: Model) -> np.ndarray:
    """Bits by which each record's full name says more, or less, than its two names do one by one."""
    if BEARERS not in model.frequencies:
        return np.zeros(people.height)
    rows = people.select("forename", "surname", full_name().alias(BEARERS))
    for name in ("forename", "surname", BEARERS):
        rows = rows.join(model.frequencies[name], on=name, how="left", maintain_order="left")
    known = [pl.col(f"tf_{n}").fill_null(model.frequencies[n][f"tf_{n}"].min()) for n in ("forename", "surname")]
    apart = known[0].clip(RAREST) * known[1].clip(RAREST)
    bits = (apart / pl.col(f"tf_{BEARERS}")).log(2).fill_null(-model.together)
    return rows.select(bits).to_series().to_numpy()


def _parameters(model: Model, comparison: Comparison) -> list[tuple[float, float]]:
    """m and u of each level, no two of a comparison with the same weight: the weight then names the level."""
    seen = {0.0}
    found = []
    for m, u in zip(model.m[comparison.name], model.u[comparison.name], strict=True):
        while any(abs(math.log2(m / u) - weight) < 1e-6 for weight in seen):
            u *= 1 + 1e-5
        seen.add(math.log2(m / u))
        found.append((m, u))
    return found


def _levels(weights: pl.Series, model: Model, comparison: Comparison) -> pl.Series:
    """Which level each weight stands for. Splink tells levels only together with the names compared, so not those."""
    known = [math.log2(m / u) for m, u in _parameters(model, comparison)]
    numbered = sorted([(0.0, -1), *((weight, len(known) - 1 - n) for n, weight in enumerate(known))])
    table = np.array([weight for weight, _ in numbered])
    level = np.array([number for _, number in numbered], dtype=np.int8)
    return pl.Series(weights.name, level[np.searchsorted((table[1:] + table[:-1]) / 2, weights.to_numpy())])


def bits(scored: pl.DataFrame, model: Model) -> np.ndarray:
    """What the levels of each pair are worth together with the prior, before rules and before names' frequencies."""
    total = np.full(scored.height, math.log2(model.prior / (1 - model.prior)))
    for number, comparison in enumerate(model.comparisons):
        known = [math.log2(m / u) for m, u in _parameters(model, comparison)]
        total += np.array([*known[::-1], 0.0])[scored[f"g{number}"].to_numpy()]  # a level of -1 takes the last: 0
    return total


def weigh(scored: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Add what comparisons one by one overlook, and say which pairs a shared valid id joins.

    Args:
        scored: as `compare` returns it.

    Returns:
        The same rows with the final `weight`, `bridge`, `never` (may not be one person) and `silent`
        (nothing contradicts).
    """
    return scored.with_columns(
        (
            pl.col("weight")
            + GUARD
            + pl.col("rarity")
            + pl.col("met")
            + pl.when(NAMES_AND_LIKE_BIRTH).then(-model.together).otherwise(0.0)
        ).alias("weight"),
        (SAME_ID & ~CONTRADICTS).alias("bridge"),
        NEVER.alias("never"),
        SILENT.alias("silent"),
    ).with_columns(
        pl.when("bridge").then(pl.max_horizontal("weight", pl.lit(BRIDGE))).otherwise("weight").alias("weight"),
        pl.col("never") & ~pl.col("bridge"),
    )


def splink_settings(model: Model, render: Callable[[str], str] = str) -> Any:
    """The model as Splink reads it; `render` turns the SQL of a rule into that of another engine."""
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    comparisons: list[Any] = []
    for number, comparison in enumerate(model.comparisons):
        levels: list[Any] = [cll.CustomLevel(render(comparison.missing)).configure(is_null_level=True)]
        for level, (m, u) in zip(comparison.levels, _parameters(model, comparison), strict=True):
            told = cll.CustomLevel(render(level.sql), level.label) if level.sql else cll.ElseLevel()
            given: dict[str, Any] = {
                "m_probability": m,
                "u_probability": u,
                "fix_m_probability": True,
                "fix_u_probability": True,
            }
            if level.frequency_of and level.frequency_of in model.frequencies:
                given |= {"tf_adjustment_column": level.frequency_of, "tf_minimum_u_value": RAREST}
            levels.append(told.configure(**given))
        comparisons.append(cl.CustomComparison(output_column_name=f"c{number}", comparison_levels=levels))
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="uid",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on("born", "surname")],
        probability_two_random_records_match=model.prior,
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=True,
    )
