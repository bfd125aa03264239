"""The commands of a data steward: `kinfold review`, `kinfold register`, `kinfold person`.

Each command reads its arguments, calls one function and says what came of it: counts and ids, never a value.
"""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pipelines.review_desk import Desk

TOMORROW = "It takes effect the next night (`kinfold night`)."
COLUMNS = ("record_l", "record_r", "verdict")
SAID = (*COLUMNS, "who", "decided_at")
EXPORTED = ("decision_id", *COLUMNS, "by", "who", "decided_at", "withdrawn_at", "withdrawn_by")
Command = TypeVar("Command", bound=Callable[..., Any])


def by_whom(command: Command) -> Command:
    """Give a command the options that say who acts, in which team and why."""
    for option in (
        click.option("--team", help="Their team, as site.yaml names it [default: data-stewards]."),
        click.option("--reason", help="Why, by its name in site.yaml [default: the team's]."),
        click.option("--who", required=True, help="Who reviews: a name or user id; the audit log keeps it."),
    ):
        command = option(command)
    return command


def _note(says: str, needed: bool = False) -> Callable[[Command], Command]:
    """The option --note, which is asked for where its text is left out: others read command lines and histories."""
    asked = "Where it is left out" if needed else "Without a text"
    return click.option("--note", prompt="Why", prompt_required=needed, help=f"{says} {asked} it is asked for.")


def _desk(who: str, reason: str | None, team: str | None) -> "Desk":
    from assets.context import Council
    from pipelines.review_desk import TEAM, Desk

    council = Council.open()
    team = team or TEAM
    known = council.organisation.teams.get(team)
    return Desk(council, who, reason or (known.reason if known else ""), team)


@click.group()
def review() -> None:
    """Decide about pairs of records of which the model cannot tell whether they are one person."""


@review.command()
@by_whom
@click.option("--port", default=0, help="On which port of 127.0.0.1 [default: any that is free].")
@click.option("--sample", is_flag=True, help="Decide the random sample, to measure how right the links are.")
@click.option("--kind", help="Only pairs of this kind, as `kinfold review list` names them.")
def serve(who: str, reason: str | None, team: str | None, port: int, sample: bool, kind: str | None) -> None:
    """Open the review page, for one browser on this machine, until you finish or leave it for half an hour.

    It prints an address that works once. Each pair that you are shown is in the audit log before you see it.
    """
    from linkage.review import KINDS
    from pipelines.review_page import Sitting, serving, wait

    if kind and kind not in KINDS:
        raise click.BadParameter(f"{kind!r} is no kind of pair. Kinds: {', '.join(KINDS)}.")
    sitting = Sitting(_desk(who, reason, team), sample, kind)
    with serving(sitting, port):
        click.echo(
            f"{len(sitting.waiting):,} pairs wait. Open this address in a browser on this machine; it works once:"
        )
        click.echo(sitting.address)
        click.echo("Ctrl and C closes it.")
        try:
            finished = wait(sitting)
        except KeyboardInterrupt:
            finished = True
    click.echo(
        "" if finished else "Nobody asked for anything for half an hour, so the page is closed.", nl=not finished
    )
    click.echo(f"{len(sitting.decided):,} decided in this sitting. {TOMORROW}")


@review.command("list")
@by_whom
def listed(who: str, reason: str | None, team: str | None) -> None:
    """Count the pairs that wait, by kind, and the decisions that stand; nothing about anybody."""
    from linkage.decisions import in_force, read
    from linkage.review import KINDS

    desk = _desk(who, reason, team)
    counted = dict(desk.queue()["kind"].value_counts().iter_rows())
    for kind, meaning in KINDS.items():
        if kind != "sample":
            click.echo(f"{counted.get(kind, 0):>9,}  {kind:<9} {meaning}")
    standing = in_force(read(desk.council.store))["verdict"].value_counts().sort("verdict")
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in standing.iter_rows())
    click.echo(f"Decisions in force: {told or 'none'}.")


@review.command()
@by_whom
@click.option("--per-stratum", default=40, show_default=True, help="Pairs to draw of each stratum.")
@click.option("--seed", default=1, show_default=True, help="Another seed, another sample.")
def sample(who: str, reason: str | None, team: str | None, per_stratum: int, seed: int) -> None:
    """Draw a random sample of pairs, from which precision and recall are estimated once it is decided."""
    drawn = _desk(who, reason, team).draw(per_stratum, seed)
    for (stratum, linked), part in sorted(drawn.partition_by("stratum", "linked", as_dict=True).items()):
        size = part["size"][0]
        click.echo(f"{part.height:>7,} of {size:>11,}  {stratum}, {'linked' if linked else 'not linked'}")
    click.echo("Decide them with `kinfold review serve --sample`.")


@review.command()
@click.argument("one", metavar="RECORD")
@click.argument("other", metavar="RECORD")
@click.argument("verdict", type=click.Choice(["same", "different", "never", "unsure"]))
@by_whom
@_note("Why; needed for never. It is kept in the vault.")
@click.option("--unknown", is_flag=True, help="Take records that the published night does not have.")
def decide(
    one: str, other: str, verdict: str, who: str, reason: str | None, team: str | None, note: str | None, unknown: bool
) -> None:
    """Decide about two records, each by its id or as feed:key."""
    desk = _desk(who, reason, team)
    pair = [desk.record(told, unknown) for told in (one, other)]
    (made,) = desk.decide([{"record_l": pair[0], "record_r": pair[1], "verdict": verdict, "note": note}])
    click.echo(f"Kept as {made}. {TOMORROW}")


@review.command()
@click.argument("decision_ids", metavar="DECISION...", nargs=-1, required=True)
@by_whom
def withdraw(decision_ids: tuple[str, ...], who: str, reason: str | None, team: str | None) -> None:
    """Take decisions back; they stay on record."""
    _desk(who, reason, team).withdraw(decision_ids)
    click.echo(f"Taken back: {len(decision_ids):,}. {TOMORROW}")


@review.command()
@by_whom
def conflicts(who: str, reason: str | None, team: str | None) -> None:
    """List the pairs about which reviewers disagree, by record id; notes are shown on the page alone."""
    found = _desk(who, reason, team).disputes()
    for (left, right), row in found.items():
        said = f"same: {', '.join(row['same'])}; different: {', '.join(row['different'])}"
        click.echo(f"{left} {right}  {said}")
    click.echo(f"{len(found):,} pairs. Until reviewers agree, their records are kept apart.")


@review.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@by_whom
def exported(file: Path, who: str, reason: str | None, team: str | None) -> None:
    """Write every decision to a CSV FILE: record ids and verdicts, no notes and no values."""
    from governance import inert
    from linkage.decisions import read
    from pipelines.linkage_commands import write_private

    desk = _desk(who, reason, team)
    rows = read(desk.council.store).select(EXPORTED).sort("decided_at", "decision_id")
    if not file.parent.is_dir():
        raise click.ClickException(f"there is no folder {file.parent}. Make it, or name another file.")
    desk.note_in_audit("export")
    write_private(file, inert.csv(rows))
    click.echo(f"Wrote {rows.height:,} decisions to {file.name}.")


@review.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@by_whom
def imported(file: Path, who: str, reason: str | None, team: str | None) -> None:
    """Take decisions from a CSV FILE: record_l, record_r, verdict, and where they stand who, decided_at and note.

    Records are named by id or as feed:key. Rows that `export` wrote as withdrawn are passed over, and so is a decision
    that is kept already. All of the file is taken, or nothing.
    """
    from linkage.decisions import read

    desk = _desk(who, reason, team)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name} is not a CSV file in UTF-8 with a header.") from None
    with io.StringIO(text, newline="") as lines:
        given = csv.DictReader(lines)
        if missing := [name for name in COLUMNS if name not in (given.fieldnames or ())]:
            raise click.ClickException(
                f"{file.name} has no column {', '.join(missing)}. It needs {', '.join(COLUMNS)}."
            )
        rows, wrong = [], []
        for row in given:
            try:
                rows += _decision(desk, row)
            except ValueError as error:
                wrong.append(f"{file.name}:{given.line_num}: {error}")
    if wrong:
        more = f"\nand {len(wrong) - 20:,} more" if len(wrong) > 20 else ""
        raise click.ClickException("\n".join(wrong[:20]) + more + "\nNothing was taken.")
    known = set(read(desk.council.store).select(SAID).iter_rows())
    fresh = [row for row in rows if (*sorted((row["record_l"], row["record_r"])), *map(row.get, SAID[2:])) not in known]
    if fresh:
        desk.decide(fresh)
    click.echo(f"Took {len(fresh):,} new of {len(rows):,} decisions. {TOMORROW}")


def _decision(desk: "Desk", row: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """A row of a file as a decision; none where it was withdrawn. ValueError says what is wrong, without values."""
    from linkage.decisions import VERDICTS
    from pipelines.review_desk import NAMED, ReviewRefused, named

    if row.get("withdrawn_at"):
        return []
    if row["verdict"] not in VERDICTS:
        raise ValueError(f"the verdict is none of {', '.join(VERDICTS)}")
    try:
        pair = [desk.record((row[end] or "").strip(), unknown=True) for end in COLUMNS[:2]]
    except ReviewRefused as error:
        raise ValueError(str(error)) from None
    made: dict[str, Any] = {"record_l": pair[0], "record_r": pair[1], "verdict": row["verdict"]}
    when, whose = row.get("decided_at"), (row.get("who") or "").strip()
    if whose and not named(whose):
        raise ValueError(f"who is to be {NAMED}")
    made["who"] = whose or desk.reviewer.who
    try:
        made["decided_at"] = datetime.fromisoformat(when) if when else None
    except ValueError:
        raise ValueError("decided_at is no time such as 2026-11-20T14:30:00") from None
    if made["decided_at"] and (made["decided_at"].tzinfo or made["decided_at"] > desk.clock()):
        raise ValueError("decided_at is to be UTC, without a time zone, and not in the future")
    if row["verdict"] == "never" and not (row.get("note") or "").strip():
        made["note"] = f"imported from {desk.reviewer.team}"
    else:
        made["note"] = row.get("note") or None
    return [made]


@click.group()
def register() -> None:
    """The do-not-link register, protected addresses, and the council's own matching."""


@register.command("add")
@click.argument("one", metavar="RECORD")
@click.argument("other", metavar="RECORD")
@by_whom
@_note("Why. It is kept in the vault.", needed=True)
@click.option("--unknown", is_flag=True, help="Take records that the published night does not have.")
def add(one: str, other: str, who: str, reason: str | None, team: str | None, note: str, unknown: bool) -> None:
    """Never link two records, each by its id or as feed:key; nothing but a withdrawal undoes it."""
    desk = _desk(who, reason, team)
    pair = [desk.record(told, unknown) for told in (one, other)]
    (made,) = desk.decide([{"record_l": pair[0], "record_r": pair[1], "verdict": "never", "note": note}])
    click.echo(f"On the do-not-link register as {made}. {TOMORROW}")


@register.command()
@click.argument("record", metavar="RECORD")
@by_whom
@click.option(
    "--uprn",
    prompt="UPRN",
    prompt_required=False,
    help="Only the address of this property [default: every address of the person]. Without a value it is asked for.",
)
@_note("Why. It is kept in the vault.")
@click.option("--unknown", is_flag=True, help="Take a record that the published night does not have.")
def address(
    record: str, who: str, reason: str | None, team: str | None, uprn: str | None, note: str | None, unknown: bool
) -> None:
    """Protect the address of the person of a RECORD, given by its id or as feed:key."""
    desk = _desk(who, reason, team)
    desk.protect([desk.record(record, unknown)], [_uprn(uprn)] if uprn is not None else [None], note)
    click.echo(f"Protected. {TOMORROW}")


@register.command()
@by_whom
@click.option("--uprns", prompt="UPRNs of refuges, with spaces between", help="Left out, they are asked for.")
@_note("Why. It is kept in the vault.")
def refuge(who: str, reason: str | None, team: str | None, uprns: str, note: str | None) -> None:
    """Protect a refuge: nobody is said to live there, and nothing shows where those live whom a record places there.

    Gazetteers do not say which properties are refuges. Ask whoever runs them, and keep this register complete.
    """
    desk = _desk(who, reason, team)
    places = [_uprn(one) for one in uprns.split()]
    desk.protect([], places, note)
    click.echo(f"Protected {len(places)}. {TOMORROW}")


def _uprn(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise click.BadParameter("a UPRN has at most 12 digits.")
    return text


@register.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@by_whom
def matching(file: Path, who: str, reason: str | None, team: str | None) -> None:
    """Take the council's own matching from a CSV FILE: feed, source_key, council_id."""
    import polars as pl

    from linkage.decisions import import_matching

    desk = _desk(who, reason, team)
    try:
        frame = pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError):
        raise click.ClickException(f"{file.name} is not a CSV file in UTF-8 with a header.") from None
    council = desk.council
    if "feed" in frame.columns:
        keys = {feed: contract.keys_of for feed, contract in council.contracts.items()}
        feed = pl.col("feed").str.strip_chars()
        if strange := frame.filter(feed.is_in(list(keys)).not_()).height:
            raise click.ClickException(
                f"{strange:,} rows of {file.name} name a feed that is none. Feeds: {', '.join(sorted(keys))}. "
                "Nothing was taken."
            )
        frame = frame.with_columns(feed.replace(keys))
    desk.note_in_audit("matching")
    taken = import_matching(council.store, frame, council.ring, desk.clock())
    unused = "It is not used until linkage.yaml has `matching` with a role: evidence or master."
    click.echo(f"Took the council's ids of {taken:,} records. {TOMORROW if council.linkage.matching else unused}")


@register.command("list")
@by_whom
def registered(who: str, reason: str | None, team: str | None) -> None:
    """List what is on the registers, by ids alone."""
    from linkage import decisions

    desk = _desk(who, reason, team)
    store = desk.council.store
    desk.note_in_audit("read")
    said = decisions.read(store)
    for row in said.filter(said["withdrawn_at"].is_null() & (said["verdict"] == "never")).iter_rows(named=True):
        told = f"{row['record_l']} {row['record_r']}  by {row['who']} on {row['decided_at']:%Y-%m-%d}"
        click.echo(f"never link  {row['decision_id']}  {told}")
    kept = decisions.protections(store)
    for row in kept.filter(kept["withdrawn_at"].is_null()).iter_rows(named=True):
        what = "a refuge" if not row["record_id"] else "one address" if row["place"] else "every address"
        click.echo(
            f"protected   {row['veto_id']}  {row['record_id']} {what}  by {row['who']} on {row['decided_at']:%Y-%m-%d}"
        )
    click.echo(f"The council's own matching knows {decisions.matching(store).height:,} records.")


@register.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@by_whom
def remove(ids: tuple[str, ...], who: str, reason: str | None, team: str | None) -> None:
    """Take entries off the registers, by the ids that `list` shows first; they stay on record."""
    from linkage import decisions

    desk = _desk(who, reason, team)
    vetoes = set(decisions.protections(desk.council.store)["veto_id"]) & set(ids)
    others = [one for one in ids if one not in vetoes]
    if others:
        desk.withdraw(others)
    if vetoes:
        desk.unprotect(sorted(vetoes))
    click.echo(f"Taken off: {len(ids):,}. {TOMORROW}")


CHANGES = {
    "founded": "{person} was founded with {records}",
    "merged_into": "{person} merged into {other}, with {records}",
    "split_from": "{person} split off from {other}, with {records}",
    "gave": "{person} gave {records} to {other}",
    "retired": "{person} ended, with {records}",
    "returned": "{person} came back, with {records}",
    "carried_over": "{person} went on with {records}",
}


@click.group()
def person() -> None:
    """What became of a person's lasting id."""


@person.command()
@click.argument("told", metavar="ID")
@click.option("--who", help="Who asks; the audit log keeps it [default: the user of this machine].")
def history(told: str, who: str | None) -> None:
    """Tell everything that happened to the ID of a person, and to those it merged with or split from.

    ID is a person's, or that of a record, which stands for its person. Nothing but ids, dates and causes is shown.
    """
    import polars as pl

    from assets.context import Council
    from assets.sharing import note_read
    from linkage import identity
    from warehouse.tables import PERSON_LINEAGE, PERSON_LINK, SOURCE_RECORD

    council = Council.open()
    store = council.store
    links = store.read(PERSON_LINK)
    of_record = links.filter(pl.col("record_id") == told)["person_id"].to_list()
    (person_id,) = of_record or [told]
    rows = identity.history(store.read(PERSON_LINEAGE), person_id)
    if not rows.height:
        raise click.ClickException("no person and no record has this id. Ids have 32 characters of 0-9 and a-f.")
    note_read(council, who, [person_id])
    if of_record:
        click.echo(f"Record {told} stands with the person {person_id}.")
    for row in rows.iter_rows(named=True):
        records = f"{row['records']:,} record{'' if row['records'] == 1 else 's'}"
        said = CHANGES[row["change"]].format(person=row["person_id"], other=row["other_person_id"], records=records)
        click.echo(f"{row['night']}  {said}: {row['cause']} ({row['because']}).")
    stands = links.filter(pl.col("person_id") == person_id).sort("linked_from", "record_id")
    feeds = store.scan(SOURCE_RECORD).select("record_id", "feed")
    stands = stands.lazy().join(feeds, on="record_id", how="left", maintain_order="left").collect()
    click.echo(
        f"Now {stands.height:,} records stand with {person_id}." if stands.height else "No record stands with it."
    )
    for row in stands.iter_rows(named=True):
        click.echo(f"  {row['record_id']}  {row['feed'] or '?':<20} since {row['linked_from']}, by {row['by']}")


GROUPS = (review, register, person)
