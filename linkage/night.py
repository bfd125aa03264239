"""The nightly linkage: score what changed, cluster what it touched, keep the ids.

What belongs here: the order of the steps and the state between nights. Each step stands in its own module.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from linkage.blocking import Blocks, blocks
from linkage.cluster import components, refine
from linkage.conform import conform, prepare
from linkage.identity import assign, lineage
from linkage.model import COMPARISONS, FLOOR, NEVER, SILENT, Model, compare, weigh
from warehouse.tables import PERSON_LINEAGE, PERSON_LINK

log = logging.getLogger("kinfold.linkage")
log.addHandler(logging.NullHandler())

BRIDGED_LOWER = (
    8.0  # bits below the floor at which a pair that shares a valid id may still stand, names and date missing
)
LEVELS = [f"g{n}" for n in range(len(COMPARISONS))]


@dataclass(frozen=True)
class Linked:
    """What a night's linkage leaves.

    Attributes:
        edges, links, lineage: the canonical tables; lineage holds earlier nights too.
        state: what the next night needs beside the tables, sorted by `record_id`: `row` and `fingerprint` (of what was
            read, and of all that decides which pairs a record is in and what they weigh), `compared` (the part of the
            fingerprint that the record decides alone), `component` and `group` (places of rows in this frame) and
            `model_id`. It holds no names.
        keys: `uid` (places of rows in the state), `key` and `over`: as `Blocks` has them.
        shared: for each column, how many values so many records share that they count for nothing.
    """

    edges: pl.DataFrame
    links: pl.DataFrame
    lineage: pl.DataFrame
    state: pl.DataFrame
    keys: pl.DataFrame
    shared: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Before:
    """The last night as seen from this one.

    Attributes:
        left: the last night.
        was: the place in the last night's state of each record of tonight, -1 where it is new.
        now: tonight's uid of each record of the last night, -1 where it is gone.
    """

    left: Linked
    was: np.ndarray
    now: np.ndarray

    def tonight(self, column: str) -> np.ndarray:
        """Component or group (tonight's uid) in which each record stood, -1 where there is none such."""
        place = self.left.state[column].to_numpy()[self.was]
        return np.where(self.was >= 0, self.now[place], -1)

    def same(self, column: str, values: pl.Series) -> np.ndarray:
        """Whether each record's value is what it was."""
        return (self.was >= 0) & (self.left.state[column].to_numpy()[self.was] == values.to_numpy())


def link(
    records: pl.DataFrame,
    previous: Linked | None,
    model: Model,
    night: date,
    key: bytes,
    folder: Path | None = None,
    full: bool = False,
) -> Linked:
    """Link the records of a night.

    Only records that are new or changed are read and scored, and only components that they touch are clustered again;
    the outcome is that of a full run.

    Args:
        records: `source_record` rows of the night.
        previous: what the last completed night left; None on the first.
        model: the frozen model; another than the last night's scores everything again.
        night: names the night, in `linked_from` and in lineage.
        key: secret from which new person ids are made.
        folder: where DuckDB may spill; None forbids it.
        full: score everything again, keeping ids: the weekly check.
    """
    rows, shared = prepare(records)
    for column, count in shared.items():
        log.warning("%s: %d values are shared by too many records and count for nothing", column, count)
    before = None if full else _before(rows, previous, model)
    fresh = np.ones(rows.height, dtype=bool) if before is None else ~before.same("row", rows["row"])
    people = conform(rows.filter(pl.Series(fresh)))
    compared, blocked = _blocked(people, fresh, before)
    stamps = rows.select("uid").join(blocked.capped, on="uid", how="left", maintain_order="left")["stamp"]
    fingerprint = pl.DataFrame([compared, stamps]).to_struct().hash().alias("fingerprint")

    def score(pairs: pl.DataFrame, floor: float) -> pl.DataFrame:
        if before is None:
            return weigh(compare(people, pairs, model, floor, folder), model)
        needed = np.zeros(rows.height, dtype=bool)
        needed[pairs["uid_l"].to_numpy()] = needed[pairs["uid_r"].to_numpy()] = True
        return weigh(compare(conform(rows.filter(pl.Series(needed))), pairs, model, floor, folder), model)

    edges = _edges(rows["record_id"], blocked, fingerprint, before, model, score)
    pairs = edges.with_columns(pl.col("levels").list.get(n).alias(name) for n, name in enumerate(LEVELS)).select(
        *("uid_l", "uid_r", "by", "match_probability", pl.col("match_weight").alias("weight")),
        (NEVER & (pl.col("by") != "bridge")).alias("never"),
        SILENT.alias("silent"),
    )
    component = components(rows.height, pairs, model.cut)
    touched = _touched(component, fingerprint, before)
    group = refine(component, pairs, model.cut, touched, lambda more: score(more, -100.0))
    if before is not None:
        group = np.where(touched, group, before.tonight("group"))
    state = rows.select("record_id", "row").with_columns(
        compared,
        fingerprint,
        pl.Series("component", component, dtype=pl.UInt32),
        pl.Series("group", group, dtype=pl.UInt32),
        pl.lit(model.model_id).alias("model_id"),
    )
    links, told = _links(rows["record_id"], pairs, group, touched, previous, night, key)
    return Linked(edges.drop("uid_l", "uid_r"), links, told, state, blocked.keys, shared)


def _before(rows: pl.DataFrame, previous: Linked | None, model: Model) -> _Before | None:
    """The last night, where it can be built upon: scored by the same model, and with all that is needed of it."""
    if previous is None or previous.keys.is_empty() or (previous.state["model_id"] != model.model_id).any():
        return None
    places = previous.state.select("record_id", pl.int_range(pl.len(), dtype=pl.Int64).alias("was"))
    was = rows.join(places, on="record_id", how="left", maintain_order="left")["was"].fill_null(-1).to_numpy()
    now = np.full(previous.state.height, -1, dtype=np.int64)
    now[was[was >= 0]] = np.flatnonzero(was >= 0)
    return _Before(previous, was, now)


def _blocked(people: pl.DataFrame, fresh: np.ndarray, before: _Before | None) -> tuple[pl.Series, Blocks]:
    """What each record compares (`compared`), and the keys under which records meet."""
    compared = people["fingerprint"].alias("compared")
    if before is None:
        return compared, blocks(people)
    every = before.left.state["compared"].to_numpy()[before.was]
    every[fresh] = compared.to_numpy()
    kept = np.append(before.now, -1)
    kept[before.was[fresh]] = -1  # of a new record the place is -1: the last, which is none
    keys = before.left.keys.with_columns(pl.Series("uid", kept[before.left.keys["uid"].to_numpy()]))
    stays = keys["uid"] >= 0
    blocked = blocks(people, keys.filter(stays).with_columns(pl.col("uid").cast(pl.UInt32)), keys.filter(~stays)["key"])
    return pl.Series("compared", every), blocked


def _edges(
    ids: pl.Series,
    blocked: Blocks,
    fingerprint: pl.Series,
    before: _Before | None,
    model: Model,
    score: Callable[[pl.DataFrame, float], pl.DataFrame],
) -> pl.DataFrame:
    """The night's `match_edge` with `uid_l`, `uid_r`: kept where both records stand unchanged, else scored afresh."""
    if before is None:
        pairs = blocked.pairs()
    else:
        same = before.same("fingerprint", fingerprint)
        stand = pl.DataFrame({"id": ids, "uid": np.arange(len(ids))}).filter(pl.Series(same))
        kept = before.left.edges
        for end in ("l", "r"):
            names = {"id": f"record_{end}", "uid": f"uid_{end}"}
            kept = kept.join(stand.rename(names), on=f"record_{end}", maintain_order="left")
        pairs = blocked.pairs(pl.Series(np.flatnonzero(~same)))
    scored = score(pairs, FLOOR - BRIDGED_LOWER).filter(pl.col("weight") >= FLOOR)
    weight = scored["weight"]
    fresh = scored.select(
        ids.gather(scored["uid_l"]).alias("record_l"),
        ids.gather(scored["uid_r"]).alias("record_r"),
        weight.alias("match_weight"),
        (1 / (1 + 2.0 ** -weight.clip(-60, 60))).alias("match_probability"),
        pl.Series("levels", scored.select(LEVELS).to_numpy(order="c")).cast(pl.List(pl.Int8)),
        pl.when("bridge").then(pl.lit("bridge")).otherwise(pl.lit("probability")).alias("by"),
        pl.lit(model.model_id).alias("model_id"),
        "uid_l",
        "uid_r",
    )
    # uids are in the order of record ids
    return fresh if before is None else pl.concat([kept, fresh]).sort("uid_l", "uid_r")


def _touched(component: np.ndarray, fingerprint: pl.Series, before: _Before | None) -> np.ndarray:
    """Whether each record's component must be clustered again: any of its records is not as or where it was."""
    if before is None:
        return np.ones(len(component), dtype=bool)
    height = len(component)
    sizes = np.bincount(before.left.state["component"].to_numpy())
    size = np.bincount(component, minlength=height)[component]
    moved = ~before.same("fingerprint", fingerprint) | (before.tonight("component") != component)
    moved |= sizes[before.left.state["component"].to_numpy()[before.was]] != size
    return np.bincount(component, weights=moved, minlength=height)[component] > 0


def _links(
    ids: pl.Series,
    pairs: pl.DataFrame,
    group: np.ndarray,
    touched: np.ndarray,
    previous: Linked | None,
    night: date,
    key: bytes,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The night's `person_link` and `person_lineage`; links of records in components left alone stay as they are."""
    was = PERSON_LINK.empty() if previous is None else previous.links
    moving = pl.DataFrame({"member": ids, "group": group, "touched": touched})
    settled = was.join(moving.filter(~pl.col("touched")), left_on="record_id", right_on="member", how="semi")
    was = was.join(settled, on="record_id", how="anti")
    history = PERSON_LINEAGE.empty() if previous is None else previous.lineage
    history = history.filter(pl.col("night") < night)
    founded_on = (
        history.filter(pl.col("change").is_in(["founded", "split_from"]))
        .group_by("person_id")
        .agg(pl.col("night").min().alias("founded"))
        .rename({"person_id": "id"})
    )
    members = moving.filter("touched").drop("touched")
    before = was.select(pl.col("record_id").alias("member"), pl.col("person_id").alias("id"))
    assigned = assign(members, before, founded_on, night, key)
    people = members.join(assigned.ids, on="group").rename({"member": "record_id", "id": "person_id"})

    left, right = pairs["uid_l"].to_numpy(), pairs["uid_r"].to_numpy()
    inside = pairs.filter(pl.Series((group[left] == group[right]) & touched[left]))
    ends = pl.concat([inside.select(pl.col(end).alias("uid"), "match_probability", "by") for end in ("uid_l", "uid_r")])
    best = ends.group_by("uid").agg(
        pl.col("match_probability").max().alias("probability"), (pl.col("by") == "bridge").any().alias("bridge")
    )
    evidence = best.with_columns(ids.gather(best["uid"]).alias("record_id"))
    standing = was.select("record_id", "person_id", "linked_from")
    links = (
        people.with_columns((pl.len().over("person_id") == 1).alias("alone"))
        .join(evidence, on="record_id", how="left")
        .join(standing, on=["record_id", "person_id"], how="left")
        .with_columns(
            pl.col("linked_from").fill_null(night),
            pl.when("alone").then(pl.lit("founder")).when(pl.col("bridge").fill_null(False)).then(pl.lit("bridge"))
            .otherwise(pl.lit("probability")).alias("by"),
        )
    )  # fmt: skip
    links = links.select(pl.col(c.name).cast(c.type) for c in PERSON_LINK.columns)
    sizes = links.group_by(pl.col("person_id").alias("id")).agg(pl.len().alias("records"))
    told = lineage(assigned, sizes, night)
    return pl.concat([settled, links]).sort("record_id"), pl.concat([history, told]).sort(PERSON_LINEAGE.key)
