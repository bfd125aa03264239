"""People who belong together without living together: families, a source's own households, associates.

What belongs here: groups by what feeds say of people and each other. Who lives with whom belongs in
`linkage.households`. A group says that records connect people, never that anyone did anything.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from linkage.cluster import components
from linkage.identity import assign
from linkage.occupancy import CROWD, KINDRED, namesakes
from linkage.protection import Protected
from warehouse.tables import SOCIAL_GROUP, SOCIAL_GROUP_MEMBER

RECORDS = (
    *("record_id", "feed", "surname", "other_names", "household_key", "address_from", "address_to", "email", "phone"),
    "seen_on",
)
FAMILY, SOURCE_HOUSEHOLD, ASSOCIATES = "family", "source_household", "associates"
LARGEST = {FAMILY: 30, ASSOCIATES: CROWD}  # people, beyond which a chain of ties is no group
KNOWN_TO_EACH_OTHER = ("associate", "co_offender", "co_suspect", "friend", "gang_member", "acquaintance")
# who is recorded in the same role, by one feed, at the same minute, for the same thing; never victims with suspects
TOGETHER = ("incident_suspect", "offence")
CONTACT = 4  # people who may share a telephone or an email address before it is an office's or a landlord's
_EDGE = pl.Schema({"person_id": pl.String, "other": pl.String, "feed": pl.String, "from": pl.Date, "to": pl.Date})


@dataclass(frozen=True)
class Groups:
    """`social_group` and `social_group_member` rows."""

    group: pl.DataFrame
    member: pl.DataFrame


def groups(
    records: pl.DataFrame,
    links: pl.DataFrame,
    relationships: pl.DataFrame,
    events: pl.LazyFrame,
    stays: pl.DataFrame,
    protected: Protected,
    previous: tuple[pl.DataFrame, pl.DataFrame] | None,
    night: date,
    key: bytes,
) -> Groups:
    """Find groups of two people or more.

    Nobody whose address is protected is in any group: whom they belong to may tell where they are.

    Args:
        records: `source_record` rows; the columns `RECORDS` suffice.
        links, relationships: rows of `person_link` and `relationship`.
        events: `event` rows that stand.
        stays: of `occupancy.Found`: people who live or lived together are no associates for sharing a telephone.
        protected: who is left out.
        previous: last night's `social_group` and `social_group_member`; None on the first.
        night: names the night.
        key: secret of new group ids.
    """
    hidden = protected.people.implode()
    owner = links.select("record_id", "person_id").filter(~pl.col("person_id").is_in(hidden))
    held = records.join(owner, on="record_id").sort("record_id")
    kin = _ties(relationships, owner, KINDRED)
    family = _connected(kin, FAMILY)
    keyed = _keyed(held)
    known = _ties(relationships, owner, KNOWN_TO_EACH_OTHER)
    ties = pl.concat([known, _suspects(events, owner), _contacts(held, records, links, stays, _near(keyed, kin))])
    member = pl.concat([family, keyed, _connected(ties, ASSOCIATES)])
    member = member.filter(pl.len().over("kind", "group") > 1)
    return _lasting(member, previous, night, key)


def _ties(relationships: pl.DataFrame, owner: pl.DataFrame, kinds: tuple[str, ...]) -> pl.DataFrame:
    """Each two people who are one of these to each other now, a row a feed."""
    rows = relationships.filter(pl.col("kind").str.to_lowercase().is_in(kinds) & pl.col("end").is_null())
    rows = rows.join(owner, on="record_id")
    rows = rows.join(owner.rename({"record_id": "other_record_id", "person_id": "other"}), on="other_record_id")
    rows = rows.filter(pl.col("person_id") != pl.col("other"))
    return rows.select(
        "person_id", "other", "feed", pl.col("start").dt.date().alias("from"), pl.lit(None, pl.Date).alias("to")
    )


def _keyed(held: pl.DataFrame) -> pl.DataFrame:
    """Members of each household that a source itself keeps: `kind`, `group`, `person_id`, `from`, `to`, `evidence`."""
    rows = held.filter(pl.col("household_key").is_not_null())
    rows = rows.filter(pl.col("person_id").n_unique().over("feed", "household_key") <= CROWD)
    open_ = pl.col("address_to").null_count() > 0
    return rows.group_by("feed", "household_key", "person_id").agg(
        pl.col("address_from").min().alias("from"),
        pl.when(~open_).then(pl.col("address_to").max()).alias("to"),
    ).select(
        pl.lit(SOURCE_HOUSEHOLD).alias("kind"),
        pl.concat_str("feed", "household_key", separator="\x1f").alias("group"),
        "person_id", "from", "to", pl.concat_list("feed").alias("evidence"),
    )  # fmt: skip


def _suspects(events: pl.LazyFrame, owner: pl.DataFrame) -> pl.DataFrame:
    """Each two people suspected of one thing at one minute, with the day."""
    rows = events.filter(pl.col("type").is_in(TOGETHER)).select("record_id", "feed", "type", "start", "code").collect()
    rows = rows.filter(pl.col("start").dt.time() != pl.time(0)).join(owner, on="record_id").drop("record_id").unique()
    one = ["feed", "type", "start", "code"]
    rows = rows.filter((pl.len().over(one) > 1) & (pl.len().over(one) <= CROWD))
    both = rows.join(rows.rename({"person_id": "other"}), on=one, nulls_equal=True)
    both = both.filter(pl.col("person_id") < pl.col("other")).with_columns(pl.col("start").dt.date().alias("from"))
    return both.select("person_id", "other", "feed", "from", pl.col("from").alias("to"))


def _contacts(
    held: pl.DataFrame, records: pl.DataFrame, links: pl.DataFrame, stays: pl.DataFrame, near: pl.DataFrame
) -> pl.DataFrame:
    """Each two people of no common home, family or name who gave one telephone number or email address."""
    told = [
        held.select("person_id", "feed", pl.lit(name).alias("what"), pl.col(name).alias("contact")).drop_nulls()
        for name in ("phone", "email")
    ]
    rows = pl.concat(told).unique()
    rows = rows.filter(pl.col("person_id").n_unique().over("what", "contact").is_between(2, CONTACT))
    both = rows.join(
        rows.select("what", "contact", pl.col("person_id").alias("other")).unique(), on=["what", "contact"]
    )
    both = both.filter(pl.col("person_id") != pl.col("other")).join(near, on=["person_id", "other"], how="anti")
    pairs = both.select("person_id", "other").unique()
    lived = stays.select("person_id", "home_id")
    at_home = pairs.join(lived, on="person_id").join(lived.rename({"person_id": "other"}), on=["other", "home_id"])
    for known in (at_home, namesakes(pairs, records, links)):
        both = both.join(known, on=["person_id", "other"], how="anti")
    none = pl.lit(None, pl.Date)
    return both.select("person_id", "other", "feed", none.alias("from"), none.alias("to")).unique()


def _near(keyed: pl.DataFrame, kin: pl.DataFrame) -> pl.DataFrame:
    """`person_id`, `other`: who share a source's household, or are kin; both ways."""
    rows = keyed.select("person_id", "group")
    shared = rows.join(rows.rename({"person_id": "other"}), on="group").select("person_id", "other")
    back = kin.select(person_id="other", other="person_id")
    return pl.concat([shared, kin.select("person_id", "other"), back]).unique()


def _connected(ties: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Members of each chain of ties; where a chain grows too long, of its parts that more than one tie holds."""
    ties = ties.with_columns(
        pl.min_horizontal("person_id", "other").alias("person_id"),
        pl.max_horizontal("person_id", "other").alias("other"),
    ).unique()
    ties = ties.sort(_EDGE.names()).with_columns(pl.len().over("person_id", "other").alias("times"))
    found, cut = [], 1
    while ties.height and cut <= 2:
        named = _labelled(ties.filter(pl.col("times") >= cut))
        fits = pl.col("person_id").n_unique().over("group") <= LARGEST[kind]
        found.append(named.filter(fits))
        ties = ties.join(found[-1].select("person_id").unique(), on="person_id", how="anti")
        ties = ties.join(found[-1].select(other="person_id").unique(), on="other", how="anti")
        cut += 1
    none = pl.DataFrame(schema={"group": pl.String, **{n: _EDGE[n] for n in ("person_id", "feed", "from", "to")}})
    rows = pl.concat([none, *found])
    lasts = pl.col("to").null_count() > 0
    return rows.group_by("group", "person_id").agg(
        pl.col("from").min(), pl.when(~lasts).then(pl.col("to").max()).alias("to"),
        pl.col("feed").unique().sort().alias("evidence"),
    ).select(pl.lit(kind).alias("kind"), "group", "person_id", "from", "to", "evidence")  # fmt: skip


def _labelled(ties: pl.DataFrame) -> pl.DataFrame:
    """`group`, `person_id`, and what each tie of the person says; a group is called by its smallest member."""
    people = pl.concat([ties["person_id"], ties["other"]]).unique().sort()
    place = pl.DataFrame({"person_id": people, "at": np.arange(len(people))})
    edges = ties.join(place, on="person_id").join(place.rename({"person_id": "other", "at": "other_at"}), on="other")
    edges = edges.select(uid_l="at", uid_r="other_at", weight=pl.lit(1.0), never=pl.lit(False))
    label = people.gather(components(len(people), edges, 0.0)).alias("group")
    told = ("feed", "from", "to")
    both = [ties.select("person_id", *told), ties.select(pl.col("other").alias("person_id"), *told)]
    every = pl.concat(both).join(place.select("person_id", label), on="person_id")
    return every.select("group", "person_id", *told)


def _lasting(
    member: pl.DataFrame, previous: tuple[pl.DataFrame, pl.DataFrame] | None, night: date, key: bytes
) -> Groups:
    """Give each group the id that most of its members had in one of its kind; a source's own key is an id already."""
    old = SOCIAL_GROUP.empty() if previous is None else previous[0]
    was = SOCIAL_GROUP_MEMBER.empty() if previous is None else previous[1]
    kept = member.filter(pl.col("kind") == SOURCE_HOUSEHOLD)
    keys = kept["group"].unique()
    ids = pl.Series([hmac.digest(key, one.encode(), "sha256").hex()[:32] for one in keys.to_list()], dtype=pl.String)
    rows = [kept.with_columns(pl.col("group").replace_strict(keys, ids, return_dtype=pl.String).alias("group_id"))]
    for kind in (FAMILY, ASSOCIATES):
        mine = member.filter(pl.col("kind") == kind)
        # nobody is in two groups of one kind, so that a kind and a person found one id alone
        named = pl.concat_str(pl.lit(kind), "person_id", separator="\x1f").alias("member")
        of_kind = old.filter(pl.col("kind") == kind).select(pl.col("group_id").alias("id"), "founded")
        before = was.join(of_kind, left_on="group_id", right_on="id", how="semi")
        before = before.select(named, pl.col("group_id").alias("id"))
        given = assign(mine.select(named, "group"), before, of_kind, night, key).ids
        rows.append(mine.join(given.select("group", pl.col("id").alias("group_id")), on="group"))
    every = pl.concat(rows).join(old.select("group_id", "founded"), on="group_id", how="left")
    group = every.group_by("group_id").agg(
        pl.col("kind").first(), pl.len().alias("people"), pl.col("founded").first().fill_null(night),
        pl.col("evidence").explode().unique().sort().alias("evidence"),
    )  # fmt: skip
    return Groups(
        group.select(pl.col(c.name).cast(c.type) for c in SOCIAL_GROUP.columns).sort(SOCIAL_GROUP.key),
        every.select(pl.col(c.name).cast(c.type) for c in SOCIAL_GROUP_MEMBER.columns).sort(SOCIAL_GROUP_MEMBER.key),
    )
