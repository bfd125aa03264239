"""What is asked of the audit log: who saw a person, what a user did, and how much of what happened on a day.

What belongs here: frames in, frames out, ids alone. How an answer is worded and laid out belongs in the rooms above.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Any

import polars as pl

from warehouse.tables import ACCESS_LOG

OWN, EARLIER, BESIDE, LISTED = "own", "earlier", "beside", "listed"
"""How an entry is about a person: by their id; by one that they had before; in a file about another; in a list."""
KEPT = {"person_id": pl.String, "first": pl.Date, "last": pl.Date}
LOOKS = (
    "read",
    "reveal",
    "audit",
    "find",
    "subject",
    "export",
    "matching",
)  # what people ask to see, rather than what is sent
MACHINES = "kinfold "  # begins the names of what acts by itself
USUAL = 90  # days from which a user's usual day is taken
MANY, TIMES = 20, 3  # people a day that are many, if they are also so many times the user's usual day
REFUSED = 3  # refusals a day that are many
NAMES = 3  # names a day under one account that are many
EARLY, LATE = 7, 20  # hours between which people work, Monday to Friday
OUTSIDE = 5  # looks a day outside of them that are many
_SAID = ("team", "role", "action", "reason", "agreement")


def ids_of(person_id: str, links: pl.DataFrame, past: pl.DataFrame, lineage: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    """Under which ids a person has stood, and when: looks were logged under the id of their day.

    An id that was merged into the person's is theirs altogether. One with which some of their records stood, before
    they were parted from it, is theirs for that time.

    Args:
        person_id: the person's id, today's or an earlier one.
        links: PERSON_LINK. `past`: LINK_PAST. `lineage`: PERSON_LINEAGE.

    Returns:
        Today's id; and `person_id`, `first`, `last` (days; null where there is no limit) of every id.
    """
    merged = lineage.filter(pl.col("change") == "merged_into").sort("night")
    onward = dict(merged.select("person_id", "other_person_id").iter_rows())
    standing, now, followed = set(links["person_id"]), person_id, set()
    while now not in standing and now in onward and now not in followed:
        followed.add(now)
        now = onward[now]
    theirs = {person_id, now}
    while more := set(merged.filter(pl.col("other_person_id").is_in(theirs))["person_id"]) - theirs - standing:
        theirs |= more
    records = links.filter(pl.col("person_id") == now)["record_id"]
    before = past.filter(pl.col("record_id").is_in(records.implode()), ~pl.col("person_id").is_in(theirs))
    parted = before.group_by("person_id").agg(first=pl.col("from").min(), last=pl.col("to").max())
    whole = pl.DataFrame([(one, None, None) for one in sorted(theirs)], schema=KEPT, orient="row")
    return now, pl.concat([whole, parted.cast(KEPT).sort("person_id")])  # type: ignore[arg-type]


def who_saw(log: pl.DataFrame, now: str, ids: pl.DataFrame, used: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Every entry about a person: ACCESS_LOG rows with `how`, in order.

    Args:
        log: ACCESS_LOG.
        now, ids: from `ids_of`.
        used: OUTPUT_USE of every night that is kept, for files about others that told of the person.
        timezone: of the council, whose days are meant.
    """
    day = _local(timezone).dt.date()
    within = (day >= pl.col("first")).fill_null(True) & (day <= pl.col("last")).fill_null(True)
    by_id = log.join(ids, on="person_id").filter(within).drop("first", "last")
    by_id = by_id.with_columns(how=pl.when(pl.col("person_id") == now).then(pl.lit(OWN)).otherwise(pl.lit(EARLIER)))
    about = used.join(ids, left_on="about", right_on="person_id").select("output_id", "first", "last").unique()
    inside = log.join(about, left_on="release_id", right_on="output_id").filter(within).drop("first", "last")
    inside = inside.join(by_id, on="sequence", how="anti").with_columns(
        how=pl.when(pl.col("person_id").is_null()).then(pl.lit(LISTED)).otherwise(pl.lit(BESIDE))
    )
    return pl.concat([by_id, inside]).select(*ACCESS_LOG.schema.names(), "how").unique("sequence").sort("sequence")


def what_did(log: pl.DataFrame, user: str, timezone: str, since: date | None, until: date | None) -> pl.DataFrame:
    """Every entry of a user, by the name that they gave or by the account of the machine: ACCESS_LOG rows, in order.

    Args:
        log: ACCESS_LOG.
        user: a name or an account; small and capital letters are the same.
        timezone: of the council, whose days are meant.
        since, until: the first and the last day.
    """
    day = _local(timezone).dt.date()
    found = log.filter(_is(user).fill_null(False))
    found = found if since is None else found.filter(day >= since)
    return (found if until is None else found.filter(day <= until)).sort("sequence")


def users(log: pl.DataFrame) -> list[str]:
    """Every name that somebody gave, and every account."""
    return sorted({*log["actor"].drop_nulls(), *log["account"].drop_nulls()})


def by_day(log: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """What happened, counted: day, team, role, action, reason, agreement, entries, people, users.

    What an entry does not say is an empty text.
    """
    counted = log.with_columns(pl.col(_SAID).fill_null(""), day=_local(timezone).dt.date())
    return (
        counted.group_by("day", *_SAID)
        .agg(
            entries=pl.len(),
            people=pl.col("person_id").drop_nulls().n_unique(),
            users=pl.col("actor").n_unique(),
        )
        .sort("day", *_SAID)
    )


def by_user(log: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """A day of a user: how many people they looked at, beside what is usual for them, and what is out of the ordinary.

    Returns:
        day, actor, account, looks, people, usual (people on a middling day of the last 90 on which they looked at
        anybody; null on the first), outside (looks at night or at a weekend), refused, unusual (in words; empty for a
        day like others).
    """
    at = _local(timezone)
    mine = log.filter(~pl.col("actor").str.starts_with(MACHINES)).with_columns(
        pl.col("account").fill_null(""),
        day=at.dt.date(),
        late=~at.dt.hour().is_between(EARLY, LATE - 1) | (at.dt.weekday() > 5),
        look=pl.col("action").is_in(LOOKS),
    )
    days = (
        mine.group_by("day", "actor", "account")
        .agg(
            looks=pl.col("look").sum(),
            people=pl.col("person_id").filter("look").drop_nulls().n_unique(),
            outside=(pl.col("look") & pl.col("late")).sum(),
            refused=(pl.col("action") == "refuse").sum(),
        )
        .filter(pl.col("looks") + pl.col("refused") > 0)
    )
    gone = days.select("actor", "people", before="day").filter(pl.col("people") > 0)
    since = pl.col("day") - pl.duration(days=USUAL)
    usual = (
        days.select("actor", "day")
        .unique()
        .join(gone, on="actor")
        .filter(pl.col("before").is_between(since, pl.col("day"), closed="left"))
        .group_by("actor", "day")
        .agg(usual=pl.col("people").median())
    )
    days = days.join(usual, on=["actor", "day"], how="left")
    names = pl.col("actor").n_unique().over("day", "account")
    many = (pl.col("people") >= MANY) & (pl.col("people") >= TIMES * pl.col("usual")).fill_null(True)
    said = [
        (many, pl.format("{} people", "people")),
        (pl.col("refused") >= REFUSED, pl.format("refused {} times", "refused")),
        ((names >= NAMES) & (pl.col("account") != ""), pl.format("one of {} names under this account", names)),
        (pl.col("outside") >= OUTSIDE, pl.format("{} looks at night or at a weekend", "outside")),
    ]
    unusual = pl.concat_list([pl.when(so).then(what) for so, what in said]).list.drop_nulls().list.join("; ")
    order = ["day", "actor", "account"]
    return days.with_columns(unusual=unusual).select(
        *order, "looks", "people", "usual", "outside", "refused", "unusual"
    ).sort(order)  # fmt: skip


def refusals(log: pl.DataFrame) -> pl.DataFrame:
    """What was asked for and refused, each: ACCESS_LOG without whom it was about."""
    return log.filter(pl.col("action") == "refuse").drop("person_id", "release_id", "case")


# -- inside ---------------------------------------------------------------------------------------------------------


def _local(timezone: str) -> pl.Expr:
    return pl.col("at").dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)


def _is(user: str) -> Any:
    """Whether an entry is a user's: `ann`, `ann (asmith)`, and of accounts `asmith` or `asmith as kinfold`."""
    name = unicodedata.normalize("NFC", user.strip()).casefold()
    actor, account = (pl.col(column).str.to_lowercase() for column in ("actor", "account"))
    return (
        (actor == name)
        | actor.str.starts_with(f"{name} (")
        | actor.str.ends_with(f" ({name})")
        | (account == name)
        | account.str.starts_with(f"{name} as ")
    )
