"""What is taken back when a link between records is undone: which outputs used it, and what their readers are told.

What belongs here: from links, their past and what was let out to recall entries, and the pages that tell of them. What
is read and where files go is `assets.recall`. Nothing here sees a value: ids, dates, kinds, recipients, causes alone.

A link is undone when records that stood with one person no longer stand together, or when a partner takes a record
back. A record that merely joins another person undoes nothing; one that a snapshot no longer lists was not taken back.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from models.features import LARGEST_HOME
from summaries.render import page
from summaries.reports import spreadsheet
from summaries.words import say
from warehouse.tables import LINK_PAST, OUTPUT_USE, RECALL

CAUSES = {  # the first that applies is told
    "register": "The council keeps these records apart for good.",
    "review": "A reviewer found that the records are of different people.",
    "council": "The council’s own matching has them as different people.",
    "withdrawal": "A partner took back a record, and with it what it told.",
    "address": "Where somebody lives may no longer be shown to anyone.",
    "correction": "A source corrected a record, and the records no longer match.",
    "model": "The way in which records are compared has changed, and the records no longer match.",
    "evidence": "By what has come since, the records no longer match.",
}
# What recipients are told. That two are kept apart for good tells of an adoption, that an address is hidden tells of a
# flight: neither is theirs to know, nor whoever reads over their shoulder.
TOLD = CAUSES | {
    "register": CAUSES["review"],
    "council": CAUSES["review"],
    "address": "",
}
KINDS = {
    "summary": "Case summary", "report": "Records to check", "flag": "Flag", "alert": "Alert", "marts": "Marts",
    "export": "Export", "subject": "A person's own data", "reveal": "Shown on a screen",
}  # fmt: skip
FILES = ("summary", "report", "export", "subject")
MARTS, SCREEN = "marts", "reveal"
OPEN, CLOSED = "open", "closed"
WITHDRAWN = "withdrawn"  # stands for whoever a record that was taken back belongs to now
_RANK = {cause: rank for rank, cause in enumerate(CAUSES)}
_FOREVER = date.max
UNDONE = pl.Schema(
    {
        "person_id": pl.String,  # the id, as it was then, with whom the records stood
        "from": pl.Date,  # the night since which they stood together
        "to": pl.Date,  # the first night on which they no longer did
        "here": pl.String,  # the ids with which they stand tonight; `there` is null for what was taken back
        "there": pl.String,
    }
)
USED = pl.Schema([*OUTPUT_USE.schema.items(), ("night", pl.Date())])


# -- which links are undone ------------------------------------------------------------------------------------------


def past(
    earlier: pl.DataFrame, before: pl.DataFrame, now: pl.DataFrame, night: date, withdrawn: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How long each record has stood with whom, up to a night: what is kept of it, and what a recall reads of it.

    Args:
        earlier: LINK_PAST of the last published night.
        before: PERSON_LINK of that night.
        now: PERSON_LINK of the night.
        withdrawn: `record_id` of records that partners have taken back since.

    Returns:
        LINK_PAST of the night; and the same with the records that were taken back, of whom nothing is to be kept.
    """
    ended = before.join(now, on=["record_id", "person_id"], how="anti").select(
        "record_id", "person_id", pl.col("linked_from").alias("from"), pl.lit(night).alias("to")
    )
    every = pl.concat([earlier, ended.cast(LINK_PAST.schema)]).sort("record_id", "from", "to")
    return every.join(_gone(every, now, withdrawn), on=["record_id", "from", "to"], how="anti"), every


def _gone(every: pl.DataFrame, now: pl.DataFrame, withdrawn: pl.Series) -> pl.DataFrame:
    """The past of records that were taken back and that no feed tells of now."""
    return every.filter(pl.col("record_id").is_in(withdrawn.implode())).join(now, on="record_id", how="anti")


def undone(
    every: pl.DataFrame, before: pl.DataFrame, now: pl.DataFrame, night: date, withdrawn: pl.Series
) -> pl.DataFrame:
    """The times during which records that a night finds apart, or taken back, stood together: schema `UNDONE`.

    However often the person's id has changed between: each id has its own time. Only records that moved this night, or
    are back, are looked at, for the others were apart before.

    Args:
        every: LINK_PAST with the night's own ends, records that were taken back among them: from `past`.
        before, now, withdrawn: as `past` takes them.
    """
    stands = now.select("record_id", part="person_id")
    held = pl.concat(
        [every, now.select("record_id", "person_id", pl.col("linked_from").alias("from"), pl.lit(_FOREVER).alias("to"))]
    )
    moved = pl.concat(
        [
            every.filter(pl.col("to") == night).select("record_id"),
            now.join(before, on="record_id", how="anti").select("record_id"),
        ]
    ).unique()
    there = held.join(stands, on="record_id")  # a record that is in no feed now stands with nobody
    key = ["person_id", "from", "to", "part"]
    mine = there.join(moved, on="record_id", how="semi").select(key).unique()
    others = there.join(mine, on="person_id", how="semi").select(key).unique()
    apart = (
        mine.join(others, on="person_id", suffix="_other")
        .filter(pl.col("part") != pl.col("part_other"))
        .select(
            "person_id",
            pl.max_horizontal("from", "from_other").alias("from"),
            pl.min_horizontal("to", "to_other").alias("to"),
            pl.min_horizontal("part", "part_other").alias("here"),
            pl.max_horizontal("part", "part_other").alias("there"),
        )
        .filter(pl.col("from") < pl.col("to"))
    )
    gone = _gone(every, now, withdrawn).select(
        "person_id", "from", "to", pl.lit(WITHDRAWN).alias("here"), pl.lit(None, pl.String).alias("there")
    )
    return pl.concat([apart, gone]).cast(UNDONE).unique().sort(list(UNDONE))


def caused(
    links: pl.DataFrame,
    now: pl.DataFrame,
    decided: pl.DataFrame,
    lineage: pl.DataFrame,
    corrected: pl.Series,
    model_changed: bool,
) -> pl.DataFrame:
    """The undone links with `because`: a decision about two of the records, else what lineage says, else what changed.

    Args:
        links: from `undone`.
        now: PERSON_LINK of the night.
        decided: `record_l`, `record_r`, `verdict`, `by` of the decisions in force.
        lineage: PERSON_LINEAGE rows of the night.
        corrected: `record_id` of records that are not what they were on the last night.
        model_changed: whether another model than the last night's weighed the records.
    """
    stands = now.select("record_id", "person_id")
    ends = decided.filter(pl.col("verdict").is_in(["different", "never"]))
    for end in ("l", "r"):
        ends = ends.join(stands.rename({"record_id": f"record_{end}", "person_id": f"part_{end}"}), on=f"record_{end}")
    said = (
        pl.when((pl.col("verdict") == "never") | (pl.col("by") == "register"))
        .then(pl.lit("register"))
        .when(pl.col("by") == "council")
        .then(pl.lit("council"))
        .otherwise(pl.lit("review"))
    )
    by_pair = (
        ends.select(
            pl.min_horizontal("part_l", "part_r").alias("here"),
            pl.max_horizontal("part_l", "part_r").alias("there"),
            said.alias("said"),
        )
        .sort(pl.col("said").replace_strict(_RANK, return_dtype=pl.Int8))
        .unique(["here", "there"], keep="first", maintain_order=True)
    )
    surely = (pl.col("change") == "split_from") & (pl.col("because") != "evidence")
    split = lineage.filter(surely).select("person_id", "because")
    gave = lineage.filter((pl.col("change") == "gave") & (pl.col("because") != "evidence")).select(
        pl.min_horizontal("person_id", "other_person_id").alias("here"),
        pl.max_horizontal("person_id", "other_person_id").alias("there"),
        pl.col("because").alias("told_pair"),
    )
    gave = gave.sort(pl.col("told_pair").replace_strict(_RANK, return_dtype=pl.Int8))
    gave = gave.unique(["here", "there"], keep="first", maintain_order=True)
    touched = stands.filter(pl.col("record_id").is_in(corrected.implode())).select("person_id").unique()
    found = links
    for told in (by_pair, gave):
        found = found.join(told, on=["here", "there"], how="left", maintain_order="left")
    for end in ("here", "there"):
        found = found.join(
            split.rename({"person_id": end, "because": f"told_{end}"}), on=end, how="left", maintain_order="left"
        ).join(
            touched.select(pl.col("person_id").alias(end), pl.lit(True).alias(f"touched_{end}")),
            on=end,
            how="left",
            maintain_order="left",
        )
    because = (
        pl.when(pl.col("here") == WITHDRAWN)
        .then(pl.lit("withdrawal"))
        .when(pl.col("said").is_not_null())
        .then("said")
        .when(pl.coalesce("told_pair", "told_here", "told_there").is_not_null())
        .then(pl.coalesce("told_pair", "told_here", "told_there"))
        .when(pl.lit(model_changed))
        .then(pl.lit("model"))
        .when(pl.coalesce("touched_here", "touched_there").is_not_null())
        .then(pl.lit("correction"))
        .otherwise(pl.lit("evidence"))
    )
    return found.with_columns(because=because).select(*UNDONE, "because")


def hidden(every: pl.DataFrame, now: pl.DataFrame, night: date, records: pl.Series) -> pl.DataFrame:
    """Records whose address may no longer be shown, as undone links of which summaries alone are recalled."""
    held = pl.concat(
        [
            every,
            now.select("record_id", "person_id", pl.col("linked_from").alias("from"), pl.lit(night).alias("to")),
        ]
    )
    chosen = held.filter(pl.col("record_id").is_in(records.implode()), pl.col("from") < pl.col("to"))
    none = pl.lit(None, pl.String)
    frame = chosen.select("person_id", "from", "to", none.alias("here"), none.alias("there"))
    return frame.cast(UNDONE).unique().sort("person_id", "from", "to").with_columns(because=pl.lit("address"))


# -- what used them --------------------------------------------------------------------------------------------------


def used_by_summaries(released: pl.DataFrame, shown: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Whose facts stand in each summary, as OUTPUT_USE: what it showed, and for a flag what its features read.

    Args:
        released: RELEASE rows of the night's summaries.
        shown: `changes.SHOWN` of the night: team, person_id, about, category.
        members: HOUSEHOLD_MEMBER of the night.
    """
    flagged = shown.filter(pl.col("category") == "risk_flag").select("team", "person_id").unique()
    whose = pl.concat(
        [
            shown.select("team", "person_id", "about"),
            flagged.join(_read_with(flagged.select("person_id").unique(), members), on="person_id"),
            released.select("team", "person_id", about="person_id"),
        ]
    ).unique()
    return _uses(released.join(whose, on=["team", "person_id"]).with_columns(kind=pl.lit("summary")), "release_id")


def used_by_reports(released: pl.DataFrame, about: pl.DataFrame) -> pl.DataFrame:
    """Whose records stand in partners' lists of records to check, as OUTPUT_USE.

    Args:
        released: RELEASE rows of those lists, with `feed`.
        about: `feed`, `about`: the person of each record that is listed.
    """
    return _uses(released.join(about.unique(), on="feed").with_columns(kind=pl.lit("report")), "release_id")


def used_by_flags(flags: pl.DataFrame, alerts: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Whose events the features behind each flag and alert read, as OUTPUT_USE: the person's and the household's."""
    raised = pl.concat(
        [
            flags.select(
                "person_id", "team", kind=pl.lit("flag"), output_id=pl.format("{}/{}", "outcome", "person_id")
            ),
            alerts.select("person_id", "team", kind=pl.lit("alert"), output_id="alert_id"),
        ]
    )
    whose = pl.concat([raised.select("person_id", about="person_id"), _read_with(raised.select("person_id"), members)])
    return _uses(raised.join(whose.unique(), on="person_id"), "output_id")


def used_by_releases(released: pl.DataFrame) -> pl.DataFrame:
    """What the release ledger alone says of whom an output is about: for nights that kept nothing more."""
    about = released.drop_nulls("person_id").with_columns(about="person_id")
    return _uses(about, "release_id")


def _read_with(people: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """person_id, about: whose events the features of some people read beside their own (`models.features.build`)."""
    homes = members.select("household_id", "person_id").filter(pl.len().over("household_id") <= LARGEST_HOME)
    mine = homes.join(people.unique(), on="person_id", how="semi")
    both = mine.join(homes.rename({"person_id": "about"}), on="household_id")
    return both.filter(pl.col("person_id") != pl.col("about")).select("person_id", "about").unique()


def _uses(frame: pl.DataFrame, output: str) -> pl.DataFrame:
    absent = [pl.lit(None, OUTPUT_USE.schema[n]).alias(n) for n in ("file", "expires_on") if n not in frame.columns]
    made = frame.with_columns(*absent, pl.col(output).alias("output_id")).select(
        pl.col(name).cast(kind) for name, kind in OUTPUT_USE.schema.items()
    )
    return made.sort("kind", "output_id", "about")


# -- what is recalled ------------------------------------------------------------------------------------------------


def covered(used: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """The outputs that used an undone link while it stood, each once a night, with what was wrong of it.

    Args:
        used: schema `USED`: OUTPUT_USE rows with their night.
        links: undone links with `because`.
    """
    rank = pl.col("because").replace_strict(_RANK, return_dtype=pl.Int8)
    return (
        used.join(links.rename({"person_id": "about"}), on="about")
        .filter((pl.col("from") <= pl.col("night")) & (pl.col("night") < pl.col("to")))
        .filter((pl.col("because") != "address") | (pl.col("kind") == "summary"))
        .group_by("kind", "output_id", "team", "person_id", "night")
        .agg(
            pl.col("about").unique().sort(),
            pl.col("because").sort_by(rank).first(),
            pl.col("from").min().alias("wrong_from"),
            pl.col("to").max().alias("wrong_to"),
            pl.col("file", "expires_on").drop_nulls().first(),
        )
    )


def in_marts(links: pl.DataFrame, nights: Iterable[date], team: str) -> pl.DataFrame:
    """Every person of an undone link in the marts of each night on which it stood: schema `USED`."""
    calendar = pl.DataFrame({"night": list(nights)}, schema={"night": pl.Date})
    stood = links.filter(pl.col("because") != "address").select("person_id", "from", "to").unique()
    rows = (
        stood.join(calendar, how="cross")
        .filter((pl.col("from") <= pl.col("night")) & (pl.col("night") < pl.col("to")))
        .select("person_id", "night")
        .unique()
    )
    said = {"kind": pl.lit(MARTS), "output_id": pl.col("person_id"), "team": pl.lit(team), "about": pl.col("person_id")}
    none = {name: pl.lit(None, USED[name]) for name in ("file", "expires_on")}
    return rows.with_columns(**said, **none).select(pl.col(name).cast(kind) for name, kind in USED.items())


def entries(
    found: pl.DataFrame,
    earlier: pl.DataFrame,
    nights: Sequence[date],
    night: date,
    kept_until: Callable[[str, str, date], date | None],
    identify: Callable[[pl.Series], pl.Series],
) -> pl.DataFrame:
    """The night's own RECALL rows: what has not been recalled before, nights in a row as one entry.

    Args:
        found: from `covered`.
        earlier: RECALL of the last published night: what it names is not recalled twice.
        nights: every night that let something out, in order.
        night: the night that recalls.
        kept_until: of what is no file, until when copies may be kept: by kind, team and last night.
        identify: keyed hash of texts.
    """
    key = ["kind", "output_id"]
    told = found.join(earlier.select(*key, "first", "last"), on=key)
    told = told.filter((pl.col("first") <= pl.col("night")) & (pl.col("night") <= pl.col("last")))
    places = pl.DataFrame({"night": nights}, schema={"night": pl.Date}).with_row_index("place")
    rank = pl.col("because").replace_strict(_RANK, return_dtype=pl.Int8)
    rows = (
        found.join(told.select(*key, "night").unique(), on=[*key, "night"], how="anti")
        .join(places, on="night")
        .sort(*key, "place")
        .with_columns(run=pl.col("place").cast(pl.Int64) - pl.int_range(pl.len()).over(key))
        .group_by(*key, "team", "person_id", "run", maintain_order=True)
        .agg(
            pl.col("about").explode().unique().sort(),
            pl.col("because").sort_by(rank).first(),
            pl.col("wrong_from").min(),
            pl.col("wrong_to").max(),
            pl.col("night").min().alias("first"),
            pl.col("night").max().alias("last"),
            pl.col("file", "expires_on").last(),
        )
    )
    asked = rows.select("kind", "team", "last").unique()
    until = [kept_until(*row) for row in asked.iter_rows()]
    rows = rows.join(
        asked.with_columns(pl.Series("kept", until, dtype=pl.Date)), on=["kind", "team", "last"], how="left"
    ).with_columns(
        pl.when(pl.col("file").is_null()).then("kept").otherwise("expires_on").alias("expires_on"),
        pl.lit(night).alias("night"),
    )
    texts = rows.select(pl.concat_str(*key, pl.col("first").cast(pl.String), separator="\x1f")).to_series()
    rows = rows.with_columns(identify(texts).alias("recall_id"), state=_state(night))
    return rows.select(pl.col(name).cast(kind) for name, kind in RECALL.schema.items()).sort("recall_id")


def kept_until(rows: pl.DataFrame) -> date | None:
    """The day on which every copy of some recalled outputs must be gone; None while one of them has no such day."""
    ends = rows["expires_on"].to_list()
    return None if None in ends else max(ends, default=None)


def standing(rows: pl.DataFrame, night: date) -> pl.DataFrame:
    """RECALL rows with the state that they have on a night."""
    return rows.with_columns(state=_state(night))


def _state(night: date) -> pl.Expr:
    over = (pl.col("expires_on") <= night).fill_null(False)
    return pl.when(over).then(pl.lit(CLOSED)).otherwise(pl.lit(OPEN))


def unaccounted(
    recalls: pl.DataFrame, night: date, links: pl.DataFrame, released: pl.DataFrame, ledger: pl.DataFrame
) -> list[str]:
    """What does not reconcile between the release ledger and the recalls, in words; empty where all of it does.

    Args:
        recalls: RECALL of the night.
        night: the night.
        links: the night's undone links.
        released: `release_id`, `person_id`, `night` of every summary let out, as the ledger has them.
        ledger: what was released up to the night before, as RELEASE.
    """
    about = released.join(links.select("person_id", "from", "to"), on="person_id")
    about = about.filter((pl.col("from") <= pl.col("night")) & (pl.col("night") < pl.col("to")))
    recalled = recalls.filter(pl.col("kind").is_in(FILES))
    missing = about.join(recalled, left_on="release_id", right_on="output_id", how="anti")["release_id"].n_unique()
    new = recalled.filter(pl.col("night") == night)
    strange = new.join(ledger, left_on="output_id", right_on="release_id", how="anti").height
    wrong = [f"{missing} releases that used an undone link have no recall"] if missing else []
    return wrong + ([f"{strange} recalls name a release that the ledger does not know"] if strange else [])


# -- what readers are told -------------------------------------------------------------------------------------------


def notes(new: pl.DataFrame, every: pl.DataFrame, now: pl.DataFrame, night: date) -> pl.DataFrame:
    """What the next summaries say of those recalled: team, case, recalled (sentences), whose (ids it was wrong of).

    A case is told of wherever the records of the person whom it was about stand now.

    Args:
        new: the night's own RECALL rows.
        every: LINK_PAST with the night's own ends.
        now: PERSON_LINK of the night.
    """
    summaries = new.filter(pl.col("kind") == "summary")
    held = pl.concat([every.select("record_id", "person_id"), now.select("record_id", "person_id")]).join(
        now.select("record_id", case="person_id"), on="record_id"
    )
    cases = held.select("person_id", "case").unique()
    grouped = (
        summaries.join(cases, on="person_id")
        .with_columns(own=pl.col("about").list.contains(pl.col("person_id")))
        .group_by("team", "case", "because", "own")
        .agg(
            pl.col("output_id").n_unique().alias("files"),
            pl.col("first").min(),
            pl.col("last").max(),
            pl.col("about").explode().unique().sort(),
        )
        .sort("team", "case", "first", "because", "own")
    )
    said = pl.Series("recalled", [_note(row, night) for row in grouped.iter_rows(named=True)], dtype=pl.String)
    told = grouped.select("team", "case", said, pl.col("about").alias("whose"))
    return told.group_by("team", "case", maintain_order=True).agg("recalled", pl.col("whose").explode().unique().sort())


def _note(row: Mapping[str, Any], night: date) -> str:
    many, first, last = row["files"], row["first"], row["last"]
    which = f"{many} earlier summaries of this case were" if many > 1 else "An earlier summary of this case was"
    when = f"of {say(first)}" if first == last else f"of {say(first)} to {say(last)}"
    return f"{which} recalled on {say(night)} ({when}). {why(row['because'], row['own'])}"


def why(because: str, own: bool) -> str:
    """What was wrong of an output and how that came, as recipients are told."""
    return f"{wrong(because, own)} {TOLD[because]}".strip()


def wrong(because: str, own: bool) -> str:
    """What was wrong of an output, in a sentence that says nothing of anybody."""
    if because == "withdrawal":
        return "Part of what was shown is no longer held."
    if because == "address":
        return "Part of what was shown may no longer be shown."
    if own:
        return "Records of more than one person stood as one, and part of what was shown belongs to somebody else."
    return (
        "Records of more than one person stood as one member of the household, and part of what was shown of that "
        "member belongs to somebody else."
    )


def told(rows: pl.DataFrame, opened: pl.DataFrame, outcomes: Mapping[str, str]) -> list[dict[str, Any]]:
    """A team's recall entries as they are read: one block for each thing that was wrong, with its outputs.

    Args:
        rows: RECALL rows of one team.
        opened: `release_id`, `opened` (in words) where it is known who opened a file.
        outcomes: what outcomes are called.
    """
    named = (
        rows.with_columns(own=pl.col("person_id").is_null() | pl.col("about").list.contains(pl.col("person_id")))
        .join(opened, left_on="output_id", right_on="release_id", how="left")
        .sort("wrong_from", "wrong_to", "because", "own", "kind", "person_id", "first", "output_id", nulls_last=True)
    )
    blocks: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in named.iter_rows(named=True):
        said = (wrong(row["because"], row["own"]), TOLD[row["because"]])
        block = blocks.setdefault(
            (*said, row["wrong_from"], row["wrong_to"]),
            {
                "wrong": said[0],
                "why": said[1],
                "from": say(row["wrong_from"]),
                "to": say(row["wrong_to"]),
                "outputs": [],
            },
        )
        block["outputs"].append(_output(row, outcomes))
    return list(blocks.values())


def _output(row: Mapping[str, Any], outcomes: Mapping[str, str]) -> dict[str, str]:
    span = say(row["first"]) if row["first"] == row["last"] else f"{say(row['first'])} to {say(row['last'])}"
    name = {
        **dict.fromkeys(FILES, row["file"]),
        "flag": outcomes.get(str(row["output_id"]).partition("/")[0], str(row["output_id"]).partition("/")[0]),
        "alert": f"Alert {row['output_id'][:8]}",
        "marts": f"Rows of person_id {row['output_id']}",
        SCREEN: "Who somebody is",
    }[row["kind"]]
    return {
        "kind": KINDS[row["kind"]],
        "name": str(name or row["output_id"]).rpartition("/")[2],
        "when": span,
        "opened": row["opened"] or "Not recorded",
        "gone": say(row["expires_on"]) if row["expires_on"] else "No day is agreed",
        "recall": row["recall_id"][:12],
    }


def team_page(team: str, rows: Sequence[Mapping[str, Any]], night: date, ask: str, sheet: str) -> str:
    """A recipient's recall page.

    Args:
        team: its name.
        rows: from `told`.
        night: the night that recalls.
        ask: whom to ask.
        sheet: the name of the spreadsheet beside it.
    """
    kinds = {output["kind"] for row in rows for output in row["outputs"]}
    return page("recall.html", team=team, blocks=rows, night=say(night), ask=ask, sheet=sheet, kinds=kinds, names=KINDS)


def team_sheet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The same as a spreadsheet: a line an output."""
    lines = [
        {
            "recall": output["recall"], "kind": output["kind"], "what": output["name"], "of": output["when"],
            "opened_by": output["opened"], "copies_gone_by": output["gone"], "wrong_from": row["from"],
            "wrong_until": row["to"], "what_was_wrong": row["wrong"], "why": row["why"],
        }
        for row in rows
        for output in row["outputs"]
    ]  # fmt: skip
    return spreadsheet(pl.DataFrame(lines))


def notice(team: str, night: date, first: date, why: str, release_id: str, beside: str) -> str:
    """What stands in the place of a recalled file: nothing of what it showed."""
    return page(
        "recalled.html", team=team, night=say(night), day=say(first), why=why, release_id=release_id, beside=beside
    )


def notice_sheet(night: date, why: str, beside: str) -> bytes:
    """The same in the place of a spreadsheet."""
    told = f"RECALLED on {say(night)}. {why} Do not rely on it. See {beside} beside this file."
    return spreadsheet(pl.DataFrame({"recalled": [told]}))


def notice_archive(content: bytes) -> bytes:
    """The same in the place of an archive: one that holds the page alone."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("recalled.html", (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def register(rows: pl.DataFrame, night: date, teams: Mapping[str, str], links: Mapping[str, int]) -> str:
    """All recalls of the council, counted, for those who answer for information governance.

    Args:
        rows: RECALL.
        teams: what teams are called.
        links: undone links of the night by cause.
    """
    counted = (
        rows.with_columns(pl.col("state").eq(OPEN).alias("open"))
        .group_by("night", "because", "kind", "team")
        .agg(pl.len().alias("recalled"), pl.col("open").sum(), pl.col("expires_on").max())
        .sort("night", "because", "kind", "team", descending=[True, False, False, False])
    )
    lines = [
        {
            "night": say(row["night"]), "why": CAUSES[row["because"]], "kind": KINDS[row["kind"]],
            "team": teams.get(row["team"], row["team"]), "recalled": row["recalled"], "open": row["open"],
            "gone": say(row["expires_on"]) if row["expires_on"] else "No day is agreed",
        }
        for row in counted.iter_rows(named=True)
    ]  # fmt: skip
    return page(
        "recalls.html",
        lines=lines,
        night=say(night),
        links=[(CAUSES[cause], count) for cause, count in sorted(links.items())],
        recalled=rows.height,
        open=rows.filter(pl.col("state") == OPEN).height,
        tonight=rows.filter(pl.col("night") == night).height,
    )


def register_sheet(rows: pl.DataFrame) -> bytes:
    """Every recall, a line each."""
    return spreadsheet(rows.with_columns(pl.col("about").list.join(" ")).sort("night", "recall_id", descending=True))
