"""The commands of an engineer who adds a feed, and of whoever decides on a held delivery: `kinfold feed`, `delivery`.

Each command reads its arguments, calls one function and says what came of it.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from warehouse import site as sites

if TYPE_CHECKING:
    from feeds.contracts import Contract


@click.group()
def feed() -> None:
    """Add a feed: draft a contract from a sample, try it, read it in plain words."""


@feed.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--feed", "name", help="The contract's id [default: the file's name].")
@click.option("--partner", default="council", show_default=True, help="Who sends it, as site.yaml names the party.")
@click.option("--write", is_flag=True, help="Write it among the site's feeds instead of printing it.")
def draft(file: Path, name: str | None, partner: str, write: bool) -> None:
    """Write a contract to edit from a sample FILE: types, keys, code lists, who is described."""
    from feeds.workshop.drafting import draft as drafted
    from feeds.workshop.sketches import identifier

    name = name or identifier(file.name.split(".")[0].strip("0123456789-_")).replace("_", "-")
    text = drafted(file, name, partner)
    if not write:
        click.echo(text, nl=False)
        return
    target = sites.site() / "feeds" / f"{name}.odcs.yaml"
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise click.ClickException(f"{sites.short(target)} is there already. Choose another --feed.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    click.echo(f"Wrote {sites.short(target)}. Edit it, then: kinfold check; kinfold feed try {name} FILE")


@feed.command("try")
@click.argument("name", metavar="FEED")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rows", default=5, show_default=True, help="How many rows of each table to show, identity masked.")
def attempt(name: str, files: tuple[Path, ...], rows: int) -> None:
    """Take FILES through the contract of FEED without loading anything; say what would become of each row."""
    from feeds.workshop import trial

    home = sites.home()
    tried = trial.attempt(_contract(name), files, home / "tmp", datetime.now(UTC).replace(tzinfo=None), rows)
    click.echo(trial.told(tried))


@feed.command()
@click.argument("name", metavar="FEED")
def explain(name: str) -> None:
    """Print the contract of FEED in plain words, for those who sign it."""
    from feeds.workshop.explaining import explain as explained

    click.echo(explained(_contract(name)))


@click.group()
def delivery() -> None:
    """What came, and what to do with a delivery that is held for its size."""


@delivery.command("list")
@click.option("--feed", "name", help="Only this feed.")
@click.option("--held", is_flag=True, help="Only those that wait for a decision.")
def listed(name: str | None, held: bool) -> None:
    """List deliveries with what became of them, the newest of each feed last."""
    from assets.context import Council
    from feeds.ledger import loads

    council = Council.open()
    chosen = [name] if name else list(council.contracts)
    for row in loads(council.store, chosen)[0].iter_rows(named=True):
        if not held or row["status"] == "held":
            counts = f"{row['accepted']:>10,} accepted {row['quarantined']:>7,} quarantined"
            click.echo(f"{row['status']:<9} {row['feed']:<22} {row['delivery']:<13} {counts}")
            if row["decided_by"]:
                click.echo(f"          decided by {row['decided_by']}: {row['decided_reason']}")
            elif row["reason"]:
                click.echo(f"          {row['reason']}")


@delivery.command()
@click.argument("name", metavar="FEED")
@click.argument("key", metavar="DELIVERY")
@click.option("--by", required=True, help="Who decides.")
@click.option("--why", required=True, help="Why: the ledger keeps it and the partner reads it, so name nobody.")
def release(name: str, key: str, by: str, why: str) -> None:
    """Let a held DELIVERY of FEED be used from the next night on."""
    _decide(name, key, "release", by, why)


@delivery.command()
@click.argument("name", metavar="FEED")
@click.argument("key", metavar="DELIVERY")
@click.option("--by", required=True, help="Who decides.")
@click.option("--why", required=True, help="Why: the ledger keeps it and the partner reads it, so name nobody.")
def reject(name: str, key: str, by: str, why: str) -> None:
    """Refuse a held DELIVERY of FEED whole; the last good one stays in use."""
    _decide(name, key, "reject", by, why)


def _decide(name: str, key: str, verdict: str, by: str, why: str) -> None:
    from assets.context import Council
    from assets.returned import tell_deliveries
    from feeds.arrivals import settle
    from feeds.ledger import decide

    council = Council.open()
    now = datetime.now(UTC).replace(tzinfo=None)
    if name not in council.contracts:
        raise click.BadParameter(f"{name!r} is no feed here. Feeds: {', '.join(sorted(council.contracts))}.")
    decide(council.store, name, key, verdict, by, why, now)
    made = list(settle(council.contracts[name], council.store, council.vault, council.ring, now))
    for load in made:
        click.echo(f"{load.status}  {load.feed} {load.delivery}")
    tell_deliveries(council, name, [load.delivery for load in made], now)


def _contract(name: str) -> "Contract":
    """A contract by id, or by the path of its file (so that a draft can be tried where it lies)."""
    from feeds.dialect import load_contract, load_contracts

    if name.endswith((".yaml", ".yml")):
        return load_contract(Path(name), strict=True)
    contracts = load_contracts(sites.site())
    if name not in contracts:
        raise click.BadParameter(f"{name!r} is no feed here. Feeds: {', '.join(sorted(contracts))}.")
    return contracts[name]
