"""`kinfold keys`: making keys, changing them, seeing how they stand.

What belongs here: words to type and lines to read. How keys are kept and changed belongs in `governance`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from warehouse import site as sites

if TYPE_CHECKING:
    from governance.keystore import Book
    from governance.vault import Vault


@click.group()
def keys() -> None:
    """The master key, and the keys that it protects."""


@keys.command("init")
def init() -> None:
    """Make a master key outside the data, readable by you alone, and the store of the keys under it.

    Keep a copy in a safe: without it the vault is lost. Where KINFOLD_KEY or KINFOLD_KEY_COMMAND is set, the master key
    is there already, and the store alone is made.
    """
    from governance import master
    from governance.keys import KeyRing, create

    home = sites.home()
    source = master.source(home)
    if source.path:
        create(source.path)
    KeyRing.load(home)
    if source.path:
        click.echo(f"Made {source.path}. Copy it to a safe place now; without it nothing in the vault can be read.")
    else:
        click.echo(f"The master key comes from {source.name}; the key store is ready.")


@keys.command("status")
def status() -> None:
    """Show each key's purpose, generation and age, what is under it, and whether the key file is safe. Never a key."""
    from governance import keystore, master
    from governance.rotation import under

    home = sites.home()
    source = master.source(home)
    if source.path and source.path.exists() and (wrong := master.misplaced(source.path, home)):
        raise click.ClickException(wrong)
    key = keystore.fitting(home)
    book = keystore.begun(home, key)
    if source.path:
        click.echo(f"Master key: {source.name}, mode {source.path.stat().st_mode & 0o777:o}, outside the data.")
        for old in sorted(source.path.parent.glob(f"{source.path.name}.until-*")):
            click.echo(
                f"  {old.name} is an older one, for backups made before that day. Move it to where they are kept."
            )
    else:
        click.echo(f"Master key: from {source.name}.")
    click.echo(f"It opens the key store keys/store.json, {len(book.keys)} keys.\n")
    vault, files = _vault(home)
    counts = under(vault, files())
    for line in _lines(book, counts, datetime.now(UTC).replace(tzinfo=None)):
        click.echo(line)
    if counts[0]:
        click.echo(f"\n{counts[0]} files do not say which key they are under. `kinfold keys rotate vault` names them.")


@keys.group("rotate")
def rotate() -> None:
    """Put a new key in the place of one."""


@rotate.command("master")
@click.option(
    "--new-key-file", type=click.Path(path_type=Path), help="The new key (base64, mode 600); else KINFOLD_NEW_KEY."
)
def rotate_master(new_key_file: Path | None) -> None:
    """Put every data key under a new master key. Takes a moment; ids and the audit log stay as they are.

    A key file is replaced by a new one. Where the key comes from KINFOLD_KEY or KINFOLD_KEY_COMMAND, you supply the new
    one, here and then there; until it is there nothing of Kinfold starts.
    """
    from governance import master
    from governance.rotation import rotate_master

    home = sites.home()
    source = master.source(home)
    given = os.environ.get(master.NEW)
    if given and new_key_file:
        raise click.ClickException(f"{master.NEW} and --new-key-file are both given, and only one can be meant.")
    new = master.decoded(given, f"the variable {master.NEW}") if given else None
    if new_key_file:
        new = master.read_file(new_key_file, home)
    old = rotate_master(home, datetime.now(UTC).date(), new)
    click.echo("Every data key is under the new master key now.")
    if source.path and old:
        click.echo(
            f"It is in {source.path}: copy it to a safe place. The old one is in {old}: backups made until now need "
            "it. Keep it where they are kept, and destroy it with the last of them."
        )
    else:
        click.echo(
            f"Put it where {source.name} takes it from, and restart Kinfold's services: until then nothing starts. "
            "Backups made before today need the old key. Keep it where they are kept."
        )


@rotate.command("vault")
@click.option(
    "--reencrypt", is_flag=True, help="Encrypt every file anew, as where the keys of files may be known to somebody."
)
def rotate_vault(reencrypt: bool) -> None:
    """Bring everything in vault/ and landing/ under a new key, file by file; run again, it goes on where it stopped.

    Each file has a key of its own, which the vault's key wraps. By default that key is wrapped anew, and what has
    landed is encrypted anew; this serves a change by plan. With --reencrypt every file gets a new key and is written
    anew.
    """
    from governance.rotation import begin_vault, move_vault

    home = sites.home()
    _nothing_runs()
    vault, files = _vault(home)
    book = begin_vault(home, files(), vault, reencrypt)
    came = move_vault(vault, files(), book, lambda count: click.echo(f"{count:>8,} files"))
    for problem in came.refused:
        click.echo(problem)
    click.echo(
        f"{came.moved:,} files brought under generation {came.generation} of the vault's key; "
        f"{came.before:,} were there before."
    )
    if came.refused:
        click.echo(f"{len(came.refused)} could not be, and stay as they were. Restore them, then run this again.")
        sys.exit(1)
    click.echo("Retire the old generation in a day or later: `kinfold keys status` shows it.")


@keys.command("retire")
@click.argument("generation", type=int)
def retire(generation: int) -> None:
    """Destroy an old GENERATION of the vault's key, once nothing is left under it.

    Backups made while it was in use are read with the key store that was backed up with them, in keys/.
    """
    from governance import rotation

    home = sites.home()
    _nothing_runs()
    vault, files = _vault(home)
    rotation.retire(home, generation, vault, files(), datetime.now(UTC).replace(tzinfo=None))
    click.echo(f"Generation {generation} of the vault's key is destroyed; nothing was under it.")


@keys.command("accept")
@click.argument("folder")
@click.option("--who", required=True, help="Who vouches for it; goes into the audit log.")
@click.option("--why", required=True, help="The reason, in a few words; goes into the audit log.")
def accept(folder: str, who: str, why: str) -> None:
    """Take a FOLDER of the vault for what it should be, though it is gone or older than what was written there last.

    After it was taken away on purpose, or restored from an older backup: what was decided since is lost with it.
    """
    from assets.context import Council
    from assets.sharing import audit_log
    from governance.audit import Entry

    council = Council.open()
    said = Entry(
        datetime.now(UTC).replace(tzinfo=None), who, None, "accept", None, None, f"vault/{folder}: {why}", None
    )
    audit_log(council).append([said])
    taken = council.store.accept(folder)
    for name, generation in taken.items():
        click.echo(f"vault/{name} is taken {'as it is' if generation else 'to be gone'}.")
    if not taken:
        click.echo(f"All of vault/{folder} is as it should be; nothing was changed.")


@keys.command("delivery")
@click.option("--renew", is_flag=True, help="Make a new key; what was encrypted to the old one can still be read.")
def delivery(renew: bool) -> None:
    """Print the public key to which partners encrypt deliveries; the private one is made, and stays, in the store."""
    from governance.keys import create_delivery_key, delivery_certificate, delivery_key_file

    home = sites.home()
    if renew or not delivery_key_file(home).exists():
        create_delivery_key(home, renew=renew)
    click.echo(delivery_certificate(home), nl=False)


def _vault(home: Path) -> tuple[Vault, Callable[[], Iterator[tuple[Path, str]]]]:
    """The vault, and how to go through all that is under its key, as often as need be."""
    from feeds.sealed import sealed
    from governance.keys import KeyRing
    from governance.vault import Vault
    from warehouse.store import Store
    from warehouse.tables import Zone

    vault = Vault(KeyRing.load(home))
    store = Store(home, vault)

    def files() -> Iterator[tuple[Path, str]]:
        yield from store.files(Zone.VAULT)
        yield from sealed(store)

    return vault, files


def _lines(book: Book, counts: Mapping[int, int], now: datetime) -> Iterator[str]:
    """The table of keys; the vault's two stand as one."""
    from governance.keystore import SEAL, WRAP

    yield f"{'purpose':<34}{'generation':>11}  {'made':<12}{'age':>9}{'files':>9}"
    for entry in sorted(book.keys, key=lambda e: (e.purpose, e.generation)):
        if entry.purpose == SEAL:
            continue
        made = datetime.fromisoformat(entry.made)
        vault = entry.purpose == WRAP
        files = f"{counts[entry.generation]:>9,}" if vault else ""
        newest = book.newest(entry.purpose)
        said = "  derived from the master key of its day" if entry.derived else ""
        if newest and entry != newest:
            said += (
                "  go on with `kinfold keys rotate vault`"
                if counts[entry.generation]
                else f"  `kinfold keys retire {entry.generation}` once a day has passed"
            )
        name = "vault" if vault else entry.purpose
        yield f"{name:<34}{entry.generation:>11}  {made:%Y-%m-%d}  {(now - made).days:>4} days{files:>9}{said}".rstrip()
    for gone in (g for g in book.retired if g.purpose != SEAL):
        name = "vault" if gone.purpose == WRAP else gone.purpose
        yield f"{name:<34}{gone.generation:>11}  {gone.made[:10]}  retired {gone.retired[:10]}"


def _nothing_runs() -> None:
    """Refuse while a run of Dagster's is under way, which would write beside us.

    Raises:
        ClickException: one is.
    """
    import dagster as dg

    from pipelines import run

    busy = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    since = datetime.now(UTC) - timedelta(days=1)  # one that has said nothing for longer was killed
    running = run.instance().get_runs(filters=dg.RunsFilter(statuses=busy, updated_after=since), limit=1)
    if running:
        raise click.ClickException(
            f"a run of {running[0].job_name} is under way. Wait for its end, or end it in the UI where it was killed."
        )
