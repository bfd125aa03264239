"""The command `kinfold papers`: the papers for a committee, written where somebody wants them.

It reads its arguments, calls one function and says what came of it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click


@click.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default="papers", show_default=True)
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Which night [default: the published one].")
def papers(folder: Path, day: datetime | None) -> None:
    """Write the impact assessment, threat model, Article 30 record, Five Safes pages and the matrix into a folder.

    They are drawn from the configuration and a night's facts, open offline, print well and hold nobody's data. The
    night lets them out to information governance by itself.
    """
    from assets.context import Council
    from assets.papers import write
    from pipelines.agreement_commands import put
    from summaries.papers import title
    from warehouse.tables import PERSON

    council = Council.open()
    night = day.date() if day else council.store.published()
    if night is None or str(night) not in council.store.folders(PERSON.zone, PERSON.name):
        raise click.ClickException(f"{'no night' if night is None else night} is published. Run `kinfold night` first.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in write(council, night, night).items():
        path = folder / f"{name.replace(' ', '-')}.html"
        put(path, content)
        click.echo(f"{title(name)}: {path}")
