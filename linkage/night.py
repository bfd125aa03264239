"""The nightly linkage: score what changed, cluster what it touched, keep the ids.

What belongs here: the order of the steps and the state between nights. Each step stands in its own module.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from linkage.blocking import Blocks, blocks, plausible
from linkage.cluster import RUNAWAY, bridges, components, refine
from linkage.conform import READ, conform, prepare
from linkage.decisions import NOTHING, SAME, SETTLED, Said, Told, decisive, disputed, enforce, rule, said
from linkage.identity import BIT, assign, heirs, lineage
from linkage.model import FLOOR, NEVER, SILENT, Model, compare, feed_codes, weigh
from warehouse.tables import MATCH_EDGE, PERSON_LINEAGE, PERSON_LINK

log = logging.getLogger("kinfold.linkage")
log.addHandler(logging.NullHandler())

BRIDGED_LOWER = (
    8.0  # bits below the floor at which a pair that shares a valid id may still stand, names and date missing
)
REMEMBERED = timedelta(days=190)  # a record that comes back within it takes its id up again
STAMPS = ("review", "register", "council")
STATE = ("record_id", "row", "compared", *STAMPS, "fingerprint", "component", "group", "model_id", "code")
_ENDS = {"uid_l": pl.UInt32, "uid_r": pl.UInt32}
_NO_GHOSTS = pl.DataFrame(schema={"member": pl.String, "group": pl.Int64, "id": pl.String})
_ABSENT = {"record_id": pl.String, "person_id": pl.String, "since": pl.Date}


@dataclass(frozen=True)
class Linked:
    """What a night's linkage leaves.

    Attributes:
        edges, links, lineage: the canonical tables; lineage holds earlier nights too.
        state: what the next night needs beside the tables, sorted by `record_id`: `row` and `fingerprint` (of what was
            read, and of all that decides which pairs a record is in and what they weigh), `compared` (the part of the
            fingerprint that the record decides alone), `review`, `register`, `council` (what each of these says of
            it), `component` and `group` (places of rows in this frame), `model_id` and `code` (as `code` tells it). It
            holds no names.
        keys: `uid` (places of rows in the state), `key` and `over`: as `Blocks` has them.
        ends: `uid_l`, `uid_r` of each edge, in their order.
        absent: `record_id`, `person_id`, `since` (the first night without it) of records that are gone and may return.
        shared: for each column, how many values so many records share that they count for nothing.
        figures: counts that tell whether the night went as nights do; see `figures_of`.
        blocked: the keys, for a report on blocks; not kept between nights.
    """

    edges: pl.DataFrame
    links: pl.DataFrame
    lineage: pl.DataFrame
    state: pl.DataFrame = field(default_factory=pl.DataFrame)
    keys: pl.DataFrame = field(default_factory=pl.DataFrame)
    ends: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ENDS))
    absent: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_ABSENT))
    shared: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    blocked: Blocks | None = None


@dataclass(frozen=True)
class _Before:
    """The last night as seen from this one.

    Attributes:
        left: the last night.
        was: the place in the last night's links of each record of tonight, -1 where it is new.
        now: tonight's uid of each record of the last night, -1 where it is gone.
    """

    left: Linked
    was: np.ndarray
    now: np.ndarray

    @classmethod
    def of(cls, ids: pl.Series, left: Linked) -> _Before:
        places = left.links.select("record_id", pl.int_range(pl.len(), dtype=pl.Int64).alias("was"))
        was = pl.DataFrame({"record_id": ids}).join(places, on="record_id", how="left", maintain_order="left")["was"]
        placed = was.fill_null(-1).to_numpy()
        now = np.full(left.links.height, -1, dtype=np.int64)
        now[placed[placed >= 0]] = np.flatnonzero(placed >= 0)
        return cls(left, placed, now)

    @property
    def known(self) -> bool:
        """Whether what was compared and said on the last night is known."""
        state = self.left.state
        return set(STATE) <= set(state.columns) and state.height == self.left.links.height

    def bears(self, model: Model) -> bool:
        """Whether the night can be built upon: made as tonight's is, and with all that is needed of it."""
        left = self.left
        whole = self.known and not left.keys.is_empty() and left.ends.height == left.edges.height
        return whole and made_by(left.state, model)

    def same(self, column: str, values: pl.Series) -> np.ndarray:
        """Whether each record's value is what it was."""
        if not len(self.now):
            return np.zeros(len(self.was), dtype=bool)
        return (self.was >= 0) & (self.left.state[column].to_numpy()[self.was] == values.to_numpy())


@cache
def code() -> str:
    """Digest of all that decides, beside the model, which records meet, what pairs weigh and how they are clustered.

    After an upgrade that touches any of it nothing that older code kept is built upon.
    """
    here = Path(__file__).parent
    modules = ("blocking", "cluster", "comparisons", "conform", "decisions", "model", "names", "night")
    parts = [*(here / f"{name}.py" for name in modules), *sorted(here.glob("*_variants.csv"))]
    parts.append(here.parent / "feeds" / "names.py")
    digest = hashlib.sha256(f"{pl.__version__} {version('splink')} {version('duckdb')}".encode())
    for part in parts:
        digest.update(hashlib.sha256(part.read_bytes()).digest())
    return digest.hexdigest()[:16]


def made_by(state: pl.DataFrame, model: Model) -> bool:
    """Whether a night's state was made with a model, by the code that runs now."""
    by = {"model_id": model.model_id, "code": code()}
    return set(by) <= set(state.columns) and all(bool((state[name] == value).all()) for name, value in by.items())


def link(
    records: pl.DataFrame,
    previous: Linked | None,
    model: Model,
    night: date,
    key: bytes,
    folder: Path | None = None,
    full: bool = False,
    told: Told = NOTHING,
    vanished: Callable[[pl.Series], pl.DataFrame] | None = None,
    forgotten: pl.Series | None = None,
    threads: int = 2,
) -> Linked:
    """Link the records of a night.

    Only records that are new or changed, or of which people say something else than before, are read and scored, and
    only components that they touch are clustered again; the outcome is that of a full run.

    Args:
        records: `source_record` rows of the night.
        previous: what the last completed night left; None on the first.
        model: the frozen model; another than the last night's, or other code, scores everything again.
        night: names the night, in `linked_from` and in lineage.
        key: secret from which new person ids are made.
        folder: where DuckDB may spill; None forbids it.
        full: score everything again, keeping ids: the weekly check.
        told: what people decided, and the council's own matching. Never to be linked comes before all, then reviewers,
            the council as master, shared ids, and probability.
        vanished: given record ids, what `source_record` held of them on the last night, so that a person whose records
            all change feed keeps the id; None: no such person does.
        forgotten: record ids that were withdrawn for good: nothing of them is remembered.
        threads: of DuckDB.
    """
    rows, shared = prepare(records, model.settings.further)
    del records  # of many records each table that nothing needs is worth its memory
    ids = rows["record_id"]
    before = None if previous is None else _Before.of(ids, previous)
    base = before if before is not None and not full and before.bears(model) else None
    words = said(ids, told)
    shared = {**shared, **({"council_id": words.aside} if words.aside else {})}
    for column, count in shared.items():
        log.warning("%s: %d values are shared by too many records and count for nothing", column, count)
    fresh = np.ones(rows.height, dtype=bool) if base is None else ~base.same("row", rows["row"])
    people = conform(rows.filter(pl.Series(fresh)))
    if before is None or (base is None and vanished is None):
        rows = rows.select("uid", "record_id", "feed", "row")
    compared, blocked = _blocked(people, fresh, base, model.settings.caps)
    capped, over = blocked.capped, np.zeros(rows.height, dtype=np.uint64)
    over[capped["uid"].to_numpy()] = capped["stamp"].to_numpy()
    marks = [compared, pl.Series("over", over), *words.stamps]
    fingerprint = pl.DataFrame(marks).to_struct().hash().alias("fingerprint")
    same = np.zeros(rows.height, dtype=bool) if base is None else base.same("fingerprint", fingerprint)

    def score(pairs: pl.DataFrame, floor: float) -> pl.DataFrame:
        known = people
        if base is not None:
            needed = np.zeros(rows.height, dtype=bool)
            needed[pairs["uid_l"].to_numpy()] = needed[pairs["uid_r"].to_numpy()] = True
            known = conform(rows.filter(pl.Series(needed)))
        asked = plausible(known, pairs) if floor > -math.inf else pairs
        return weigh(compare(known, asked, model, floor, folder, threads), model)

    scored = _scored(blocked, words, same, base, score)
    edges, ends = _edges(_told_of(scored, ids, words, model), same, base)
    nodes, played = _in_play(ends, edges, scored, words, same, base, model)
    del scored
    pairs = _pairs(edges, ends, played, nodes, words, model)
    local = components(len(nodes), pairs, model.reach) if len(nodes) else nodes

    def more(found: pl.DataFrame) -> pl.DataFrame:
        at = found.with_columns(pl.Series(name, nodes[found[name].to_numpy()]) for name in _ENDS)
        told_of = rule(score(at, -math.inf).select(*_ENDS, "weight", "never", "silent"), words)
        return told_of.with_columns(pl.Series(name, np.searchsorted(nodes, told_of[name].to_numpy())) for name in _ENDS)

    feeds, of_feed = feed_codes(rows)
    again = np.array([model.feeds.get(f"{feed}|{feed}", 0.0) for feed in feeds])
    grouped = _grouped(local, pairs, nodes, words, model, more, of_feed[nodes], again) if len(nodes) else nodes
    component, group = (
        _everywhere(column, nodes, nodes[label], base, rows.height)
        for column, label in (("component", local), ("group", grouped))
    )
    group = enforce(group, words)
    state = rows.select("record_id", "row").with_columns(
        compared,
        *words.stamps,
        fingerprint,
        pl.Series("component", component, dtype=pl.UInt32),
        pl.Series("group", group, dtype=pl.UInt32),
        pl.lit(model.model_id).alias("model_id"),
        pl.lit(code()).alias("code"),
    )
    playing = pl.DataFrame({"member": ids.gather(pl.Series(nodes)), "uid": nodes, "group": group[nodes]})
    changed = _changed(playing["uid"].to_numpy(), component[nodes], state, before)
    found = None if before is None or vanished is None else _lost(playing, before, forgotten)
    ghosts = (
        _NO_GHOSTS
        if found is None or vanished is None
        else _ghosts(
            *found,
            vanished,
            rows,
            lambda people, pairs: compare(people, pairs, model, FLOOR - BRIDGED_LOWER, folder, threads),
            model,
            told,
        )
    )
    links, told_tonight, absent = _links(playing, pairs, changed, ghosts, before, forgotten, night, key)
    figures = figures_of(links, edges.height, component, group, previous)
    return Linked(edges, links, told_tonight, state, blocked.keys, ends, absent, shared, figures, blocked)


def figures_of(
    links: pl.DataFrame, edges: int, component: np.ndarray, group: np.ndarray, previous: Linked | None
) -> dict[str, float]:
    """Counts that tell whether a night went as nights do.

    Returns:
        `records`, `edges`, `largest` (records of the largest person), `runaway` (components so large that they were
        parted at higher weights before anything else), `edges_per_record`; and where there was a night
        before `edges_per_record_before`, and `moved`: the share of the records of both that changed person.
    """
    height = links.height
    found = {
        "records": height,
        "edges": edges,
        "largest": int(np.bincount(group).max()) if height else 0,
        "runaway": int((np.bincount(component) > RUNAWAY).sum()) if height else 0,
        "edges_per_record": edges / max(height, 1),
    }
    if previous is not None:
        found["edges_per_record_before"] = previous.edges.height / max(previous.links.height, 1)
        since = links.join(previous.links, on=["record_id", "person_id"], how="anti").select("record_id")
        moved = since.join(previous.links, on="record_id", how="semi").height
        found["moved"] = moved / max(previous.links.height, 1)
    return found


def thin(linked: Linked, model: Model) -> float:
    """The share of the people of three records or more who hang together by one pair.

    Args:
        linked: a night of which the state is known.
    """
    group = linked.state["group"].to_numpy().astype(np.int64)
    if not len(group):
        return 0.0
    pairs = linked.edges.select(pl.col("match_weight").alias("weight"), pl.lit(False).alias("never"))
    ends = linked.ends.cast(dict.fromkeys(_ENDS, pl.Int64))
    held = bridges(group, pl.concat([ends, pairs], how="horizontal"), model.cut)
    many = int((np.bincount(group) > 2).sum())
    return len(np.unique(group[held["uid_l"].to_numpy()])) / max(many, 1)


# -- which pairs, and what they weigh ----------------------------------------------------------------------------------


def _blocked(
    people: pl.DataFrame, fresh: np.ndarray, base: _Before | None, caps: Mapping[str, int]
) -> tuple[pl.Series, Blocks]:
    """What each record compares (`compared`), and the keys under which records meet."""
    compared = people["fingerprint"].alias("compared")
    if base is None:
        return compared, blocks(people, caps=caps)
    every = base.left.state["compared"].to_numpy()[base.was]
    every[fresh] = compared.to_numpy()
    kept = np.append(base.now, -1)
    kept[base.was[fresh]] = -1  # of a new record the place is -1: the last, which is none
    uid = kept[base.left.keys["uid"].to_numpy()]
    stays = uid >= 0
    keys = pl.DataFrame({"uid": uid[stays].astype(np.uint32), "key": base.left.keys["key"].to_numpy()[stays]})
    return pl.Series("compared", every), blocks(people, keys, caps=caps)


def _scored(
    blocked: Blocks,
    words: Said,
    same: np.ndarray,
    base: _Before | None,
    score: Callable[[pl.DataFrame, float], pl.DataFrame],
) -> pl.DataFrame:
    """Pairs with a record that is not as it was: those that a key brings together, and those of which people speak."""
    pairs = blocked.pairs(None if base is None else pl.Series(np.flatnonzero(~same)))
    scored = score(pairs, FLOOR - BRIDGED_LOWER).filter(pl.col("weight") >= FLOOR)
    asked = words.pairs.select(*_ENDS)
    asked = asked.filter(pl.Series(~(same[asked["uid_l"].to_numpy()] & same[asked["uid_r"].to_numpy()])))
    lacking = asked.join(scored, on=list(_ENDS), how="anti").sort(*_ENDS)
    if not lacking.height:
        return scored
    return pl.concat([scored, score(lacking, -math.inf).select(scored.columns)]).sort(*_ENDS)


def _told_of(scored: pl.DataFrame, ids: pl.Series, words: Said, model: Model) -> pl.DataFrame:
    """Scored pairs as `match_edge` rows, with `uid_l` and `uid_r`; what decides on each is said by `by`."""
    weight, told = scored["weight"], decisive(scored, words)
    levels = [f"g{n}" for n in range(len(model.comparisons))]
    decided = (told["strength"] >= SETTLED).fill_null(False) | (told["verdict"] != SAME).fill_null(False)
    by = pl.when(decided).then(told["by"]).when("bridge").then(pl.lit("bridge"))
    return scored.select(
        ids.gather(scored["uid_l"]).alias("record_l"),
        ids.gather(scored["uid_r"]).alias("record_r"),
        weight.alias("match_weight"),
        (1 / (1 + 2.0 ** -weight.clip(-60, 60))).alias("match_probability"),
        pl.Series("levels", scored.select(levels).to_numpy(order="c")).cast(pl.List(pl.Int8)),
        by.otherwise(pl.coalesce(told["by"], pl.lit("probability"))).alias("by"),
        pl.lit(model.model_id).alias("model_id"),
        *(pl.col(name).cast(kind) for name, kind in _ENDS.items()),
    )


def _edges(fresh: pl.DataFrame, same: np.ndarray, base: _Before | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The night's `match_edge`, and the uids of its ends: what was scored afresh among what both records left alone."""
    own, ends = fresh.select(MATCH_EDGE.schema.names()), fresh.select(*_ENDS)
    if base is None:
        return own, ends
    left = base.left
    now = base.now
    stands = np.append(same, False)[now]
    one, other = (left.ends[name].to_numpy() for name in _ENDS)
    kept = np.flatnonzero(stands[one] & stands[other])
    both = [np.r_[now[end[kept]], ends[name].to_numpy()] for end, name in ((one, "uid_l"), (other, "uid_r"))]
    # uids are in the order of record ids, and so both parts are in order already
    order = np.argsort(both[0] << 32 | both[1], kind="stable")
    place = np.r_[kept, np.arange(left.edges.height, left.edges.height + own.height)][order]
    every = pl.concat([left.edges.select(own.columns), own], rechunk=True)[place]
    return every, pl.DataFrame({name: end[order] for name, end in zip(_ENDS, both, strict=True)}, schema=_ENDS)


def _in_play(
    ends: pl.DataFrame,
    edges: pl.DataFrame,
    scored: pl.DataFrame,
    words: Said,
    same: np.ndarray,
    base: _Before | None,
    model: Model,
) -> tuple[np.ndarray, np.ndarray]:
    """Uids of the records in components that tonight's changes touch, and the places of the edges among them."""
    if base is None:
        return np.arange(len(same)), np.arange(edges.height)
    home = base.left.state["component"].to_numpy()
    hit = np.zeros(len(home), dtype=bool)
    hit[home[~np.append(same, False)[base.now]]] = True
    ruled = rule(scored.select(*_ENDS, "weight", "never", "silent"), words)
    strong = ruled.filter((pl.col("weight") >= model.reach) & ~pl.col("never"))
    for name in _ENDS:
        was = base.was[strong[name].to_numpy()]
        hit[home[was[was >= 0]]] = True
    playing = ~same
    stood = base.was >= 0
    playing[stood] |= hit[home[base.was[stood]]]
    one, other = (ends[name].to_numpy() for name in _ENDS)
    return np.flatnonzero(playing), np.flatnonzero(playing[one] & playing[other])


def _pairs(
    edges: pl.DataFrame, ends: pl.DataFrame, played: np.ndarray, nodes: np.ndarray, words: Said, model: Model
) -> pl.DataFrame:
    """What clustering reads of the edges in play: `uid_l`, `uid_r` (places in `nodes`), `weight`, `never`, `silent`;
    and `by`."""
    whole = len(played) == edges.height
    rows = (edges if whole else edges[played]).select("match_weight", "levels", "by")
    rows = pl.concat([rows, ends if whole else ends[played]], how="horizontal").cast(dict.fromkeys(_ENDS, pl.Int64))
    names = [f"g{n}" for n in range(len(model.comparisons))]
    rows = rows.with_columns(pl.col("levels").list.get(n).alias(name) for n, name in enumerate(names))
    pairs = rows.select(
        *_ENDS,
        pl.col("match_weight").alias("weight"),
        (NEVER & (pl.col("by") != "bridge")).alias("never"),
        SILENT.alias("silent"),
        "by",
    )
    pairs = rule(pairs, words)
    if len(nodes) == int(nodes[-1]) + 1 if len(nodes) else True:
        return pairs
    return pairs.with_columns(pl.Series(name, np.searchsorted(nodes, pairs[name].to_numpy())) for name in _ENDS)


def _grouped(
    local: np.ndarray,
    pairs: pl.DataFrame,
    nodes: np.ndarray,
    words: Said,
    model: Model,
    more: Callable[[pl.DataFrame], pl.DataFrame],
    feed: np.ndarray,
    again: np.ndarray,
) -> np.ndarray:
    """Part components, then join what somebody said is one person, each with all who stand with it.

    Where somebody says of what that would join that not all of it is one person, it is parted anew, with what is
    settled foremost.
    """
    settled = pairs.filter("settled")
    open_ = pl.when("settled").then(0.0).otherwise("weight").alias("weight")
    plain = pairs.with_columns(open_, pl.col("silent") | pl.col("settled")) if settled.height else pairs
    grouped = refine(local, plain, model.cut, np.ones(len(local), dtype=bool), more, feed, again)
    if not settled.height:
        return grouped
    stays = pl.DataFrame({"uid_l": grouped, "uid_r": np.arange(len(grouped))})
    joined = pl.concat([stays, settled.select(*_ENDS)]).with_columns(pl.lit(model.cut).alias("weight"), never=False)
    home = components(len(grouped), joined, model.cut)
    held = None if words.held is None else words.held[nodes]
    return refine(home, pairs, model.cut, disputed(home, pairs, held), more, feed, again)


def _everywhere(column: str, nodes: np.ndarray, label: np.ndarray, base: _Before | None, height: int) -> np.ndarray:
    """Labels of all records: those of the nodes as found tonight, of the others as they were, by tonight's uids."""
    every = np.arange(height)
    if base is not None:
        stood = base.was >= 0
        every[stood] = base.now[base.left.state[column].to_numpy()[base.was[stood]]]
    every[nodes] = label
    return every


# -- ids that last ---------------------------------------------------------------------------------------------------


def _changed(nodes: np.ndarray, component: np.ndarray, state: pl.DataFrame, before: _Before | None) -> np.ndarray:
    """For each record in play, what changed in its component since the last night: bits of `BIT`."""
    bits = np.zeros(len(nodes), dtype=np.uint8)
    if before is None or not before.known:
        return bits
    was = before.was[nodes]
    stood = np.flatnonzero(was >= 0)
    then = before.left.state
    for column, why in (("row", "correction"), *((stamp, stamp) for stamp in STAMPS)):
        moved = then[column].to_numpy()[was[stood]] != state[column].to_numpy()[nodes[stood]]
        bits[stood[moved]] |= BIT[why]
    for column in ("model_id", "code"):
        other = then[column].gather(was[stood]) != state[column].head(1)
        bits[stood[other.to_numpy()]] |= BIT["model"]
    every = np.zeros(int(component.max(initial=0)) + 1, dtype=np.uint8)
    np.bitwise_or.at(every, component, bits)
    return every[component]


def _links(
    playing: pl.DataFrame,
    pairs: pl.DataFrame,
    changed: np.ndarray,
    ghosts: pl.DataFrame,
    before: _Before | None,
    forgotten: pl.Series | None,
    night: date,
    key: bytes,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The night's `person_link`, `person_lineage`, and who is absent; links of records out of play stay as they are.

    Args:
        playing: `member`, `uid`, `group` of the records in play.
        pairs: as `_pairs` returns it.
        changed: as `_changed` returns it.
        ghosts: `member` (a record that is gone), `group` (in which new records match it), `id`.
    """
    nodes = playing["uid"].to_numpy()
    if before is None:
        was, history, absent, settled = PERSON_LINK.empty(), PERSON_LINEAGE.empty(), pl.DataFrame(schema=_ABSENT), None
        here = np.zeros(0, dtype=np.int64)
    else:
        out = np.ones(len(before.was), dtype=bool)
        out[nodes] = False
        stays = np.append(out, False)[before.now]
        was, settled = before.left.links.filter(pl.Series(~stays)), before.left.links.filter(pl.Series(stays))
        here = before.now[~stays]
        history = before.left.lineage.filter(pl.col("night") < night)
        if "because" not in history.columns:
            history = history.with_columns(pl.lit("evidence").alias("because"))
        history, absent = history.select(PERSON_LINEAGE.schema.names()), before.left.absent
    stood = was.select(pl.col("record_id").alias("member"), pl.col("person_id").alias("id"), pl.lit(True).alias("live"))
    back = absent.join(playing, left_on="record_id", right_on="member", how="semi")
    back = back.select(
        pl.col("record_id").alias("member"), pl.col("person_id").alias("id"), pl.lit(False).alias("live")
    )
    others = pl.concat([back, ghosts.select("member", "id", pl.lit(False).alias("live"))])
    founded_on = (
        history.filter(pl.col("change").is_in(["founded", "split_from"]))
        .join(pl.concat([stood, others]), left_on="person_id", right_on="id", how="semi")
        .group_by(pl.col("person_id").alias("id"))
        .agg(pl.col("night").min().alias("founded"))
    )
    members = pl.concat([playing.select("member", "group"), ghosts.select("member", "group")])
    # a ghost stands for its person among new records, and so is not counted where it stood
    stood_here = stood.join(ghosts, on="member", how="anti")
    assigned = assign(members, pl.concat([stood_here, others]), founded_on, night, key)
    people = playing.join(assigned.ids, on="group", maintain_order="left").rename({"id": "person_id"})
    links = _linked(people, pairs, was, night)

    person = people.sort("uid")["person_id"]
    reasons = _reasons(person, changed, was, here, nodes)
    sizes = links.group_by(pl.col("person_id").alias("id")).agg(pl.len().alias("records"))
    resumed = _resumed(assigned.ids, stood, back, ghosts)
    told = lineage(assigned, sizes, night, reasons, resumed)
    gone = was.filter(pl.Series(here < 0)).select("record_id", "person_id", pl.lit(night).alias("since"))
    absent = pl.concat([absent.join(back, left_on="record_id", right_on="member", how="anti"), gone])
    if forgotten is not None:
        absent = absent.filter(~pl.col("record_id").is_in(forgotten.implode()))
    heir = heirs(assigned).select(pl.col("old").alias("person_id"), "id")
    absent = absent.filter(pl.col("since") > night - REMEMBERED).join(heir, on="person_id", how="left")
    absent = absent.select("record_id", pl.coalesce("id", "person_id").alias("person_id"), "since").sort("record_id")
    if settled is not None and settled.height:
        assert before is not None
        order = np.argsort(np.r_[before.now[stays], nodes], kind="stable")
        links = pl.concat([settled.select(links.columns), links], rechunk=True)[order]
    return links, pl.concat([history, told]), absent


def _linked(people: pl.DataFrame, pairs: pl.DataFrame, was: pl.DataFrame, night: date) -> pl.DataFrame:
    """`person_link` rows of the records in play, in order: since when each stands with its person, and by what."""
    group = people["group"].to_numpy()
    left, right = pairs["uid_l"].to_numpy(), pairs["uid_r"].to_numpy()
    inside = pairs.filter(pl.Series(group[left] == group[right]))
    ends = pl.concat([inside.select(pl.col(end).alias("place"), "weight", "by") for end in _ENDS])
    best = ends.group_by("place").agg(
        pl.col("weight").max(),
        *((pl.col("by") == by).any().alias(by) for by in ("reviewer", "council", "bridge")),
    )
    since = was.select("record_id", "person_id", "linked_from")
    links = (
        people.rename({"member": "record_id"})
        .with_columns(pl.int_range(pl.len()).alias("place"), (pl.len().over("person_id") == 1).alias("alone"))
        .join(best, on="place", how="left", maintain_order="left")
        .join(since, on=["record_id", "person_id"], how="left", maintain_order="left")
        .with_columns(
            pl.col("linked_from").fill_null(night),
            (1 / (1 + 2.0 ** -pl.col("weight").clip(-60, 60))).alias("probability"),
            pl.when("alone").then(pl.lit("founder"))
            .when(pl.col("reviewer").fill_null(False)).then(pl.lit("reviewer"))
            .when(pl.col("bridge").fill_null(False)).then(pl.lit("bridge"))
            .when(pl.col("council").fill_null(False)).then(pl.lit("council"))
            .otherwise(pl.lit("probability")).alias("by"),
        )
    )  # fmt: skip
    return links.select(pl.col(c.name).cast(c.type) for c in PERSON_LINK.columns)


def _reasons(
    person: pl.Series, changed: np.ndarray, was: pl.DataFrame, here: np.ndarray, nodes: np.ndarray
) -> pl.DataFrame:
    """`id`, `bits`: what changed around each id that stands or stood in play, where anything did."""
    place = np.searchsorted(nodes, here)
    then = np.where(here >= 0, np.append(changed, 0)[np.where(here >= 0, place, -1)], BIT["withdrawal"])
    bits = pl.DataFrame(
        {
            "id": pl.concat([person.rename("id"), was["person_id"].rename("id")]),
            "bits": np.r_[changed, then.astype(np.uint8)],
        }
    )
    return bits.group_by("id").agg(pl.col("bits").bitwise_or()).filter(pl.col("bits") > 0)


def _resumed(ids: pl.DataFrame, stood: pl.DataFrame, back: pl.DataFrame, ghosts: pl.DataFrame) -> pl.DataFrame:
    """`id`, `change`, `records`: ids that no record stood with, taken up by records that are back or by new ones."""
    told = [
        frame.group_by("id").agg(pl.len().alias("records")).select("id", pl.lit(change).alias("change"), "records")
        for change, frame in (("returned", back), ("carried_over", ghosts))
    ]
    live = stood.join(ghosts, on="member", how="anti").select("id")
    found = pl.concat(told).unique("id", keep="first", maintain_order=True).join(live, on="id", how="anti")
    return found.join(ids.filter(~pl.col("founded")), on="id", how="semi")


def _lost(
    playing: pl.DataFrame, before: _Before, forgotten: pl.Series | None
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Records gone tonight whose person has none left (`record_id`, `person_id`), and those in play in groups of which
    no record was ever known (`member`, `uid`, `group`); None where there are none of either."""
    links, absent = before.left.links, before.left.absent
    gone = links.filter(pl.Series(before.now < 0)).select("record_id", "person_id")
    back = absent.join(playing, left_on="record_id", right_on="member", how="semi").select("person_id")
    alive = links.filter(pl.Series(before.now >= 0)).select("person_id")
    gone = gone.join(pl.concat([alive, back]), on="person_id", how="anti")
    if forgotten is not None:
        gone = gone.filter(~pl.col("record_id").is_in(forgotten.implode()))
    known = pl.Series(before.was[playing["uid"].to_numpy()] >= 0)
    known |= playing["member"].is_in(absent["record_id"].implode())
    newborn = playing.join(playing.filter(known), on="group", how="anti")
    return (gone, newborn) if gone.height and newborn.height else None


def _ghosts(
    gone: pl.DataFrame,
    newborn: pl.DataFrame,
    vanished: Callable[[pl.Series], pl.DataFrame],
    rows: pl.DataFrame,
    score: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame],
    model: Model,
    told: Told,
) -> pl.DataFrame:
    """Records that are gone, each in the group of new records that it matches best.

    A feed that another replaces takes all its records with it; the new ones carry the ids on if they match, by the
    same model, rules and vetoes, what was last known of the old.

    Args:
        gone, newborn: as `_lost` returns them.

    Returns:
        `member`, `group`, `id`.
    """
    further = model.settings.further
    last = vanished(gone["record_id"]).select(*READ, *further).join(gone, on="record_id", how="semi")
    if not last.height:
        return _NO_GHOSTS
    old, _ = prepare(last, further)
    new = rows.filter(pl.col("uid").is_in(newborn["uid"].implode()))
    both = pl.concat([new, old.select(new.columns)]).sort("record_id")
    both = both.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("uid"))
    names, people = both["record_id"], conform(both)
    ghost = names.is_in(old["record_id"].implode()).to_numpy()
    pairs = blocks(people, caps=model.settings.caps).pairs()
    pairs = pairs.filter(pl.Series(ghost[pairs["uid_l"].to_numpy()] != ghost[pairs["uid_r"].to_numpy()]))
    scored = weigh(score(people, pairs), model).select(*_ENDS, "weight", "never", "silent")
    strong = rule(scored, said(names, told)).filter((pl.col("weight") >= model.cut) & ~pl.col("never"))
    one, other = strong["uid_l"].to_numpy(), strong["uid_r"].to_numpy()
    first = ghost[one]
    match = pl.DataFrame(
        {
            "record_id": names.gather(pl.Series(np.where(first, one, other))),
            "member": names.gather(pl.Series(np.where(first, other, one))),
            "weight": strong["weight"],
        }
    )
    match = match.join(newborn, on="member").join(gone, on="record_id")
    best = match.sort("weight", "member", descending=[True, False]).unique(
        "record_id", keep="first", maintain_order=True
    )
    return best.select(pl.col("record_id").alias("member"), "group", pl.col("person_id").alias("id")).sort("member")


# -- the weekly proof -------------------------------------------------------------------------------------------------


def differences(kept: Linked, anew: Linked) -> pl.DataFrame:
    """Hold what nights kept, each building on the one before, against a full run over the same records.

    Args:
        kept: what the last night left.
        anew: a full run for the same night.

    Returns:
        `what`, `count`, `first`: a row for each thing compared, with how many records or pairs differ in it and the
        record ids of the first three of them.
    """
    pair = ["record_l", "record_r"]
    edges = kept.edges.join(anew.edges, on=pair, how="full", suffix="_anew", coalesce=True, maintain_order="left_right")
    both = pl.col("by").is_not_null() & pl.col("by_anew").is_not_null()
    found = {
        "pairs kept that a full run does not find": edges.filter(pl.col("by_anew").is_null()),
        "pairs of a full run that were not kept": edges.filter(pl.col("by").is_null()),
    }
    for column, said_as in (("match_weight", "weights"), ("levels", "levels"), ("by", "what decided a pair")):
        found[said_as] = edges.filter(both & pl.col(column).ne_missing(pl.col(f"{column}_anew")))
    for column in ("component", "group"):
        mine, other = (
            pl.DataFrame(
                {"record_l": side.state["record_id"], "of": side.state["record_id"].gather(side.state[column])}
            )
            for side in (kept, anew)
        )
        apart = mine.join(other, on="record_l", how="full", suffix="_anew", coalesce=True)
        found[f"{column}s"] = apart.filter(pl.col("of").ne_missing(pl.col("of_anew")))
    people = kept.links.join(anew.links, on="record_id", how="full", suffix="_anew", coalesce=True)
    for column, said_as in (("person_id", "people"), ("by", "what joined a record to its person")):
        wrong = people.filter(pl.col(column).ne_missing(pl.col(f"{column}_anew")))
        found[said_as] = wrong.rename({"record_id": "record_l"})
    first = [frame["record_l"].sort().head(3).to_list() for frame in found.values()]
    counts = [frame.height for frame in found.values()]
    return pl.DataFrame(
        [
            pl.Series("what", list(found), dtype=pl.String),
            pl.Series("count", counts, dtype=pl.Int64),
            pl.Series("first", first, dtype=pl.List(pl.String)),
        ]
    )
