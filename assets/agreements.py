"""Accepting agreements for a data folder, and whether the register of acceptances and the audit log agree."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from assets.context import Council
from assets.sharing import audit_log
from governance import acceptance
from governance.agreements import load_agreements
from governance.audit import Entry


def accept(site: Path, home: Path, who: str, names: Iterable[str] | None = None) -> list[str]:
    """Accept agreements as their files say them now; all of a council's, unless `names` says which.

    Returns:
        Agreement and version of each that was not accepted in these words before.

    Raises:
        SiteError, KeyProblem: see `Council.open`.
        AcceptanceProblem: one of them lacks a signature, or the register cannot be trusted; nothing is accepted.
    """
    council, written = Council.open(site, home), load_agreements(site)
    now = datetime.now(UTC).replace(tzinfo=None)
    log = audit_log(council)

    def note(said: str) -> None:
        log.append([Entry(now, who, None, acceptance.ACCEPT, None, None, None, said)])

    wanted = [a.name for a in written] if names is None else list(names)
    return acceptance.accept(home, council.ring, written, wanted, who, now, note)


def amiss(council: Council) -> list[str]:
    """Where the register of acceptances and the audit log do not agree, in words."""
    told = audit_log(council).frame().filter(pl.col("action") == acceptance.ACCEPT)["agreement"].to_list()
    return acceptance.amiss(acceptance.accepted(council.home, council.ring), told)
