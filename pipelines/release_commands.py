"""What somebody lets out or looks at by hand: `kinfold reveal`, `kinfold export`, `kinfold sweep`.

Each command reads its arguments, calls one function and says what came of it.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import click


@click.command()
def sweep() -> None:
    """Remove from the outbox what must be gone by today, and name what is there that nobody let out.

    The night does so too, and the schedule of the job sweep_outbox each morning. What nobody let out is only named.
    """
    from assets import sharing
    from assets.context import Council
    from governance.inert import line

    council = Council.open()
    swept = sharing.sweep(council, datetime.now(ZoneInfo(council.organisation.timezone)).date())
    click.echo(f"{swept.gone:,} files were removed because their day had come.")
    if swept.misplaced:
        click.echo(f"{swept.misplaced:,} files of one team lay in the folder of another, and were removed.")
    for file, why in swept.strange:
        click.echo(f"  {line(file)}: {why}")
    if swept.strange:
        click.echo(f"{len(swept.strange):,} files are not as they were let out. Find out who put them there.")


COMMANDS = (sweep,)
