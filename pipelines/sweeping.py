"""Takes expired files out of the outbox every morning, also when no night runs."""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg

from assets.context import Council
from assets.sharing import sweep


@dg.op
def remove_expired(context: dg.OpExecutionContext, council: dg.ResourceParam[Council]) -> None:
    """Remove what must be gone by today; say how much went, and how much is there that nobody let out."""
    swept = sweep(council, datetime.now(ZoneInfo(council.organisation.timezone)).date())
    context.log.info(
        f"Removed {swept.gone} expired files, and {swept.misplaced} from the folder of another team. "
        f"{len(swept.strange)} files are not as they were let out: `kinfold sweep` names them."
    )


@dg.job(description="Remove released files whose day has come from the outbox.")
def sweep_outbox() -> None:
    """One step."""
    remove_expired()
