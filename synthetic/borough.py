"""The invented borough, assembled: families, town, names, events, in that order, each from a generator of its own."""

from __future__ import annotations

from datetime import date, timedelta

from synthetic import homes, identity, life, places
from synthetic import people as families
from synthetic.frames import Borough

EPOCH = date(1970, 1, 1)
AHEAD = 35  # days after `until` that are already settled, so that later nights exist
TOWN = places.TOWN


def make(people: int, seed: int, until: date, months: int = 60) -> Borough:
    """An invented borough of `people` people (everyone who ever lives there in these months).

    Args:
        people: at least 500; with fewer there are no institutions to speak of.
        seed: the same seed gives the same borough, whatever the number of threads.
        until: the day on which the borough is shown first; the world is settled until 35 days later.
        months: how many months up to `until` are simulated.

    Raises:
        ValueError: fewer than 500 people, or fewer than 12 months.
    """
    if people < 500 or months < 12:
        raise ValueError("an invented borough needs at least 500 people and 12 months")
    index = until.year * 12 + until.month - 1 - (months - 1)
    start = date(index // 12, index % 12 + 1, 1)
    first, last, end = _day(start), _day(until), _day(until + timedelta(days=AHEAD))
    folk = families.build(people, seed, first, last)
    settled = homes.settle(folk, seed, first, end)
    lived = life.live(folk, settled, seed, start, until + timedelta(days=AHEAD))
    who, changes = identity.identify(folk, seed, first, last, lived.known_children)
    return Borough(
        people=who,
        name_changes=changes,
        dwellings=settled.town.dwellings,
        places=settled.town.places,
        stays=homes.frame(lived.stays),
        relationships=lived.relationships,
        happenings=lived.happenings,
        latent=lived.latent,
        start=start,
        until=until,
        seed=seed,
    )


def _day(of: date) -> int:
    return (of - EPOCH).days


__all__ = ["AHEAD", "TOWN", "Borough", "make"]
