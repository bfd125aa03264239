"""What every file that leaves says of itself: for whom, for what, by which agreement, until when, and its release.

What belongs here: those words, and where they stand in a file. Whether a file may leave is asked in `release`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

from governance.inert import line

BESIDE = ".about.json"  # of a file that is no page, its stamp lies beside it
PLACE = "<!-- stamp -->"
_UNTIL = re.compile(rb'data-until="(\d{4}-\d{2}-\d{2})"')
_NONE = "None is needed: it is about nobody in particular"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is said of one release.

    Attributes:
        release_id: the release; None for a list of files, each of which has its own.
        kind, recipient, reason: what it is, who may have it, and why, in plain words.
        purposes: of the agreements that permit it.
        agreement: agreements and clauses, as the audit log cites them.
        expires_on: the day on which it must be gone; None where no agreement sets one.
        withheld: how many kinds of record it says were not permitted.
    """

    release_id: str | None
    kind: str
    recipient: str
    reason: str
    purposes: tuple[str, ...]
    agreement: str | None
    expires_on: date | None
    withheld: int = 0

    def on_page(self, content: bytes) -> bytes:
        """A page with the stamp at its foot: where the page has a place for it, else before its end."""
        told = self._html().encode()
        before, place, after = content.rpartition(PLACE.encode())
        if place:
            return before + told + after
        before, end, after = content.rpartition(b"</body>")
        return before + told + end + after if end else content + told

    def beside(self, more: Mapping[str, Any] | None = None) -> bytes:
        """The stamp as JSON, for a file that is no page; `more` is what else is to be known of the file."""
        return (json.dumps(self.as_dict() | dict(more or {}), indent=1, ensure_ascii=False) + "\n").encode()

    def as_dict(self) -> dict[str, Any]:
        """The stamp under plain names."""
        return {
            "release": self.release_id,
            "kind": self.kind,
            "recipient": self.recipient,
            "reason": self.reason,
            "purpose": list(self.purposes),
            "agreement": self.agreement,
            "expires_on": str(self.expires_on) if self.expires_on else None,
            "withheld": self.withheld,
        }

    def _html(self) -> str:
        rows = [
            ("Released to", self.recipient),
            ("Reason", self.reason),
            ("Purpose", "; ".join(self.purposes)),
            ("Agreement", self.agreement or (_NONE if self.release_id else "")),
            ("Withheld", f"{self.withheld} kinds of record that no agreement shares" if self.withheld else ""),
            ("Must be gone by", f"{self.expires_on.day} {self.expires_on:%B %Y}" if self.expires_on else ""),
            ("Release", self.release_id or ""),
        ]
        told = "".join(f"<dt>{name}</dt><dd>{escape(line(value))}</dd>" for name, value in rows if value)
        until = f' data-until="{self.expires_on}"' if self.expires_on else ""
        return f'<footer class="wide stamp" aria-label="Release"{until}><dl>{told}</dl></footer>'


def until(content: bytes) -> date | None:
    """The day on which a stamped page must be gone; None where it says none."""
    found = _UNTIL.findall(content)
    return date.fromisoformat(found[-1].decode()) if found else None
