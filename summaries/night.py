"""What one night did, as a page: counts, feeds that were late or rejected, and where the time went.

What belongs here: the page. The counts are the assets' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from summaries.render import page
from summaries.words import say

COUNTS = {
    "received": "Rows received",
    "accepted": "Rows accepted",
    "quarantined": "Rows quarantined",
    "withdrawn": "Rows withdrawn",
    "people": "People",
    "households": "Households",
    "flags": "Flags",
    "summaries": "Case summaries",
}


def report(facts: Mapping[str, Any]) -> str:
    """The night's report as a self-contained page.

    Args:
        facts: night (date); any of the counts named in `COUNTS` (int); feeds: a list of dicts feed, name, status
            (accepted, rejected, held, late or none), delivered (date or null), received, accepted, quarantined,
            reason, file (of its quality report); stages: a mapping of stage to seconds; notes: sentences, such as
            why a model raised no flag.
    """
    feeds = [
        {
            "name": "",
            "delivered": None,
            "received": None,
            "accepted": None,
            "quarantined": None,
            "reason": "",
            "file": "",
        }
        | dict(feed)
        for feed in facts.get("feeds", ())
    ]
    for feed in feeds:
        feed["delivered"] = say(feed["delivered"]) if isinstance(feed["delivered"], date) else "never"
    stages = dict(facts.get("stages", {}))
    return page(
        "night.html",
        night=say(facts["night"]),
        counts=[(label, facts[name]) for name, label in COUNTS.items() if facts.get(name) is not None],
        feeds=sorted(feeds, key=lambda feed: (feed["status"] == "accepted", feed["feed"])),
        troubled=[feed for feed in feeds if feed["status"] != "accepted"],
        stages=[(stage, f"{seconds:.1f}") for stage, seconds in stages.items()],
        total=f"{sum(stages.values()):.1f}",
        notes=list(facts.get("notes", ())),
    )
