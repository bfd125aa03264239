"""One golden record a person: the best value of each attribute, where it came from, and what disagrees.

What belongs here: survivorship. Who is one person is settled before, in `linkage.night`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from linkage.conform import place_keys
from linkage.model import engine
from linkage.names import canonical_names
from warehouse.tables import HELD_ADDRESS, HELD_NAME, PERSON, PERSON_PROFILE, RUNNER_UP, SOURCE_OF

USUAL_TRUST = 0.5
ALIVE_AFTER = 60  # days after a date of death beyond which contact makes it a question
OLDEST = 120  # years
_LONGEST = timedelta(days=OLDEST * 365.25)
UNBORN = 300  # days ahead of which a date of birth may lie: social care knows of children before they are born
LATELY = 365  # days within which two addresses, both of a person now, are a conflict and not a move
# attribute: the contract's trust key, and the days in which what a feed saw halves in worth (None: it does not age)
ATTRIBUTES: dict[str, tuple[str, float | None]] = {
    "forename": ("person.forename", None),
    "middle_names": ("person.middle_names", None),
    "surname": ("person.surname", 5 * 365.0),
    "birth_date": ("person.birth_date", None),
    "sex": ("person.sex", None),
    "ethnicity": ("person.ethnicity", None),
    "nhs_number": ("person.nhs_number", None),
    "upn": ("person.upn", None),
    "ni_number": ("person.ni_number", None),
    "la_child_id": ("person.la_child_id", None),
    "email": ("contact", 365.0),
    "phone": ("contact", 365.0),
    "place": ("address", 5 * 365.0),
}
SIMPLE = (
    *("record_id", "feed", "seen_on", "death_date", "address_from", "address_to", "uprn", "address", "postcode"),
    *(attribute for attribute in ATTRIBUTES if attribute != "place"),
)
READ = (*SIMPLE, "other_names", "other_addresses")
# what a person has but one of, so that two values are a conflict, and what it is called
CONFLICTS = {
    "forename": "Forename",
    "surname": "Surname",
    "birth_date": "Date of birth",
    "sex": "Sex",
    "nhs_number": "NHS number",
    "upn": "Unique pupil number",
    "ni_number": "National Insurance number",
    "la_child_id": "Child id",
    "address": "Address",
}
SEXES = {"M": "male", "F": "female"}
# how a name is called, the most telling first; `used` is a feed's own name for the person
KINDS = ("current", "former", "preferred", "alias", "used")
BANDS = [
    (5, "0-4"),
    (11, "5-10"),
    (16, "11-15"),
    (18, "16-17"),
    (25, "18-24"),
    (45, "25-44"),
    (65, "45-64"),
    (85, "65-84"),
]


def people(
    records: pl.DataFrame, links: pl.DataFrame, trust: Mapping[str, Mapping[str, float]], night: date
) -> pl.DataFrame:
    """Make the golden records.

    A value counts by the trust in each feed that tells it, less the longer ago that feed saw the person where the
    attribute ages; the value that counts most wins, then the one seen last.

    Args:
        records: `source_record` rows; the columns `READ` suffice.
        links: `person_link` rows.
        trust: for each feed, what its contract says of an attribute, 0 to 1; 0.5 where it is silent.
        night: the day on which ages and recency are judged.

    Returns:
        `person` rows.
    """
    held = links.select("record_id", "person_id").join(
        records.select("record_id", pl.int_range(pl.len()).alias("at")), on="record_id"
    )
    held = held.sort("person_id", "record_id")  # a person's records stand together, and rows are known by their place
    days = (pl.lit(night) - pl.col("seen_on")).dt.total_days().clip(0).fill_null(730)
    rows, known = records.select(pl.col(SIMPLE).gather(held["at"])), records["feed"].unique().sort()
    rows = rows.with_columns(
        held["person_id"].rle_id().alias("number"),
        pl.col("feed").cast(pl.Enum(known)),
        place_keys(rows).alias("place"),
        days.alias("days"),
    )
    strange = rows.filter(impossible_birth(night))
    if strange.height:
        rows = rows.with_columns(pl.when(~impossible_birth(night)).then("birth_date"))
    number = rows["number"].to_numpy()
    other_names, other_addresses = (
        _others(records, held["at"], number, known, f"other_{n}") for n in ("names", "addresses")
    )
    chosen = held.group_by("person_id", maintain_order=True).agg(pl.len().cast(pl.Int32).alias("records"))
    feeds = rows.select("number", "feed").unique().sort("number", "feed").group_by("number", maintain_order=True)
    chosen = chosen.with_row_index("number").hstack([feeds.agg("feed")["feed"].alias("feeds")])
    winners: dict[str, np.ndarray] = {}
    losers, conflicts = [], [_impossible_births(strange)]
    for attribute, (key, half) in ATTRIBUTES.items():
        told = {feed: float(values.get(key, USUAL_TRUST)) for feed, values in trust.items()}
        by_feed = pl.Series([told.get(feed, USUAL_TRUST) for feed in known])
        worth = pl.lit(by_feed.gather(rows["feed"].to_physical()))
        if half is not None:
            worth = worth * 0.5 ** (pl.col("days") / half)
        if attribute == "forename":
            worth = worth * pl.when(pl.col("forename").str.len_chars() > 1).then(1.0).otherwise(0.1)
        if attribute == "place":
            left = (pl.col("address_to") < night).fill_null(False)
            worth = worth * pl.when(left).then(0.1).otherwise(1.0)
        name = "address" if attribute == "place" else attribute
        winners[name], ranked = _survivor(rows, number, chosen.height, attribute, worth)
        lost = ranked.filter(~pl.col("won"))
        losers.append(lost.select("number", _worded(rows, lost, attribute), "feeds", pl.lit(name).alias("attribute")))
        if name in CONFLICTS:
            conflicts.append(_conflicts(rows, ranked, attribute, name, night, other_names))
        best = pl.Series(winners[name], dtype=pl.Int64)
        best = best.set(best < 0, None)
        columns = ("uprn", "address", "postcode") if attribute == "place" else (attribute,)
        chosen = chosen.hstack([rows[column].gather(best) for column in columns])
        if attribute == "place":
            chosen = _with_uprn(chosen.hstack([rows["place"].gather(best)]), rows)
    deaths, doubts = _deaths(rows, chosen, night)
    chosen = chosen.join(deaths, on="number", how="left", maintain_order="left")
    disagreed = pl.concat(losers).sort("number", "attribute", "value").group_by("number", maintain_order=True)
    disagreements = disagreed.agg(pl.struct("attribute", "value", "feeds").alias("disagreements"))
    told_of = pl.concat([*conflicts, doubts]).sort("number", "code", "text").group_by("number", maintain_order=True)
    whole = chosen
    for more in (
        _provenance(winners, rows),
        disagreements,
        told_of.agg(pl.col("text").alias("conflicts"), pl.col("code").alias("conflicting")),
        _names(rows, other_names, chosen),
        _addresses(rows, other_addresses, chosen, night),
    ):
        whole = whole.join(more, on="number", how="left", maintain_order="left")
    whole = whole.with_columns(
        pl.col("provenance").fill_null(pl.lit([], pl.List(SOURCE_OF))),
        pl.col("disagreements").fill_null(pl.lit([], pl.List(RUNNER_UP))),
        pl.col("names").fill_null(pl.lit([], pl.List(HELD_NAME))),
        pl.col("addresses").fill_null(pl.lit([], pl.List(HELD_ADDRESS))),
        pl.col("conflicts", "conflicting", "death_feeds").fill_null(pl.lit([], pl.List(pl.String))),
        pl.col("death").fill_null("none"),
    )
    return whole.select(pl.col(c.name).cast(c.type) for c in PERSON.columns)


def _others(records: pl.DataFrame, at: pl.Series, number: np.ndarray, feeds: pl.Series, column: str) -> pl.DataFrame:
    """`number`, `feed`, `seen_on` and the fields of each entry of a column of lists, of records that have a person.

    Lists are few and slow to move, so that they are taken from where they are.
    """
    told = records.select(pl.int_range(pl.len()).alias("at"), pl.col("feed").cast(pl.Enum(feeds)), "seen_on", column)
    told = told.filter(pl.col(column).list.len() > 0)
    who = np.full(records.height, -1, dtype=np.int64)
    who[at.to_numpy()] = number
    told = told.with_columns(pl.Series("number", who[told["at"].to_numpy()])).filter(pl.col("number") >= 0)
    told = told.select(pl.col("number").cast(pl.UInt32), "feed", "seen_on", column).explode(column)
    return told.unnest(column)


def impossible_birth(night: date) -> pl.Expr:
    """Whether a `birth_date` cannot be one: too far ahead, or by the `death_date` or the night too long ago."""
    born, late, early = pl.col("birth_date"), night + timedelta(days=UNBORN), night - _LONGEST
    too_old = (born < early) & (pl.coalesce("death_date", pl.lit(night)) - born > _LONGEST)
    return ((born > late) | too_old).fill_null(False)


def _survivor(
    rows: pl.DataFrame, number: np.ndarray, people: int, attribute: str, worth: pl.Expr
) -> tuple[np.ndarray, pl.DataFrame]:
    """The place of the row that tells each person's winning value best, -1 for none, and values that contend.

    The latter are told of people of whom more than one value is told, the best first: `number`, `code`, `at` (the row
    that tells it best), `feeds`, `days` (since it was told last), `won`.

    Where all of a person's records that say anything say the same, the one that counts most is the answer; values are
    weighed against each other for the others alone.
    """
    best = np.full(people, -1, dtype=np.int64)
    none = pl.DataFrame(
        schema={
            "number": rows.schema["number"],
            "code": pl.UInt64,
            "at": pl.Int64,
            "feeds": pl.List(rows.schema["feed"]),
            "days": pl.Int64,
            "won": pl.Boolean,
        }
    )
    told = rows.select(pl.col(attribute).hash().alias("code"), worth.alias("worth"), pl.col(attribute).is_not_null())
    at = np.flatnonzero(told[attribute].to_numpy())
    if not len(at):
        return best, none
    who, code, count = number[at], told["code"].to_numpy()[at], told["worth"].to_numpy()[at]
    start = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    most = np.flatnonzero(count == np.repeat(np.maximum.reduceat(count, start), np.diff(np.r_[start, len(who)])))
    best[who[most[::-1]]] = at[most[::-1]]  # the first of equals is written last
    split = np.zeros(people, dtype=bool)
    split[who[start]] = np.minimum.reduceat(code, start) != np.maximum.reduceat(code, start)
    at, code, count = at[split[who]], code[split[who]], count[split[who]]
    if not len(at):
        return best, none
    # a feed counts once, however many of its records say the same
    by_feed = (
        rows.select(pl.col("number", "feed", "days", attribute).gather(at))
        .with_columns(pl.Series("at", at), pl.Series("code", code), pl.Series("worth", count))
        .sort("number", "code", "worth", "at", descending=[False, False, True, False])
        .group_by("number", "code", "feed", maintain_order=True)
        .agg(pl.col("worth", "at", attribute).first(), pl.col("days").min())
    )
    by_value = by_feed.group_by("number", "code", maintain_order=True).agg(
        pl.col("worth").sum(), pl.col("at", attribute).first(), pl.col("feed").alias("feeds"), pl.col("days").min()
    )
    ranked = by_value.sort("number", "worth", "days", attribute, descending=[False, True, False, False])
    won = ranked["number"].is_first_distinct()
    first = ranked.filter(won)
    best[first["number"].to_numpy()] = first["at"].to_numpy()
    return best, ranked.select("number", "code", "at", pl.col("feeds").list.sort(), "days", won.alias("won"))


def _worded(rows: pl.DataFrame, ranked: pl.DataFrame, attribute: str) -> pl.Series:
    """The contending values as text."""
    if attribute != "place":
        return rows[attribute].gather(ranked["at"]).cast(pl.String).alias("value")
    told = rows.select(pl.col("address", "postcode", "uprn").gather(ranked["at"]))
    whole = pl.concat_str("address", "postcode", separator=", ", ignore_nulls=True).replace("", None)
    return told.select(pl.coalesce(whole, "uprn").alias("value")).to_series()


_FEEDS = pl.col("feeds").cast(pl.List(pl.String)).list.join(", ")


def _conflicts(
    rows: pl.DataFrame, ranked: pl.DataFrame, attribute: str, name: str, night: date, other_names: pl.DataFrame
) -> pl.DataFrame:
    """`number`, `text`, `code`: in plain words and without values, whose values of an attribute cannot all be right."""
    if attribute == "place":
        left = (rows["address_to"].gather(ranked["at"]) < night).fill_null(False)
        ranked = ranked.filter((pl.col("days") <= LATELY) & ~left)
    elif attribute in ("forename", "surname"):
        ranked = _unexplained(rows, ranked, attribute, other_names)
    ranked = ranked.filter((pl.len().over("number") > 1) & pl.col("won").any().over("number"))
    value = _worded(rows, ranked, attribute)
    if attribute == "birth_date":
        value = _day(rows[attribute].gather(ranked["at"]))
    elif attribute == "sex":
        value = value.replace(SEXES)
    elif attribute in ("forename", "surname"):
        value = value.str.to_titlecase()
    told = ranked.select("number", pl.format("{} ({})", value, _FEEDS).alias("text"), _FEEDS.alias("code"))
    said = told.group_by("number", maintain_order=True).agg(
        pl.col("text").str.join(" or "), pl.col("code").str.join(" | ")
    )
    return said.select(
        "number",
        pl.format("{}: {}", pl.lit(CONFLICTS[name]), "text").alias("text"),
        pl.format("{}: {}", pl.lit(name), "code").alias("code"),
    )


def _day(dates: pl.Series) -> pl.Series:
    return dates.dt.strftime("%-d %B %Y")


def _unexplained(rows: pl.DataFrame, ranked: pl.DataFrame, attribute: str, other_names: pl.DataFrame) -> pl.DataFrame:
    """Contending names that the winner does not explain.

    An initial, a slip of spelling, a nickname, part of a double name and a name that a feed calls former are explained.
    """
    ranked = ranked.with_columns(rows[attribute].gather(ranked["at"]).alias("name"))
    first = ranked.filter("won").select("number", pl.col("name").alias("winner"))
    ranked = ranked.join(first, on="number", maintain_order="left")
    others = other_names.select("number", pl.col(attribute).alias("name")).drop_nulls().unique()
    plain = pl.col("name").str.len_chars() > 1
    part = pl.format(" {} ", pl.col("winner").str.replace_all("-", " ")).str.contains(
        pl.format(" {} ", "name"), literal=True
    )
    ranked = ranked.filter(pl.col("won") | (plain & ~part)).join(
        others.with_columns(explained=True), on=["number", "name"], how="left", maintain_order="left"
    )
    ranked = ranked.filter(pl.col("won") | pl.col("explained").is_null())
    ranked = ranked.filter(pl.len().over("number") > 1)
    ranked = ranked.join(_misspelt(ranked), on=["name", "winner"], how="anti", maintain_order="left")
    ranked = ranked.filter(pl.len().over("number") > 1)
    if attribute == "forename":
        meant = canonical_names(pl.concat([ranked["name"], ranked["winner"]]))
        for end in ("name", "winner"):
            found = meant.rename({"name": end, "canonical": f"{end}_means"})
            ranked = ranked.join(found, on=end, how="left", maintain_order="left")
        shared = pl.col("name_means").list.set_intersection("winner_means").list.len() > 0
        ranked = ranked.filter(pl.col("won") | ~shared.fill_null(False))
    return ranked


def _misspelt(names: pl.DataFrame) -> pl.DataFrame:
    """Of `name` and `winner`, those that differ as a slip of the keyboard or of the ear makes them differ."""
    pairs = names.filter(~pl.col("won")).select("name", "winner").unique()
    with engine() as con:
        con.register("pairs", pairs.to_arrow())
        alike = "jaro_winkler_similarity(name, winner) >= 0.9 or damerau_levenshtein(name, winner) <= 1"
        return con.sql(f"select name, winner from pairs where {alike}").pl()


def _impossible_births(strange: pl.DataFrame) -> pl.DataFrame:
    """As `_conflicts`, of dates of birth that cannot be any."""
    told = strange.group_by("number", "birth_date").agg(pl.col("feed").unique().sort().alias("feeds"))
    return told.select(
        "number",
        pl.format("Date of birth: {} ({}) is not possible", _day(told["birth_date"]), _FEEDS).alias("text"),
        pl.format("birth_date: {} | impossible", _FEEDS).alias("code"),
    )  # fmt: skip


def _with_uprn(chosen: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The UPRN that another record of the person gives for the address, where the winner gives none."""
    lacking = chosen.filter(pl.col("place").is_not_null() & pl.col("uprn").is_null()).select("number", "place")
    known = rows.select("number", "place", "uprn").drop_nulls().join(lacking, on=["number", "place"])
    known = known.group_by("number").agg(pl.col("uprn").min().alias("known"))
    chosen = chosen.join(known, on="number", how="left", maintain_order="left")
    return chosen.with_columns(pl.coalesce("uprn", "known").alias("uprn")).drop("known", "place")


def _provenance(winners: Mapping[str, np.ndarray], rows: pl.DataFrame) -> pl.DataFrame:
    """`number`, `provenance`: the record that each attribute came from, by the attribute's name."""
    names = sorted(winners)
    places = np.column_stack([winners[name] for name in names])
    number, attribute = np.nonzero(places >= 0)
    at = places[number, attribute]
    origin = pl.DataFrame(
        {
            "number": number.astype(np.uint32),
            "attribute": pl.Series(names).gather(attribute),
            "record_id": rows["record_id"].gather(at),
            "feed": rows["feed"].cast(pl.String).gather(at),
        }
    )
    return origin.group_by("number", maintain_order=True).agg(
        pl.struct("attribute", "record_id", "feed").alias("provenance")
    )


def _names(rows: pl.DataFrame, others: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """`number`, `names`: every name, how it is called, from the first to the last day it is known to be used, by whom.

    A feed's own name for a person is known to be used on the day on which it saw the person; of a former name, told
    only as such, it is known that it had ended by then.
    """
    own = rows.filter(pl.col("surname").is_not_null() | pl.col("forename").is_not_null()).select(
        *("number", "feed", "forename", "surname", pl.lit(len(KINDS) - 1, pl.Int8).alias("kind")),
        *(pl.col("seen_on").alias(end) for end in ("from", "to")),
        pl.lit(None, pl.Date).alias("ended"),
    )
    codes = {name: code for code, name in enumerate(KINDS)}
    former = pl.col("kind") == "former"
    other = others.filter(pl.col("surname").is_not_null() | pl.col("forename").is_not_null()).select(
        *("number", "feed", "forename", "surname"),
        pl.col("kind").replace_strict(codes, default=codes["alias"], return_dtype=pl.Int8),
        *(pl.when(~former).then("seen_on").alias(end) for end in ("from", "to")),
        pl.when(former).then("seen_on").alias("ended"),
    )
    current = chosen.select("number", "forename", "surname", pl.lit(0, pl.Int8).alias("now"))
    whole = _held(pl.concat([own, other]), ["forename", "surname"], pl.col("kind", "ended").min())
    whole = whole.join(current, on=["number", "forename", "surname"], how="left", nulls_equal=True)
    whole = whole.with_columns(
        pl.coalesce("now", "kind").alias("kind"),
        pl.when(pl.col("now").is_null()).then(pl.coalesce("to", "ended")).alias("to"),
    ).sort(
        "number", "kind", "to", "surname", "forename", descending=[False, False, True, False, False], nulls_last=True
    )
    kind = pl.col("kind").replace_strict(dict(enumerate(KINDS)), return_dtype=pl.String)
    return whole.group_by("number", maintain_order=True).agg(
        pl.struct("forename", "surname", kind, "from", "to", "feeds").alias("names")
    )


def _held(told: pl.DataFrame, by: list[str], *more: pl.Expr) -> pl.DataFrame:
    """What several records tell alike: `number`, `by`, `from` the first and `to` the last day, `more`, and `feeds`."""
    span = (pl.col("from").min(), pl.col("to").max(), *more)
    each = told.group_by("number", *by, "feed").agg(*span).sort("number", *by, "feed")
    return each.group_by("number", *by, maintain_order=True).agg(*span, pl.col("feed").alias("feeds"))


def _addresses(rows: pl.DataFrame, others: pl.DataFrame, chosen: pl.DataFrame, night: date) -> pl.DataFrame:
    """`number`, `addresses`: every address, from the first to the last day that a record puts the person there.

    Where a record gives no date the day counts on which it saw the person. Dates before birth and ends before starts
    are left out. The address that stands has no end, unless all records there say that it ended.
    """
    ends = {"uprn": "uprn", "address": "address", "postcode": "postcode", "from": "address_from", "to": "address_to"}
    own = rows.filter(pl.col("place").is_not_null()).select(
        "number", "feed", "seen_on", "place", *(pl.col(column).alias(name) for name, column in ends.items())
    )
    other = others.rename({"text": "address"}).with_columns(pl.lit(None, pl.Date).alias("seen_on"))
    other = other.with_columns(place_keys(other).alias("place")).filter(pl.col("place").is_not_null())
    told = pl.concat([own, other.select(own.columns)]).with_row_index("at")
    # a record that gives the UPRN alone joins those that give the door too
    both = told.filter((pl.col("place") != pl.col("uprn")).fill_null(False))
    alone = told.filter((pl.col("place") == pl.col("uprn")).fill_null(False)).select("at", "number", "uprn")
    doors = alone.join(both, on=["number", "uprn"]).group_by("at").agg(pl.col("place").min().alias("door"))
    if doors.height:
        told = told.join(doors, on="at", how="left", maintain_order="left")
        told = told.with_columns(pl.coalesce("door", "place").alias("place")).drop("door")
    born = chosen["birth_date"].gather(told["number"])
    sound = (pl.col("from") <= pl.col("to")).fill_null(True)
    told = told.with_columns(
        *(pl.when(sound & (pl.col(end) >= born).fill_null(True)).then(end).alias(end) for end in ("from", "to"))
    ).with_columns(
        pl.coalesce("from", pl.min_horizontal("seen_on", "to")).alias("from"),
        pl.coalesce("to", pl.max_horizontal("seen_on", "from")).alias("to"),
        (pl.col("to") < night).fill_null(False).alias("left"),
        pl.when(pl.col("uprn").is_not_null()).then("at").alias("with_uprn"),
    )
    first = (pl.col("left").all(), pl.col("at", "with_uprn").min())
    whole = _held(told.select("number", "feed", "place", "from", "to", "left", "at", "with_uprn"), ["place"], *first)
    now = chosen.select("number", pl.col("uprn", "address", "postcode").name.suffix("_now"))
    now = now.with_columns(place_keys(chosen).alias("place"), pl.lit(True).alias("now"))
    whole = whole.join(now.drop_nulls("place"), on=["number", "place"], how="left").with_columns(
        pl.col("now").fill_null(False)
    )
    whole = whole.with_columns(
        *(
            pl.when("now").then(f"{name}_now").otherwise(told[name].gather(whole[at])).alias(name)
            for name, at in (("uprn", "with_uprn"), ("address", "at"), ("postcode", "at"))
        ),
        pl.when(~pl.col("now") | pl.col("left")).then("to").alias("to"),
    ).sort("number", "now", "to", "place", descending=[False, True, True, False], nulls_last=True)
    return whole.group_by("number", maintain_order=True).agg(
        pl.struct("uprn", "address", "postcode", "from", "to", "feeds").alias("addresses")
    )


def impossible_death(night: date, born: str = "birth_date") -> pl.Expr:
    """Why a `death_date` cannot be one, by its date alone and the `born`: a phrase, null where it can."""
    died = pl.col("death_date")
    return (
        pl.when(died > night).then(pl.lit("still to come"))
        .when(died < pl.col(born)).then(pl.lit("before birth"))
        .when(died > pl.col(born).dt.offset_by(f"{OLDEST}y")).then(pl.lit(f"past the age of {OLDEST}"))
    )  # fmt: skip


def _deaths(rows: pl.DataFrame, chosen: pl.DataFrame, night: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Who has died, of whom it is a question, and what speaks against it.

    The earliest date that is possible, and that no later contact contradicts, is believed. A record that tells of a
    death is no contact.

    Returns:
        `number`, `death` (dead, question), `death_date` (of the dead alone), `death_feeds`; and, as `_conflicts`, what
        there is to ask.
    """
    dying = rows.filter(pl.col("death_date").is_not_null())
    told = dying.group_by("number", "death_date", "feed").agg().sort("number", "death_date", "feed")
    told = told.group_by("number", "death_date", maintain_order=True).agg(pl.col("feed").alias("feeds"))
    told = told.join(chosen.select("number", "birth_date"), on="number", maintain_order="left")
    seen = rows.join(dying, on="number", how="semi").filter(
        pl.col("death_date").is_null() & (pl.col("seen_on") <= night)
    )
    seen = seen.select("number", "seen_on", pl.col("feed").alias("by")).sort("number", "seen_on", "by")
    last = seen.group_by("number", maintain_order=True).agg(
        pl.col("seen_on").last(), pl.col("by").filter(pl.col("seen_on") == pl.col("seen_on").last()).unique().sort()
    )
    told = told.join(last, on="number", how="left", maintain_order="left").with_columns(
        impossible_death(night).alias("impossible"),
        (pl.col("seen_on") > pl.col("death_date") + pl.duration(days=ALIVE_AFTER)).fill_null(False).alias("later"),
    )
    told = told.with_columns((pl.col("impossible").is_null() & ~pl.col("later")).alias("believed"))
    by_person = told.group_by("number", maintain_order=True)
    found = by_person.agg(
        pl.when(pl.col("believed").any()).then(pl.lit("dead")).otherwise(pl.lit("question")).alias("death"),
        pl.col("death_date").filter("believed").min(),
        pl.col("feeds").list.explode(keep_nulls=False, empty_as_null=False).unique().sort().alias("death_feeds"),
    )
    by = pl.col("by").cast(pl.List(pl.String)).list.join(", ")
    died, met = _day(told["death_date"]), _day(told["seen_on"])
    doubted = told.with_columns(
        pl.format("{} ({}){}", died, _FEEDS, pl.when(pl.col("impossible").is_not_null())
                  .then(pl.format(", which is {}", "impossible"))
                  .when("later").then(pl.format(", but seen on {} ({})", met, by)).otherwise(pl.lit(""))).alias("text"),
        pl.format("{}{}", _FEEDS, pl.when(pl.col("impossible").is_not_null()).then(pl.lit(" | impossible"))
                  .when("later").then(pl.format(" | {}", by)).otherwise(pl.lit(""))).alias("code"),
    )  # fmt: skip
    open_ = doubted.filter((pl.len() > 1).over("number") | ~pl.col("believed"))
    said = open_.group_by("number", maintain_order=True).agg(
        pl.format("Date of death: {}", pl.col("text").str.join(" or ")).alias("text"),
        pl.format("death_date: {}", pl.col("code").str.join(" | ")).alias("code"),
    )
    return found, said


def profiles(people: pl.DataFrame, place: pl.DataFrame, night: date) -> pl.DataFrame:
    """What analysis may use of each person.

    Args:
        people: `person` rows.
        place: `place` rows.
        night: the day on which age is told.

    Returns:
        `person_profile` rows. Someone who died is as old as on the day of death.
    """
    until = pl.coalesce("death_date", pl.lit(night))
    born = pl.col("birth_date")
    months = (until.dt.year() - born.dt.year()) * 12 + (until.dt.month() - born.dt.month()).cast(pl.Int32)
    months = months - (until.dt.day() < born.dt.day()).cast(pl.Int32)
    rows = people.join(place, on="postcode", how="left").with_columns(months.clip(0).cast(pl.Int32).alias("age_months"))
    band = pl.lit("85+")
    for years, name in reversed(BANDS):
        band = pl.when(pl.col("age_months") < years * 12).then(pl.lit(name)).otherwise(band)
    rows = rows.with_columns(
        born.dt.truncate("1mo").alias("birth_month"),
        pl.when(pl.col("age_months").is_null()).then(pl.lit("unknown")).otherwise(band).alias("age_band"),
        pl.col("death_date").is_not_null().alias("deceased"),
        pl.col("feeds").list.len(),
        pl.col("conflicting").alias("conflicts"),
    )
    return rows.select(pl.col(c.name).cast(c.type) for c in PERSON_PROFILE.columns).sort("person_id")
