"""Files for one team alone: encrypted to the team's public key, by OpenPGP.

What belongs here: finding and judging a team's key, and encrypting to it. Which files are encrypted is said by the
agreements. The private key is the team's own, made and kept where its files are read; Kinfold never has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pysequoia import Cert

ENDING = ".pgp"
SOON = timedelta(days=30)


class SealingError(Exception):
    """A team's files cannot be encrypted, so that they stay inside; says why and what to do."""


class TeamKeys:
    """The public keys of a council's teams, `<team>.asc` each in one folder, read once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[str, Cert] = {}

    def sealed(self, team: str, content: bytes, now: datetime) -> bytes:
        """Encrypt a file to a team's key.

        Args:
            team: its id.
            content: the file.
            now: naive UTC; a key that has expired by then is refused.

        Raises:
            SealingError: there is no usable key, and nothing is encrypted to any other.
        """
        import pysequoia

        key = self._key(team)
        self._judge(team, key, now)
        try:
            return bytes(pysequoia.encrypt(content, recipients=[key], armor=False))
        except Exception:  # noqa: BLE001 - the library's words hold a trace of its code
            raise SealingError(_cannot(team, "it cannot be encrypted to")) from None

    def problems(self, teams: Iterable[str], now: datetime) -> list[str]:
        """What is wrong with the keys of these teams, and which of them expire within thirty days, in words."""
        wrong = []
        for team in sorted(teams):
            try:
                key = self._key(team)
                self._judge(team, key, now)
            except SealingError as error:
                wrong.append(str(error))
                continue
            if key.expiration and _naive(key.expiration) < now + SOON:
                day = _naive(key.expiration).date()
                wrong.append(f"keys/{team}.asc expires on {day}: ask the team {team} for its next key before then.")
        return wrong

    def _key(self, team: str) -> Cert:
        import pysequoia

        if team not in self._read:
            path = self._folder / f"{team}.asc" if self._folder else None
            if path is None or not path.is_file():
                raise SealingError(_cannot(team, "it is not there"))
            content = path.read_bytes()
            if b"PRIVATE KEY" in content:
                raise SealingError(
                    f"keys/{team}.asc holds a private key, which is the team's alone. Take it out, tell the team to "
                    "make another, and put the public part of that here."
                )
            try:
                self._read[team] = pysequoia.Cert.from_bytes(content)
            except Exception:  # noqa: BLE001 - as above
                raise SealingError(_cannot(team, "it is no OpenPGP key")) from None
        return self._read[team]

    def _judge(self, team: str, key: Cert, now: datetime) -> None:
        """Refuse what the library would encrypt to without a word."""
        if key.is_revoked:
            raise SealingError(_cannot(team, "it was revoked"))
        if key.expiration and _naive(key.expiration) <= now:
            raise SealingError(_cannot(team, f"it expired on {_naive(key.expiration).date()}"))


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _cannot(team: str, why: str) -> str:
    return (
        f"the agreement has files of the team {team} encrypted to its public key, keys/{team}.asc in the council's "
        f"folder, and {why}. Ask the team for its current public key and put it there."
    )
