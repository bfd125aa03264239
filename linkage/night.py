"""The nightly linkage: score what changed, cluster what it touched, keep the ids.

What belongs here: the order of the steps and the state between nights. Each step stands in its own module.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from linkage.blocking import Blocks, blocks
from linkage.cluster import components, refine
from linkage.conform import conform
from linkage.identity import assign, lineage
from linkage.model import COMPARISONS, FLOOR, NEVER, SILENT, Model, compare, weigh
from warehouse.tables import MATCH_EDGE, PERSON_LINEAGE, PERSON_LINK

BRIDGED_LOWER = (
    8.0  # bits below the floor at which a pair that shares a valid id may still stand, names and date missing
)
LEVELS = [f"g{n}" for n in range(len(COMPARISONS))]


@dataclass(frozen=True)
class Linked:
    """What a night's linkage leaves.

    Attributes:
        edges, links, lineage: the canonical tables; lineage holds earlier nights too.
        state: `record_id`, `fingerprint` (of what was compared), `component` and `group` (a record id each) and
            `model_id`: what the next night needs beside the tables. It holds no names.
    """

    edges: pl.DataFrame
    links: pl.DataFrame
    lineage: pl.DataFrame
    state: pl.DataFrame


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

    Only records that are new or changed are scored, and only components that they touch are clustered again; the
    outcome is that of a full run.

    Args:
        records: `source_record` rows of the night.
        previous: what the last completed night left; None on the first.
        model: the frozen model; another than the last night's scores everything again.
        night: names the night, in `linked_from` and in lineage.
        key: secret from which new person ids are made.
        folder: where DuckDB may spill; None forbids it.
        full: score everything again, keeping ids: the weekly check.
    """
    people = conform(records)
    blocked = blocks(people)
    now = _fingerprints(people, blocked)
    before = None if previous is None or full else previous.state
    if before is not None and not before.filter(pl.col("model_id") != model.model_id).is_empty():
        before = None
    edges = _edges(people, blocked, now, before, previous, model, folder)

    number = people.select("record_id", "uid")
    pairs = (
        edges.join(number.rename({"record_id": "record_l", "uid": "uid_l"}), on="record_l", maintain_order="left")
        .join(number.rename({"record_id": "record_r", "uid": "uid_r"}), on="record_r", maintain_order="left")
        .with_columns(pl.col("levels").list.get(n).alias(name) for n, name in enumerate(LEVELS))
        .select(
            "uid_l",
            "uid_r",
            "by",
            "match_probability",
            pl.col("match_weight").alias("weight"),
            NEVER.alias("never"),
            SILENT.alias("silent"),
        )
        .with_columns(pl.col("never") & (pl.col("by") != "bridge"))
    )
    component = components(people.height, pairs, model.cut)
    ids = people["record_id"]
    held = now.with_columns(ids.gather(component).alias("component"))
    only, old_group = _touched(held, before)
    group = refine(
        component, pairs, model.cut, only, lambda more: weigh(compare(people, more, model, -100.0, folder), model)
    )
    group = np.where(only, group, old_group)
    state = held.select(
        "record_id",
        "fingerprint",
        "component",
        ids.gather(group).alias("group"),
        pl.lit(model.model_id).alias("model_id"),
    )
    links, told = _links(state, pairs, group, previous, night, key)
    return Linked(edges, links, told, state)


def _fingerprints(people: pl.DataFrame, blocked: Blocks) -> pl.DataFrame:
    """`record_id`, `uid`, `fingerprint`: of all that decides which pairs a record is in and what they weigh."""
    stamped = people.select("record_id", "uid", "fingerprint").join(
        blocked.capped, on="uid", how="left", maintain_order="left"
    )
    return stamped.select("record_id", "uid", pl.struct("fingerprint", "stamp").hash().alias("fingerprint"))


def _edges(
    people: pl.DataFrame,
    blocked: Blocks,
    now: pl.DataFrame,
    before: pl.DataFrame | None,
    previous: Linked | None,
    model: Model,
    folder: Path | None,
) -> pl.DataFrame:
    """The night's `match_edge`: kept where both records stand unchanged, scored afresh where either does not."""
    if before is None or previous is None:
        kept, pairs = MATCH_EDGE.empty(), blocked.pairs()
    else:
        same = now.join(before.select("record_id", "fingerprint"), on=["record_id", "fingerprint"], how="semi")
        changed = now.join(same, on="record_id", how="anti")
        kept = previous.edges.join(same, left_on="record_l", right_on="record_id", how="semi").join(
            same, left_on="record_r", right_on="record_id", how="semi"
        )
        pairs = blocked.pairs(changed["uid"])
    scored = weigh(compare(people, pairs, model, FLOOR - BRIDGED_LOWER, folder), model).filter(
        pl.col("weight") >= FLOOR
    )
    ids = people["record_id"]
    weight = scored["weight"]
    fresh = scored.select(
        ids.gather(scored["uid_l"]).alias("record_l"),
        ids.gather(scored["uid_r"]).alias("record_r"),
        weight.alias("match_weight"),
        (1 / (1 + 2.0 ** -weight.clip(-60, 60))).alias("match_probability"),
        pl.concat_list(LEVELS).alias("levels"),
        pl.when("bridge").then(pl.lit("bridge")).otherwise(pl.lit("probability")).alias("by"),
        pl.lit(model.model_id).alias("model_id"),
    )
    # uids are in the order of record ids: what is scored afresh alone is in order already
    return pl.concat([kept, fresh]).sort("record_l", "record_r") if kept.height else fresh


def _touched(held: pl.DataFrame, before: pl.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
    """Whether each record's component must be clustered again, and the group (uid) it had where not."""
    if before is None:
        return np.ones(held.height, dtype=bool), np.zeros(held.height, dtype=np.int64)
    size = before.group_by("component").len("size")
    old = before.join(size, on="component").select(
        "record_id", pl.col("fingerprint").alias("was"), pl.col("component").alias("old"), "size", "group"
    )
    both = held.join(old, on="record_id", how="left", maintain_order="left").with_columns(
        (
            (pl.col("was") != pl.col("fingerprint")) | (pl.col("old") != pl.col("component")) | pl.col("was").is_null()
        ).alias("moved")
    )
    both = both.with_columns(
        (pl.col("moved").any() | (pl.len() != pl.col("size").min())).over("component").alias("touched")
    )
    numbers = held.select(pl.col("record_id").alias("group"), pl.col("uid").alias("group_uid"))
    groups = both.join(numbers, on="group", how="left", maintain_order="left")
    return both["touched"].to_numpy(), groups["group_uid"].fill_null(0).to_numpy()


def _links(
    state: pl.DataFrame,
    pairs: pl.DataFrame,
    group: np.ndarray,
    previous: Linked | None,
    night: date,
    key: bytes,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The night's `person_link` and `person_lineage`."""
    was = PERSON_LINK.empty() if previous is None else previous.links
    history = PERSON_LINEAGE.empty() if previous is None else previous.lineage
    history = history.filter(pl.col("night") < night)
    founded_on = (
        history.filter(pl.col("change").is_in(["founded", "split_from"]))
        .group_by("person_id")
        .agg(pl.col("night").min().alias("founded"))
        .rename({"person_id": "id"})
    )
    members = state.select(pl.col("record_id").alias("member"), "group")
    before = was.select(pl.col("record_id").alias("member"), pl.col("person_id").alias("id"))
    assigned = assign(members, before, founded_on, night, key)
    people = members.join(assigned.ids, on="group").rename({"member": "record_id", "id": "person_id"})

    inside = pairs.filter(pl.Series(group[pairs["uid_l"].to_numpy()] == group[pairs["uid_r"].to_numpy()]))
    ends = pl.concat([inside.select(pl.col(end).alias("uid"), "match_probability", "by") for end in ("uid_l", "uid_r")])
    best = ends.group_by("uid").agg(
        pl.col("match_probability").max().alias("probability"), (pl.col("by") == "bridge").any().alias("bridge")
    )
    evidence = best.with_columns(state["record_id"].gather(best["uid"]).alias("record_id"))
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
    links = links.select(pl.col(c.name).cast(c.type) for c in PERSON_LINK.columns).sort("record_id")
    sizes = links.group_by(pl.col("person_id").alias("id")).agg(pl.len().alias("records"))
    told = lineage(assigned, sizes, night)
    return links, pl.concat([history, told]).sort(PERSON_LINEAGE.key)
