"""Agreements as they count here: what of their files was accepted, and accepting them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from governance import acceptance
from governance.agreements import Agreements, load_agreements
from governance.audit import AuditLog, Entry
from governance.keys import KeyRing


def accept(site: Path, home: Path, who: str, names: Iterable[str] | None = None) -> list[str]:
    """Accept agreements as their files say them now; all of a council's, unless `names` says which.

    Returns:
        Agreement and version of each that was not accepted in these words before.

    Raises:
        SiteError, KeyProblem: see `Council.open`.
        AcceptanceProblem: one of them lacks a signature, or the register cannot be trusted; nothing is accepted.
    """
    ring, written = KeyRing.load(home), load_agreements(site)
    now = datetime.now(UTC).replace(tzinfo=None)
    log = AuditLog(home / "ledger" / "audit", ring.key("audit"))

    def note(said: str) -> None:
        log.append([Entry(now, who, None, acceptance.ACCEPT, None, None, None, said)])

    wanted = [a.name for a in written] if names is None else list(names)
    return acceptance.accept(home, ring, written, wanted, who, now, note)


def amiss(home: Path, ring: KeyRing) -> list[str]:
    """Where the register of acceptances and the audit log do not agree, in words."""
    told = AuditLog(home / "ledger" / "audit", ring.key("audit")).frame()
    said = told.filter(told["action"] == acceptance.ACCEPT)["agreement"].to_list()
    return acceptance.amiss(acceptance.accepted(home, ring), said)


def counted(written: Agreements, home: Path, ring: KeyRing) -> Agreements:
    """Of agreements as their files are, what was accepted in this data folder.

    Raises:
        AcceptanceProblem: the register of acceptances cannot be trusted.
    """
    return acceptance.counted(written, acceptance.accepted(home, ring))
