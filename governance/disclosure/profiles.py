"""What is done to tables of counts: named profiles, how a count is rounded, and a council's choice of them.

What belongs here: the rules as settings. What they come to for a table is worked out in `cells`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from warehouse.site import Config, SiteError, read_config, read_yaml

Whole = NDArray[np.int64]


class Dominance(Config):
    """When few give most of a sum: the (n,k) rule and the p% rule (Hundepool and others, Statistical Disclosure
    Control, 2012, chapter 4).

    Attributes:
        n, k: the `n` greatest together make up more than the share `k` of it.
        p: all but the two greatest make up less than the share `p` of the greatest, so that the second could work out
            the first to within that share.
    """

    n: int = Field(default=2, ge=1)
    k: float = Field(default=0.9, gt=0, le=1)
    p: float = Field(default=0.1, ge=0, lt=1)


class Profile(Config):
    """What is done to a table.

    Attributes:
        threshold: counts of so many or fewer are hidden, none among them.
        rounding: to the nearest multiple of `base`, or to the middle of the multiples around (midpoint), for rates.
        base: what is rounded to.
        dominance: for sums, such as events of a household; none for counts of people.
    """

    threshold: int = Field(default=7, ge=1)
    rounding: Literal["nearest", "midpoint"] = "nearest"
    base: int = Field(default=5, ge=1)
    dominance: Dominance = Dominance()

    @property
    def need(self) -> int:
        """How far apart two tables must lie in a hidden cell, of which no reader can tell which is the true one."""
        return self.threshold + 1

    @property
    def slack(self) -> int:
        """How far a shown value may lie from the count that was rounded."""
        return self.base // 2

    @property
    def keep(self) -> int:
        """A value stands until the count lies further off than this: then more than `threshold` changed for certain."""
        return self.threshold + self.slack

    def shown(self, counts: Whole) -> Whole:
        """Counts as they are shown, whole numbers; the small ones are not to be shown at all."""
        if self.rounding == "midpoint":
            return np.where(counts > 0, -(-counts // self.base) * self.base - self.base // 2, 0)
        return (counts + self.base // 2) // self.base * self.base

    def least(self, shown: Whole) -> Whole:
        """The smallest count that is shown so."""
        low = shown - self.slack + (1 if self.rounding == "midpoint" else 0)
        return np.maximum(low, self.threshold + 1)

    def most(self, shown: Whole) -> Whole:
        """The greatest count that is shown so."""
        return shown + self.slack - (0 if self.rounding == "midpoint" or self.base % 2 else 1)


PROFILES = {
    # https://docs.opensafely.org/outputs/sdc: counts of 7 or fewer are redacted, then all are rounded to 5; or, for
    # rates, to midpoint 6
    "opensafely": Profile(),
    "opensafely-rates": Profile(rounding="midpoint", base=6),
    # ACRO's defaults: safe_threshold 10 (fewer are hidden), nk 2 and 0.9, p 0.1, zeros disclosive
    "acro": Profile(threshold=9, dominance=Dominance(n=2, k=0.9, p=0.1)),
}


class Disclosure(Config):
    """`disclosure.yaml`: what is done to the council's tables.

    Attributes:
        profile: by name, for every table for which nothing else is said.
        audiences: for tables that go to a team, by its name.
        profiles: profiles of the council's own.
        effort: how much the solver may do for the tables of one unit, in millions of numbers read; after that more is
            hidden. Not a time, so that the same night gives the same tables on a busy machine too; 3 are some minutes.
        stays: how many days a cell that was hidden stays so.
    """

    profile: str = "opensafely"
    audiences: dict[str, str] = Field(default={})
    profiles: dict[str, Profile] = Field(default={})
    effort: float = Field(default=3, ge=0)
    stays: int = Field(default=90, ge=1)

    def of(self, audience: str) -> Profile:
        """The profile for a team's tables."""
        return (PROFILES | self.profiles)[self.audiences.get(audience, self.profile)]


def load_disclosure(site: Path) -> Disclosure:
    """Read `disclosure.yaml` of a council's folder; without one, the profile `opensafely` holds for everything.

    Raises:
        SiteError: every mistake, each with its line.
    """
    path = site / "disclosure.yaml"
    if not path.is_file():
        return Disclosure()
    made = read_config(path, Disclosure)
    document, known = read_yaml(path), PROFILES | made.profiles
    wrong = [
        document.mistake(where, f"there is no profile {name!r}. Known: {', '.join(sorted(known))}.")
        for where, name in [(("profile",), made.profile), *((("audiences", t), n) for t, n in made.audiences.items())]
        if name not in known
    ]
    if len({(p.rounding, p.base) for p in (made.of(team) for team in ("", *made.audiences))} if not wrong else ()) > 1:
        wrong.append(
            document.mistake(
                ("audiences",),
                "two profiles in use round differently, and one count rounded in two ways is nearly told. "
                "Let every profile have the same `rounding` and `base`.",
            )
        )
    if wrong:
        raise SiteError(wrong)
    return made
