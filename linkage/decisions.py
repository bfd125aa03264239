"""What people decide about records: same, different, never to be linked; and the council's own matching.

What belongs here: keeping it for ever, and what of it is in force. What it does to links belongs in `linkage.night`.
Nothing kept is ever changed or taken away: a withdrawal is one more row. A decision names two records by their keyed
hashes, which outlast any model and any night; one about a record that is not there waits until it comes back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl

from governance.keys import KeyRing
from governance.pseudonyms import SEPARATOR, hashed, record_ids
from warehouse.store import Store, StoreError
from warehouse.tables import ADDRESS_VETO, LINK_DECISION, Table, Zone

SAME, DIFFERENT, NEVER, UNSURE = "same", "different", "never", "unsure"
VERDICTS = (SAME, DIFFERENT, NEVER, UNSURE)
REVIEWER, COUNCIL, REGISTER = "reviewer", "council", "register"
SETTLED = 1e6  # bits of what joins whatever the weight: more than any mean can drown
KEPT, GONE = "kept", "withdrawn"  # the two frames of a register
MATCHING = "register/matching"
CROWD = 60  # records that share one of the council's ids, beyond which it is no evidence
_IN_FORCE = {
    "record_l": pl.String,
    "record_r": pl.String,
    "verdict": pl.String,
    "by": pl.String,
    "strength": pl.Float64,
}
_MATCHING = {"record_id": pl.String, "council_id": pl.String}


@dataclass(frozen=True)
class Told:
    """What people say of the records of a night.

    Attributes:
        pairs: `record_l`, `record_r`, `verdict`, `by`, `strength`, as `in_force` returns it.
        council: `record_id`, `council_id`: the council's own matching.
        master: whether its ids win; else a shared one is evidence.
        strength: bits that a shared id of the council adds, and that a `same` by the council adds.
    """

    pairs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_IN_FORCE))
    council: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_MATCHING))
    master: bool = False
    strength: float = 8.0


NOTHING = Told()


# -- the register of pairs -------------------------------------------------------------------------------------------


def read(store: Store) -> pl.DataFrame:
    """Every decision ever made, withdrawn ones too, oldest first: `LINK_DECISION` rows."""
    return _read(store, LINK_DECISION)


def decide(store: Store, rows: pl.DataFrame) -> None:
    """Keep decisions; one that is kept already, to the letter, is kept once.

    Args:
        rows: `record_l`, `record_r` (either way round), `verdict`, `who`, `decided_at` (UTC, naive); and where they
            are known `by` (else register for `never`, reviewer for the rest) and `note`.

    Raises:
        StoreError: a row does not say which two records, what, who or when; nothing is kept then.
    """
    by = pl.when(pl.col("verdict") == NEVER).then(pl.lit(REGISTER)).otherwise(pl.lit(REVIEWER))
    one, other = pl.min_horizontal("record_l", "record_r"), pl.max_horizontal("record_l", "record_r")
    rows = _complete(LINK_DECISION, rows).with_columns(
        one.alias("record_l"), other.alias("record_r"), pl.col("by").fill_null(by)
    )
    _refuse(
        rows,
        {
            "does not name two records": pl.col("record_l").is_null() | (pl.col("record_l") == pl.col("record_r")),
            f"says none of {', '.join(VERDICTS)}": ~pl.col("verdict").is_in(VERDICTS),
            "is by none of reviewer, council, register": ~pl.col("by").is_in([REVIEWER, COUNCIL, REGISTER]),
        },
    )
    _keep(store, LINK_DECISION, rows)


def withdraw(store: Store, decision_ids: Sequence[str], who: str, at: datetime) -> None:
    """Take decisions back from now on; they stay on record, as does who took them back.

    Raises:
        StoreError: one of them is not known, or nobody is named; nothing is withdrawn then.
    """
    _withdraw(store, LINK_DECISION, decision_ids, who, at)


def in_force(decisions: pl.DataFrame) -> pl.DataFrame:
    """What stands of each pair: never, before all; else what each reviewer said last; else what the council says.

    Reviewers who disagree count as `different`, until they agree. `unsure` takes back what its reviewer said before.

    Args:
        decisions: as `read` returns it.

    Returns:
        `record_l`, `record_r`, `verdict` (same, different or never), `by` and `strength` (bits; of a `same` by the
        council null: the settings say it), sorted, a row a pair.
    """
    last = _last(decisions).filter(pl.col("verdict") != UNSURE)
    rank = pl.col("verdict").replace_strict({NEVER: 0, DIFFERENT: 2, SAME: 3}, return_dtype=pl.Int8)
    weaker = (pl.col("by") == COUNCIL) & (pl.col("verdict") != NEVER)
    last = last.with_columns(rank.alias("rank") + pl.when(weaker).then(2).otherwise(0))
    chosen = last.sort("record_l", "record_r", "rank", "by").unique(
        ["record_l", "record_r"], keep="first", maintain_order=True
    )
    strength = pl.when(pl.col("verdict") != SAME).then(-SETTLED).when(pl.col("by") != COUNCIL).then(SETTLED)
    return chosen.with_columns(strength.alias("strength")).select(*_IN_FORCE)


def kept_apart(store: Store) -> pl.Series:
    """`record_id` of every record on the do-not-link register, sorted."""
    pairs = in_force(read(store)).filter(pl.col("verdict") == NEVER)
    return pl.concat([pairs["record_l"].rename("record_id"), pairs["record_r"].rename("record_id")]).unique().sort()


def conflicts(decisions: pl.DataFrame) -> pl.DataFrame:
    """Pairs about which people disagree.

    Returns:
        `record_l`, `record_r`, `same` and `different` (who says so, sorted), `last` (when the latest of them spoke):
        a row a pair of which some say the one and some the other (`never` counts as different), sorted by pair.
    """
    told = _last(decisions).filter(pl.col("verdict") != UNSURE)
    same = pl.col("verdict") == SAME
    both = told.group_by("record_l", "record_r").agg(
        pl.col("who").filter(same).unique().sort().alias("same"),
        pl.col("who").filter(~same).unique().sort().alias("different"),
        pl.col("decided_at").max().alias("last"),
    )
    disputed = (pl.col("same").list.len() > 0) & (pl.col("different").list.len() > 0)
    return both.filter(disputed).sort("record_l", "record_r")


def _last(decisions: pl.DataFrame) -> pl.DataFrame:
    """Of what stands, each person's last word on a pair; a `never` stands beside whatever else is said of it."""
    standing = decisions.filter(pl.col("withdrawn_at").is_null()).with_columns((pl.col("verdict") == NEVER).alias("no"))
    key = ["record_l", "record_r", "by", "who", "no"]
    return standing.sort("decided_at", "decision_id").unique(key, keep="last", maintain_order=True).drop("no")


# -- the register of addresses ---------------------------------------------------------------------------------------


def protect(store: Store, rows: pl.DataFrame) -> None:
    """Keep addresses out of everything that is made.

    Args:
        rows: `record_id` (null: a refuge, of whoever lives there), `who`, `decided_at` (UTC, naive); and where they are
            known `place` (a UPRN; null: every address of that person) and `note`.

    Raises:
        StoreError: a row does not say whose address or which, who decided or when; nothing is kept then.
    """
    rows = _complete(ADDRESS_VETO, rows)
    _refuse(rows, {"names neither a record nor a place": pl.col("record_id").is_null() & pl.col("place").is_null()})
    _keep(store, ADDRESS_VETO, rows)


def unprotect(store: Store, veto_ids: Sequence[str], who: str, at: datetime) -> None:
    """Take protections back from now on; they stay on record.

    Raises:
        StoreError: one of them is not known, or nobody is named; nothing is withdrawn then.
    """
    _withdraw(store, ADDRESS_VETO, veto_ids, who, at)


def protections(store: Store) -> pl.DataFrame:
    """Every protection ever asked for, withdrawn ones too: `ADDRESS_VETO` rows."""
    return _read(store, ADDRESS_VETO)


def protected(store: Store) -> pl.DataFrame:
    """`record_id` (null: whoever lives there), `place` (null: every address) of the protections in force, each once."""
    standing = protections(store).filter(pl.col("withdrawn_at").is_null())
    return standing.select("record_id", "place").unique().sort("record_id", "place")


# -- the council's own matching --------------------------------------------------------------------------------------


def import_matching(store: Store, frame: pl.DataFrame, ring: KeyRing, at: datetime) -> int:
    """Keep the council's own matching as it is now, whole; earlier ones are kept beside it.

    Args:
        frame: `feed`, `source_key` (as the feed has it), `council_id` (the council's own id of the person): texts.
        at: when it was imported (UTC, naive); the latest is in force.

    Returns:
        How many records have an id.

    Raises:
        StoreError: a column is missing or empty in some row, or a record has two ids; nothing is kept then.
    """
    needed = ("feed", "source_key", "council_id")
    if missing := [name for name in needed if name not in frame.columns]:
        raise StoreError(f"the council's matching has no column {', '.join(missing)}. It needs {', '.join(needed)}.")
    rows = frame.select(pl.col(name).cast(pl.String).str.strip_chars().replace("", None) for name in needed).unique()
    if empty := rows.filter(pl.any_horizontal(pl.all().is_null())).height:
        raise StoreError(f"{empty} rows of the council's matching lack a feed, a source key or an id. Fill them in.")
    ids = [
        part.select(record_ids(str(feed), part["source_key"], ring).alias("record_id"), "council_id")
        for (feed,), part in sorted(rows.partition_by("feed", as_dict=True).items())
    ]
    made = pl.concat([pl.DataFrame(schema=_MATCHING), *ids]).sort("record_id")
    if twice := made.height - made["record_id"].n_unique():
        raise StoreError(f"{twice} records have more than one id in the council's matching. Keep one of each.")
    made = made.with_columns(hashed(made["council_id"], ring.key("council")))
    with store.alone(Zone.VAULT, "register"):
        store.put(Zone.VAULT, f"{MATCHING}/{at:%Y%m%dT%H%M%S%f}", {"matching": made})
    return made.height


def matching(store: Store) -> pl.DataFrame:
    """The council's own matching in force: `record_id`, `council_id` (keyed hash)."""
    kept = store.folders(Zone.VAULT, MATCHING)
    if not kept:
        return pl.DataFrame(schema=_MATCHING)
    return store.get(Zone.VAULT, f"{MATCHING}/{kept[-1]}", "matching").collect()


def told(store: Store, role: str | None = "evidence", strength: float = 8.0) -> Told:
    """All that is in force, for a night.

    Args:
        role: of the council's own matching: `evidence`, `master`, or None where it is not to be used.
        strength: bits that it adds as evidence.
    """
    council = matching(store) if role else pl.DataFrame(schema=_MATCHING)
    return Told(in_force(read(store)), council, role == "master", strength)


@dataclass(frozen=True)
class Said:
    """What is said of the records that are there tonight; a uid is a record's place.

    Attributes:
        pairs: `uid_l` < `uid_r`, `verdict`, `by`, `strength`: a row a pair, the weightiest word on it.
        held: under a master, which of its ids (a number) each record has, -1 for none; else None.
        stamps: `review`, `register`, `council` (uint64): change with what each of these says of the record.
        aside: how many of the council's ids so many records share that, as evidence, they count for nothing.
    """

    pairs: pl.DataFrame
    held: np.ndarray | None
    stamps: pl.DataFrame
    aside: int


def said(ids: pl.Series, told: Told) -> Said:
    """Find what is said of records.

    Args:
        ids: `record_id`, sorted.
        told: what people say, of these records and of others.
    """
    places = pl.DataFrame({"record": ids, "uid": np.arange(len(ids), dtype=np.int64)})
    stamps = {by: np.zeros(len(ids), dtype=np.uint64) for by in (REVIEWER, REGISTER, COUNCIL)}
    for one, other in (("record_l", "record_r"), ("record_r", "record_l")):
        ends = told.pairs.join(places, left_on=one, right_on="record")
        marks = ends.select(
            pl.struct(other, "verdict", pl.col("strength").fill_null(told.strength)).hash(3)
        ).to_series()
        for by, stamp in stamps.items():
            mine = (ends["by"] == by).to_numpy()
            np.add.at(stamp, ends["uid"].to_numpy()[mine], marks.to_numpy()[mine])
    pairs = told.pairs.join(places.rename({"record": "record_l", "uid": "uid_l"}), on="record_l")
    pairs = pairs.join(places.rename({"record": "record_r", "uid": "uid_r"}), on="record_r")
    pairs = pairs.select("uid_l", "uid_r", "verdict", "by", pl.col("strength").fill_null(told.strength))
    own = told.council.rename({"record_id": "record"}).unique("record", keep="first", maintain_order=True)
    held = places.join(own, on="record", how="left", maintain_order="left")["council_id"]
    aside, number = 0, None
    if held.null_count() < len(held):
        held = _classes(held, pairs) if told.master else held
        group = pl.DataFrame({"uid": places["uid"], "id": held}).drop_nulls()
        group = group.with_columns(pl.len().over("id").alias("many"), pl.col("uid").min().over("id").alias("first"))
        crowd = group.filter(pl.col("many") > CROWD)
        few = group.filter(pl.col("many") <= CROWD)
        shared = few.join(few, on="id", suffix="_r").filter(pl.col("uid") < pl.col("uid_r")).select("uid", "uid_r")
        if told.master:
            star = crowd.filter(pl.col("uid") != pl.col("first")).select(pl.col("first").alias("uid"), uid_r="uid")
            shared = pl.concat([shared, star])
            codes = group["id"].rank("dense").cast(pl.Int64).to_numpy()
            number = np.full(len(ids), -1, dtype=np.int64)
            number[group["uid"].to_numpy()] = codes
        else:
            aside, group = crowd["id"].n_unique(), few
        bits = SETTLED if told.master else told.strength
        by_council = shared.select(
            pl.col("uid").alias("uid_l"), "uid_r", verdict=pl.lit(SAME), by=pl.lit(COUNCIL), strength=pl.lit(bits)
        )
        # what is said of a pair comes before its ids
        weaker = (pl.col("by") == COUNCIL) & (pl.col("verdict") == SAME) & pl.lit(told.master)
        pairs = pl.concat([pairs.filter(~weaker), by_council, pairs.filter(weaker)])
        pairs = pairs.unique(["uid_l", "uid_r"], keep="first", maintain_order=True)
        centre = pl.when(pl.col("many") > CROWD).then(pl.Series(ids).gather(group["first"]))
        own_marks = group.select(pl.struct("id", centre.alias("centre"), pl.lit(bits)).hash(4)).to_series()
        np.add.at(stamps[COUNCIL], group["uid"].to_numpy(), own_marks.to_numpy())
    by_source = {"review": stamps[REVIEWER], "register": stamps[REGISTER], "council": stamps[COUNCIL]}
    return Said(pairs.sort("uid_l", "uid_r"), number, pl.DataFrame(by_source), aside)


def _classes(held: pl.Series, pairs: pl.DataFrame) -> pl.Series:
    """The smallest of the council's ids that people's `same` holds together with each record's own."""
    joined = pairs.filter((pl.col("verdict") == SAME) & (pl.col("strength") >= SETTLED))
    if not joined.height:
        return held
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    many = len(held)
    names = held.drop_nulls().unique().sort()
    code = held.rank("dense").cast(pl.Int64) - 1
    known = np.flatnonzero(code.is_not_null().to_numpy())
    left = np.r_[known, joined["uid_l"].to_numpy()]
    right = np.r_[code.drop_nulls().to_numpy() + many, joined["uid_r"].to_numpy()]
    shape = (many + len(names),) * 2
    _, label = connected_components(coo_array((np.ones(len(left)), (left, right)), shape=shape), directed=False)
    first = np.full(label.max() + 1, len(names), dtype=np.int64)
    np.minimum.at(first, label[many:], np.arange(len(names)))
    found = np.full(many, -1, dtype=np.int64)
    found[known] = first[label[known]]
    return names.gather(pl.Series(found).replace(-1, None))


def decisive(pairs: pl.DataFrame, said: Said) -> pl.DataFrame:
    """What is said of pairs: `verdict`, `by`, `strength` of each, in their order; null where nothing is.

    Args:
        pairs: `uid_l`, `uid_r`.
    """
    told = pairs.select("uid_l", "uid_r").join(said.pairs, on=["uid_l", "uid_r"], how="left", maintain_order="left")
    told = told.drop("uid_l", "uid_r")
    if said.held is None:
        return told
    one, other = said.held[pairs["uid_l"].to_numpy()], said.held[pairs["uid_r"].to_numpy()]
    parted = pl.Series((one >= 0) & (other >= 0) & (one != other)) & told["verdict"].is_null()
    return told.with_columns(
        pl.when(parted).then(pl.lit(DIFFERENT)).otherwise("verdict").alias("verdict"),
        pl.when(parted).then(pl.lit(COUNCIL)).otherwise("by").alias("by"),
    )


def rule(pairs: pl.DataFrame, said: Said) -> pl.DataFrame:
    """Let what is said weigh on pairs: never before all, then reviewers, the council's master, and last evidence.

    Args:
        pairs: `uid_l`, `uid_r`, `weight`, `never`, `silent`.

    Returns:
        The same rows, with `settled` (somebody said that it is one person; its weight is beyond all others) and
        `parted` (somebody said that it is not).
    """
    if not said.pairs.height and said.held is None:
        return pairs.with_columns(pl.lit(False).alias("settled"), pl.lit(False).alias("parted"))
    told = decisive(pairs, said)
    same, strong = told["verdict"].eq_missing(SAME), told["strength"].fill_null(0.0) >= SETTLED
    parted = told["verdict"].is_in([DIFFERENT, NEVER]).fill_null(False)
    return pairs.with_columns(
        pl.when(parted)
        .then(-SETTLED)  # what people part is not put to the vote of other pairs
        .when(same)
        .then(pl.col("weight") + told["strength"])
        .otherwise("weight")
        .alias("weight"),
        ((pl.col("never") & ~(same & strong)) | parted).alias("never"),
        (pl.col("silent") & told["verdict"].is_null()).alias("silent"),
        (same & strong).alias("settled"),
        parted.alias("parted"),
    )


def disputed(home: np.ndarray, pairs: pl.DataFrame, held: np.ndarray | None) -> np.ndarray:
    """Whether somebody says, of the group of each record, that not all of it is one person.

    Args:
        home: of each record the smallest place of its group.
        pairs: as `rule` returns it, by places.
        held: of each record, as `Said.held` has it.
    """
    apart = pairs.filter("parted")
    one, other = home[apart["uid_l"].to_numpy()], home[apart["uid_r"].to_numpy()]
    found = np.zeros(len(home), dtype=bool)
    found[one[one == other]] = True
    if held is not None:
        kinds = pl.DataFrame({"home": home, "held": held}).filter(pl.col("held") >= 0).unique()
        found[kinds.filter(kinds["home"].is_duplicated())["home"].to_numpy()] = True
    return found[home]


def enforce(group: np.ndarray, said: Said) -> np.ndarray:
    """Part what may not share a person, should clustering have left it together: the last word, which nothing undoes.

    Args:
        group: of each record, by uid, the smallest uid of its group.

    Returns:
        The same, parted: of two records that may not be together the later stands alone; under a master, those of each
        of its ids stand by themselves, and those of none stay with the id that most have.
    """
    apart = said.pairs.filter(pl.col("verdict").is_in([DIFFERENT, NEVER]))
    one, other = apart["uid_l"].to_numpy(), apart["uid_r"].to_numpy()
    if (group[one] == group[other]).any():
        group = group.copy()
        for left, right in zip(one, other, strict=True):
            if group[left] == group[right]:
                group[right] = right
    if said.held is None:
        return group
    under = pl.DataFrame({"uid": np.arange(len(group)), "group": group, "held": said.held})
    kinds = under.filter(pl.col("held") >= 0).group_by("group", "held").agg(pl.col("uid").min().alias("own"), pl.len())
    mixed = kinds.filter(pl.len().over("group") > 1).sort("group", "len", "own", descending=[False, True, False])
    lesser = mixed.filter(pl.int_range(pl.len()).over("group") > 0)
    if lesser.is_empty():
        return group
    found = under.join(lesser, on=["group", "held"], how="left", maintain_order="left")
    apart_by = pl.when(pl.col("own").is_not_null()).then("held").otherwise(-1)
    return found.select(pl.col("uid").min().over("group", apart_by)).to_series().to_numpy()


# -- inside ----------------------------------------------------------------------------------------------------------


def _folder(table: Table) -> str:
    return f"register/{table.name}"


def _read(store: Store, table: Table) -> pl.DataFrame:
    if not store.has(Zone.VAULT, _folder(table)):
        return table.empty()
    kept, gone = (store.get(Zone.VAULT, _folder(table), name).collect() for name in (KEPT, GONE))
    return kept.join(gone, on=table.key[0], how="left", maintain_order="left").select(table.schema.names())


def _complete(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The table's columns, in order and of its types; those that may be left out are null."""
    optional = {table.key[0], "by", "note", "place", "withdrawn_at", "withdrawn_by"}
    missing = [name for name in table.schema if name not in rows.columns and name not in optional]
    if missing:
        raise StoreError(f"a decision does not say its {', '.join(missing)}. Give every column of {table.name}.")
    absent = [pl.lit(None, kind).alias(name) for name, kind in table.schema.items() if name not in rows.columns]
    text = [pl.col(name).str.strip_chars().replace("", None) for name in ("who", "note")]
    rows = rows.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in table.schema.items())
    return rows.with_columns(text)


def _refuse(rows: pl.DataFrame, wrong: dict[str, pl.Expr]) -> None:
    every = {
        **wrong,
        "does not say who decided": pl.col("who").is_null(),
        "has no date": pl.col("decided_at").is_null(),
    }
    found = [f"{many} {why}" for why, rule in every.items() if (many := rows.filter(rule.fill_null(True)).height)]
    if found:
        raise StoreError(f"of {rows.height} decisions {'; '.join(found)}. None is kept: mend them and give them again.")


def _keep(store: Store, table: Table, rows: pl.DataFrame) -> None:
    """Add rows to a register, each under the digest of what it says."""
    key = table.key[0]
    said = [name for name in table.schema if name not in (key, "withdrawn_at", "withdrawn_by")]
    texts = pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in said], separator=SEPARATOR)
    digests = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in rows.select(texts).to_series().to_list()]
    rows = rows.with_columns(pl.Series(key, digests, dtype=pl.String)).unique(key, keep="first", maintain_order=True)
    with store.alone(Zone.VAULT, "register"):
        kept, gone = _frames(store, table)
        fresh = rows.select(kept.columns).join(kept, on=key, how="anti", maintain_order="left")
        if fresh.height:
            store.put(Zone.VAULT, _folder(table), {KEPT: pl.concat([kept, fresh]), GONE: gone})


def _withdraw(store: Store, table: Table, ids: Sequence[str], who: str, at: datetime) -> None:
    key = table.key[0]
    if not who.strip():
        raise StoreError("a withdrawal says who makes it. Name them.")
    with store.alone(Zone.VAULT, "register"):
        kept, gone = _frames(store, table)
        asked = pl.DataFrame({key: list(dict.fromkeys(ids))}, schema={key: pl.String})
        if unknown := asked.join(kept, on=key, how="anti").height:
            raise StoreError(f"{unknown} of the {table.name} ids to withdraw are not known. Nothing is withdrawn.")
        fresh = asked.join(gone, on=key, how="anti", maintain_order="left").with_columns(
            pl.lit(at, gone.schema["withdrawn_at"]).alias("withdrawn_at"), pl.lit(who.strip()).alias("withdrawn_by")
        )
        if fresh.height:
            store.put(Zone.VAULT, _folder(table), {KEPT: kept, GONE: pl.concat([gone, fresh])})


def _frames(store: Store, table: Table) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is kept of a register, and what of it was withdrawn."""
    if not store.has(Zone.VAULT, _folder(table)):
        empty = table.empty()
        return empty.drop("withdrawn_at", "withdrawn_by"), empty.select(table.key[0], "withdrawn_at", "withdrawn_by")
    kept, gone = (store.get(Zone.VAULT, _folder(table), name).collect() for name in (KEPT, GONE))
    return kept, gone
