"""The audit log in words: who saw a person, and what a user did, as a table on a page, on a screen and as a sheet.

What belongs here: wording and laying out entries for those who answer for information governance. Which entries they
are is said by `governance.audit_reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from governance.audit import Verdict
from governance.audit_reading import BESIDE, EARLIER, LISTED, by_day, by_user, refusals
from governance.organisation import Organisation
from summaries.render import page
from summaries.words import say

ACTIONS = {
    "release": "A file was put into the team’s folder",
    "reveal": "Identity was shown on a screen",
    "audit": "The audit log was asked",
    "many": "Marked: the user had revealed many people within a day",
    "read": "Was asked about: ids, dates and causes were shown",
    "refuse": "Was asked for, and refused",
    "recall": "A file was recalled",
    "accept": "A vault file that was put back was accepted",
    "decide": "A decision about records was made",
    "withdraw": "A decision about records was taken back",
    "protect": "An address was put under protection",
    "unprotect": "An address was taken out of protection",
    "matching": "The council’s own matching was taken in",
    "export": "Pairs of records were written to a file",
    "find": "Somebody was looked for, to answer a request of theirs",
    "subject": "A person’s own copy of their data was made",
    "object": "An objection was put down",
    "correct": "A correction was put down",
    "withhold": "Something was marked as not to be told",
    "erase": "An erasure was carried out",
    "override": "What stood against an erasure was set aside",
}
HOW = {
    EARLIER: "under an earlier id of the person",
    BESIDE: "in a file about somebody else",
    LISTED: "in a list of records",
}
HEADINGS = ("When", "Who", "Account", "Role and team", "What", "Why", "Agreement", "Release")


@dataclass(frozen=True)
class Report:
    """Entries in words.

    Attributes:
        title: what was asked. `about`: the id that was asked about, if any.
        asked: by whom and when.
        state: whether the log is whole, in a sentence.
        whole: whether it is.
        notes: what a reader must know of the answer.
        rows: a text for each of `HEADINGS`.
    """

    title: str
    about: str
    asked: str
    state: str
    whole: bool
    notes: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def html(self) -> str:
        """A page to print."""
        return page("audit.html", report=self, headings=HEADINGS)

    def frame(self) -> pl.DataFrame:
        """A sheet."""
        return pl.DataFrame(self.rows, schema=dict.fromkeys(HEADINGS, pl.String), orient="row")


def report(
    title: str,
    about: str,
    asked: str,
    found: pl.DataFrame,
    verdict: Verdict,
    council: Organisation,
    shared: Mapping[str, Sequence[str]],
    notes: Sequence[str] = (),
    people: bool = False,
) -> Report:
    """Put entries into words.

    Args:
        title: what was asked. `about`: the id that was asked about; empty where there is none.
        asked: by whom and when.
        found: ACCESS_LOG rows, with `how` where they are about one person.
        verdict: of the look at the log.
        council: for what teams and reasons are called, and the time of day.
        shared: of releases, what they showed, as RELEASE has it.
        notes: what a reader must know of the answer.
        people: whether to say whom an entry is about, by id.
    """
    local = pl.col("at").dt.replace_time_zone("UTC").dt.convert_time_zone(council.timezone)
    rows = found.with_columns(at=local).iter_rows(named=True)
    return Report(
        title, about, asked, state(verdict), not verdict.problems, tuple(notes),
        tuple(_worded(row, council, shared, people) for row in rows),
    )  # fmt: skip


def overview(
    log: pl.DataFrame, verdict: Verdict, council: Organisation, since: date, until: date, asked: str, kept: str
) -> str:
    """What was done with people's data over some time, counted, as a page to print.

    Args:
        log: ACCESS_LOG.
        verdict: of the look at the log.
        council: for what teams and reasons are called, and whose days are meant.
        since, until: the first and the last day.
        asked: by whom and when.
        kept: what is known of checkpoints outside, in a sentence.
    """
    days, users = by_day(log, council.timezone), by_user(log, council.timezone)
    days, users = (frame.filter(pl.col("day").is_between(since, until)) for frame in (days, users))
    at = pl.col("at").dt.replace_time_zone("UTC").dt.convert_time_zone(council.timezone)
    no = refusals(log).with_columns(at=at).filter(pl.col("at").dt.date().is_between(since, until))
    done = days.group_by("team", "action", "reason").agg(
        pl.col("entries").sum(), pl.col("agreement").replace("", None).drop_nulls().unique().sort()
    )
    counted = [
        {
            "team": _team(row["team"], council) or "No team named",
            "what": ACTIONS.get(row["action"], row["action"]),
            "why": _why(row["reason"], council),
            "by": "; ".join(dict.fromkeys(cited.partition(" shares")[0] for cited in row["agreement"]))
            or "None was asked",
            "entries": row["entries"],
        }
        for row in done.sort("team", "action", "reason").iter_rows(named=True)
    ]
    unusual = [row | {"day": say(row["day"])} for row in users.filter(pl.col("unusual") != "").iter_rows(named=True)]
    refused = [
        {
            "at": moment(row["at"]), "who": row["actor"], "account": row["account"] or "Not known",
            "team": _team(row["team"], council), "why": _why(row["reason"], council),
        }
        for row in no.iter_rows(named=True)
    ]  # fmt: skip
    return page(
        "audit-overview.html",
        council=council.council,
        since=say(since),
        until=say(until),
        asked=asked,
        state=state(verdict),
        whole=not verdict.problems,
        kept=kept,
        counted=counted,
        unusual=unusual,
        refused=refused,
        looked=users["actor"].n_unique(),
    )


def state(verdict: Verdict) -> str:
    """Whether the log can be relied on, in a sentence."""
    if verdict.problems:
        return (
            f"The audit log is NOT whole: {len(verdict.problems) + verdict.more:,} problems. What stands here may be "
            "wrong or lacking. `kinfold audit verify` says where."
        )
    others = verdict.against - 1
    held = f" and {others:,} {'that was' if others == 1 else 'that were'} kept outside" if others > 0 else ""
    return (
        f"The audit log is whole: each of its {verdict.entries:,} entries stands as it was written, by its own "
        f"checkpoint{held}."
    )


def moment(at: datetime) -> str:
    """A date and time as 3 Sep 2026, 14:05."""
    return f"{at.day} {at:%b %Y, %H:%M}"


def _worded(row: dict, council: Organisation, shared: Mapping[str, Sequence[str]], people: bool) -> tuple[str, ...]:
    what = [ACTIONS.get(row["action"], row["action"].capitalize())]
    what += [HOW[row["how"]]] if row.get("how") in HOW else []
    what += [f"about {row['person_id']}"] if people and row["person_id"] else []
    told = _kinds(shared.get(row["release_id"] or "", ()), council)
    whole = "The file as a whole" if row.get("how") in (BESIDE, LISTED) else "It"
    why = _why(row["reason"], council)
    return (
        moment(row["at"]),
        row["actor"],
        row["account"] or "Not known",
        ", ".join(filter(None, ((row["role"] or "").replace("_", " ").capitalize(), _team(row["team"], council)))),
        ", ".join(what) + (f". {whole} showed: {told}" if told else ""),
        why + (f" (case {row['case']})" if row["case"] else ""),
        row["agreement"] or "None was asked",
        row["release_id"] or "",
    )


def _team(name: str | None, council: Organisation) -> str:
    return council.teams[name].name if name in council.teams else name or ""


def _why(reason: str | None, council: Organisation) -> str:
    return council.reasons.get(reason, reason) if reason else "Not said"


def _kinds(shared: Sequence[str], council: Organisation) -> str:
    """What a release showed, as `partner: category` each, by partner in plain words."""
    names = {party.id: party.name for party in council.parties}
    by: dict[str, list[str]] = {}
    for pair in shared:
        partner, _, category = pair.partition(": ")
        known = category in council.known_categories
        by.setdefault(names.get(partner, partner), []).append(council.category(category) if known else category)
    return "; ".join(f"{', '.join(kinds)} ({partner})" for partner, kinds in by.items())
