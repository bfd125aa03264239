"""Which pairs are worth comparing: records that share one of several keys, within a budget.

What belongs here: the keys, the caps on a key that too many records share, and the pairs of a night's changes. What a
pair is worth belongs in `linkage.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from linkage.conform import STREET

MOST = 60  # records under one key; beyond it the key finds nothing but floods
RARE = 20  # ... for names alone, which tell people apart only where they are rare
NEAR = 12  # ... for a door and a street without postcode, of which a large town has many
BUDGET = 40.0  # pairs a record, each counted under every key that finds it: about 12 once they are counted once
BITS = 31  # the bits of a key that say its rule
UNLIKE = 3  # letters that one of two names has and the other has not, from which no slip of the pen makes one the other
CHUNK = 20_000_000  # pairs found before those found twice are dropped
IDS = ("nhs_number", "upn", "la_child_id", "ni_number")


@dataclass(frozen=True)
class Rule:
    """One way in which records meet: they agree on all `columns`; of a column of sets, on any member.

    Attributes:
        columns: of the conformed records, or one of those that `_derived` adds.
        most: records that may share a key; a key of more finds nothing.
        worth: the share of pairs under it that are one person, as measured on the invented borough; where pairs are too
            many for the budget, keys give way in the order of worth by size.
        floods: whether a key of too many records is worth a warning; of names alone it only says that they are common.
    """

    columns: tuple[str, ...]
    most: int = MOST
    worth: float = 0.8
    floods: bool = True


RULES: Mapping[str, Rule] = {
    "NHS number": Rule(("nhs_number",), worth=0.99),
    "UPN": Rule(("upn",), worth=1.0),
    "child id": Rule(("la_child_id",), worth=1.0),
    "National Insurance number": Rule(("ni_number",), worth=1.0),
    "email": Rule(("email",), worth=0.85),
    "telephone": Rule(("phone",), worth=0.59),
    "birth date and a name": Rule(("born", "names"), worth=0.94),
    "birth date and initial": Rule(("born", "initial"), worth=0.82),
    "birth date and postcode": Rule(("born", "postcode"), worth=0.98),
    "place and initial": Rule(("homes", "initial"), worth=0.80),
    "place and initials, either way round": Rule(("homes", "initials"), worth=0.80),
    "door, street and initial": Rule(("streets", "initial"), NEAR, 0.75, floods=False),
    "door, street and initials, either way round": Rule(("streets", "initials"), NEAR, 0.75, floods=False),
    "postcode and forename": Rule(("postcode", "forename"), worth=0.88),
    "names and sector": Rule(("forenames", "surnames", "sector"), worth=0.85),
    "sounds and sector, either way round": Rule(("sounds", "sector"), worth=0.82),
    "initial, surname and year": Rule(("initial", "surname", "year"), worth=0.76),
    "sounds and year": Rule(("forename_sound", "surname_sound", "year"), worth=0.93),
    "names, either way round": Rule(("turned",), RARE, 0.60, floods=False),
}


@dataclass(frozen=True)
class Blocks:
    """Every key of every record.

    Attributes:
        keys: `uid`, `key` (uint64, its last five bits the rule; sorted) and `over`: shared by too many, so that it
            counts for nothing.
        rules: by which they were made.
    """

    keys: pl.DataFrame
    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)

    @property
    def capped(self) -> pl.DataFrame:
        """`uid`, `stamp`: of the keys that count for nothing, of each record that has any."""
        return self.keys.filter("over").group_by("uid").agg(pl.col("key").hash(7).sum().alias("stamp"))

    def report(self) -> pl.DataFrame:
        """How large the blocks are: counts alone, no value.

        Returns:
            A row a rule, in its order: `rule`, `keys`, `records` (that have one), `pairs` (under keys that count, a
            pair once a key), `largest` (records under one key), `capped_keys` and `capped_records` (keys that count
            for nothing, and records under them), `for_budget` (those of them that their size alone would not cap).
        """
        starts, many = _runs(self.keys["key"].to_numpy())
        sizes = self.keys.select("key", "over")[starts].with_columns(pl.Series("n", many, dtype=pl.Int64))
        sizes = sizes.with_columns(_rule().alias("number"), pl.lit(_most(self.rules)).gather(_rule()).alias("most"))
        n, over = pl.col("n"), pl.col("over")
        told = sizes.group_by("number").agg(
            pl.len().cast(pl.Int64).alias("keys"),
            n.filter(~over).map_batches(lambda s: (s * (s - 1) // 2).sum(), returns_scalar=True).alias("pairs"),
            n.max().alias("largest"),
            over.sum().cast(pl.Int64).alias("capped_keys"),
            n.filter(over).sum().alias("capped_records"),
            (over & (n <= pl.col("most"))).sum().cast(pl.Int64).alias("for_budget"),
        )
        uid = self.keys["uid"].to_numpy()
        seen = np.zeros((BITS + 1, int(uid.max(initial=0)) + 1), dtype=bool)
        seen[self.keys.select(_rule()).to_series().to_numpy(), uid] = True
        held = pl.DataFrame({"number": np.arange(BITS + 1, dtype=np.uint64), "records": seen.sum(axis=1)})
        every = pl.DataFrame({"rule": list(self.rules), "number": range(len(self.rules))}).cast({"number": pl.UInt64})
        told = every.join(told, on="number", how="left").join(held, on="number", how="left", maintain_order="left")
        columns = ("keys", "records", "pairs", "largest", "capped_keys", "capped_records", "for_budget")
        return told.select("rule", *(pl.col(c).fill_null(0) for c in columns))

    def warnings(self) -> list[str]:
        """What floods, in words: which rule, how many values and records; never the values."""
        rules = list(self.rules.values())
        told = []
        for number, row in enumerate(self.report().iter_rows(named=True)):
            large = row["capped_keys"] - row["for_budget"]
            if large and rules[number].floods:
                told.append(
                    f"{row['rule']}: {large:,} values are each shared by more than {rules[number].most} records (the "
                    f"most by {row['largest']:,}) and bring none together. Look for a placeholder, a hostel or a "
                    "contact of many people."
                )
            if row["for_budget"]:
                told.append(
                    f"{row['rule']}: {row['for_budget']:,} more values bring none together, for there would be more "
                    "pairs than the budget allows."
                )
        return told

    def flooded(self, ids: pl.Series) -> pl.DataFrame:
        """The records under each key that counts for nothing, for a steward to look up; it belongs in the vault.

        Args:
            ids: `record_id` of each uid.

        Returns:
            `rule`, `group` (a number, one a key, the largest first) and `record_id`.
        """
        rows = self.keys.filter("over").with_columns(pl.len().over("key").alias("n"), _rule().alias("number"))
        rows = rows.sort("n", "key", "uid", descending=[True, False, False])
        names = pl.Series(list(self.rules), dtype=pl.String)
        return pl.DataFrame(
            {
                "rule": names.gather(rows["number"]),
                "group": rows["key"].rle_id() if rows.height else pl.Series([], dtype=pl.UInt32),
                "record_id": ids.gather(rows["uid"]),
            }
        )

    def pairs(self, changed: pl.Series | None = None) -> pl.DataFrame:
        """Distinct pairs of records that share a key: `uid_l` < `uid_r`, sorted.

        Args:
            changed: uids; only pairs with at least one of them. None asks for every pair.
        """
        key, uid = self.keys["key"].to_numpy(), self.keys["uid"].to_numpy()
        starts, many = _runs(key)
        wanted = (many > 1) & ~self.keys["over"].to_numpy()[starts]
        fresh = np.zeros(int(max(uid.max(initial=0), changed.max() or 0)) + 1 if changed is not None else 0, dtype=bool)
        if changed is not None and len(starts):
            fresh[changed.to_numpy()] = True
            wanted &= np.logical_or.reduceat(fresh[uid], starts)
        rows = np.repeat(wanted, many)
        key, uid = key[rows], uid[rows].astype(np.int64)
        packed, found, waiting = np.zeros(0, dtype=np.int64), [], 0
        here, step = np.arange(len(key)), 1
        while len(here):
            # each record with the one so many places further on, for as long as they stand under one key
            here = here[: np.searchsorted(here, len(key) - step)]
            here = here[key[here] == key[here + step]]
            one, other = uid[here], uid[here + step]
            found.append(np.minimum(one, other) << 32 | np.maximum(one, other))
            step, waiting = step + 1, waiting + len(here)
            if waiting > CHUNK or not len(here):
                packed = pl.Series(np.concatenate([packed, *found])).sort().to_numpy()
                packed, found, waiting = packed[np.flatnonzero(np.diff(packed, prepend=-1))], [], 0
        left, right = packed >> 32, packed & 0xFFFFFFFF
        if changed is not None:
            kept = fresh[left] | fresh[right]
            left, right = left[kept], right[kept]
        return pl.DataFrame({"uid_l": left, "uid_r": right})


def blocks(
    people: pl.DataFrame,
    kept: pl.DataFrame | None = None,
    *,
    caps: Mapping[str, int] | None = None,
    budget: float = BUDGET,
    rules: Mapping[str, Rule] = RULES,
) -> Blocks:
    """Find the keys under which records meet.

    Which keys count rests on the records that there are and on nothing else: what changed last night gives the same as
    all records at once.

    Args:
        people: conformed records: all, or those that are new or changed.
        kept: `keys` of all other records, as they were the night before.
        caps: for some rules, how many records may share a key, where that is not the rule's own `most`.
        budget: pairs a record; beyond it the least productive keys count for nothing.
        rules: by which records meet, at most 32.
    """
    if caps:
        rules = {n: Rule(r.columns, caps.get(n, r.most), r.worth, r.floods) for n, r in rules.items()}
    made = record_keys(people, rules).sort("key", maintain_order=True)
    key, uid = made["key"].to_numpy(), made["uid"].to_numpy()
    if kept is not None:
        stood = kept.select("uid", "key").sort("key", maintain_order=True)  # as it is already: costs next to nothing
        at = np.searchsorted(stood["key"].to_numpy(), key)
        key, uid = np.insert(stood["key"].to_numpy(), at, key), np.insert(stood["uid"].to_numpy(), at, uid)
    keys = pl.DataFrame({"uid": uid, "key": key})
    return Blocks(_over(keys, rules, budget), rules)


def plausible(people: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs that may be one person: not those that share neither id nor contact and are clearly two people.

    That is, birth dates years apart, though not by one slip of the pen, and no place or another initial; or forenames
    with nothing in common and two parts of the birth date that differ; or the same birth date, forenames and surnames
    with nothing in common, and no place. Namesakes and people born on one day mostly: a third of what keys find, and no
    weight would come near the cut.

    Args:
        people: conformed records, at least those of the pairs.
        pairs: `uid_l`, `uid_r`.
    """
    left, right = pairs["uid_l"].to_numpy(), pairs["uid_r"].to_numpy()
    height = int(people["uid"][-1]) + 1 if people.height else 0

    def of(values: pl.Series) -> np.ndarray:
        every = np.zeros(height, dtype=np.int64)
        every[people["uid"].to_numpy()] = values.fill_null(0).to_numpy()
        return every

    def told(name: str) -> np.ndarray:
        return of(
            people.select(pl.col(name).hash().reinterpret(signed=True)).to_series().set(people[name].is_null(), 0)
        )

    def same(values: np.ndarray) -> np.ndarray:
        found: np.ndarray = (values[left] == values[right]) & (values[left] != 0)
        return found

    def unlike(name: str) -> np.ndarray:
        letters = of(_letters(people[name]))
        known = (letters[left] != 0) & (letters[right] != 0)
        return known & (np.bitwise_count(letters[left] ^ letters[right]) >= UNLIKE)

    def apart(name: str) -> np.ndarray:
        marks = of(_marks(people[name]))
        found: np.ndarray = (marks[left] & marks[right]) == 0
        return found

    year, month, day = (of(people[name].cast(pl.Int64)) for name in ("year", "month", "day"))
    known = (year[left] != 0) & (year[right] != 0)
    years = known & (np.abs(year[left] - year[right]) > 1) & ~same(month * 100 + day)
    other = known & unlike("forename")
    doubtful = np.flatnonzero(years | other)
    left, right, years, other = left[doubtful], right[doubtful], years[doubtful], other[doubtful]
    shared = np.any([same(told(name)) for name in ("phone", "email", *IDS)], axis=0)
    place = np.any([same(told(name)) for name in ("door", "uprn", "postcode")], axis=0)
    initial, family = told("initial"), of(people["surname"].str.head(1).hash().reinterpret(signed=True))
    unequal = (initial[left] != initial[right]) & (initial[left] != 0) & (initial[right] != 0)
    turned = (initial[left] == family[right]) | (initial[right] == family[left])
    years &= ~place | (unequal & ~turned)
    other &= ~turned & apart("forenames") & ~same(told("middle_name"))
    parts = np.sum([same(part) for part in (year, month, day)], axis=0)
    moved = other & (parts == 3) & ~place & apart("places") & unlike("surname") & apart("surnames")
    keep = np.ones(pairs.height, dtype=bool)
    keep[doubtful[~shared & (years | (other & (parts < 2)) | moved)]] = False
    return pairs.filter(pl.Series(keep))


def _letters(names: pl.Series) -> pl.Series:
    """Which letters a name has: a bit each, 0 where there is no name."""
    told = names.alias("name").to_frame()
    bits = (pl.col("name").str.contains(chr(65 + n), literal=True).cast(pl.Int64) * 2**n for n in range(26))
    table = told.unique().select("name", letters=pl.sum_horizontal(bits))
    return told.join(table, on="name", how="left", maintain_order="left")["letters"].fill_null(0)


def _marks(sets: pl.Series) -> pl.Series:
    """A bit for each member of a set; two sets whose marks have none in common have no member in common."""
    many = sets.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    members = sets.filter(pl.Series(many > 0)).explode().to_numpy()
    marks, full = np.zeros(len(sets), dtype=np.int64), np.flatnonzero(many)
    if len(full):
        bits = np.left_shift(1, members % 63)
        marks[full] = np.bitwise_or.reduceat(bits, np.r_[0, np.cumsum(many[full])[:-1]])
    return pl.Series(marks)


def _rule() -> pl.Expr:
    return pl.col("key") & BITS


def _most(rules: Mapping[str, Rule]) -> pl.Series:
    return pl.Series([rule.most for rule in rules.values()], dtype=pl.Int64)


def _over(keys: pl.DataFrame, rules: Mapping[str, Rule], budget: float) -> pl.DataFrame:
    """Say of each key whether more records than its rule allows stand under it, or than the budget pays for.

    Args:
        keys: `uid`, `key`, sorted by key.
    """
    starts, many = _runs(keys["key"].to_numpy())
    runs = pl.DataFrame({"key": keys["key"].gather(pl.Series(starts)), "n": many}).with_row_index("run")
    sizes = runs.filter(pl.col("n") > 1).with_columns(_rule().alias("rule"))
    worth = pl.Series([rule.worth for rule in rules.values()])
    cells = (
        sizes.group_by("rule", "n").agg(pl.len().cast(pl.Int64).alias("keys"))
        .with_columns((pl.col("keys") * pl.col("n") * (pl.col("n") - 1) // 2).alias("pairs"))
        .filter(pl.col("n") <= pl.lit(_most(rules)).gather(pl.col("rule")))
        .with_columns((pl.lit(worth).gather(pl.col("rule")) / pl.col("n")).alias("productive"))
        .sort("productive", "rule", "n", descending=[True, False, False])
        .filter(pl.col("pairs").cum_sum() <= budget * (float(keys["uid"].max() or 0) + 1))  # type: ignore[arg-type]
    )  # fmt: skip
    over = np.zeros(len(starts), dtype=bool)
    over[sizes.join(cells, on=["rule", "n"], how="anti")["run"].to_numpy()] = True
    return keys.with_columns(pl.Series("over", np.repeat(over, many)))


def _runs(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each key begins among sorted ones, and how often it comes."""
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.zeros(0, dtype=np.int64)
    return starts, np.diff(np.r_[starts, len(key)])


def _either_way(one: str, other: str) -> pl.Expr:
    """Both values, the smaller first."""
    low, high = pl.min_horizontal(one, other), pl.max_horizontal(one, other)
    return pl.when(pl.col(one).is_not_null() & pl.col(other).is_not_null()).then(
        pl.concat_str(low, high, separator="|")
    )


def _derived(people: pl.DataFrame) -> pl.DataFrame:
    """Conformed records with what only keys are made of."""
    return people.with_columns(
        _either_way("forename", "surname").alias("turned"),
        _either_way("forename_sound", "surname_sound").alias("sounds"),
        pl.col("surname").str.head(1).alias("family_initial"),
        *(
            pl.when(places.list.len() > 0).then(places).alias(name)
            for name, kind in (("homes", 0), ("streets", STREET))
            for places in [pl.col("places").list.filter(pl.element() & STREET == kind)]
        ),
    ).with_columns(_either_way("initial", "family_initial").alias("initials"))


def record_keys(people: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """`uid`, `key` of each record under each rule."""
    if any(column not in people.columns for rule in rules.values() for column in rule.columns):
        people = _derived(people)
    found = []
    for number, rule in enumerate(rules.values()):
        if "names" in rule.columns:  # of either kind, each once
            told = [people.rename({kind: "names"}).select("uid", *rule.columns) for kind in ("forenames", "surnames")]
            rows = pl.concat([rows.drop_nulls().explode("names") for rows in told]).unique()
        else:
            rows = people.select("uid", *rule.columns).drop_nulls()
        for column in rule.columns:
            if isinstance(rows.schema[column], pl.List):
                rows = rows.explode(column)
        key = pl.struct(*rule.columns).hash(number) & ~pl.lit(BITS, pl.UInt64) | pl.lit(number, pl.UInt64)
        found.append(rows.select(pl.col("uid").cast(pl.UInt32), key.alias("key")))
    return pl.concat(found)
