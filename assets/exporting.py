"""One export of an agreement, made of the published night and let out through the gate.

What belongs here: reading what an export needs. What it may hold and how coarse it is, is said by `governance.exports`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import polars as pl

from assets.context import Council
from assets.history import standing, with_needs
from assets.sharing import let_out, protected_people
from governance import exports, rights
from governance.agreements import Outgoing, subjects
from governance.exports import ExportRefused, Made
from governance.release import EXPORT, Item
from governance.stamp import Stamp
from summaries.permitted import CROWD, HOMES
from warehouse.tables import (
    AREA,
    EVENT,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    INVOLVEMENT,
    PERSON,
    PERSON_PROFILE,
)


def export(
    council: Council, agreement: str, to: str, name: str | None, who: str, on: date, moment: str
) -> tuple[pl.DataFrame, Made]:
    """Make an export and let it out: its row of RELEASE, and what was made.

    Args:
        council: whose data.
        agreement: with its version or without.
        to: the team or party.
        name: which export, where there are several.
        who: on whose word, for the log.
        on: the day where the council is.
        moment: tells this export from another of the same day.

    Raises:
        ExportRefused: there is no such export, or it would identify people.
        ReleaseRefused, AuditError: see `Releaser.release_many`.
    """
    store, night = council.store, council.store.published()
    if night is None:
        raise ExportRefused("no night is published yet. Run one with `kinfold night`.")
    chosen = exports.choose(council.agreements, agreement, to, name, on)
    role = _role(council, chosen)
    involvements = standing(council, INVOLVEMENT, night)
    people = with_needs(council, store.scan(PERSON).select("person_id", "birth_date").collect(), night)
    asked = subjects(people, involvements, on)
    whom = exports.covered(council.agreements, chosen, asked, _homes(council))
    bars = rights.bars(store, night, rights.load_rights(council.site)).filter(pl.col("use") == rights.EXPORTS)
    made = exports.make(
        chosen,
        council.agreements.export_sections(chosen, role, on),
        whom,
        store.read(PERSON_PROFILE),
        {EVENT.name: standing(council, EVENT, night), INVOLVEMENT.name: involvements},
        bars,
        sorted(protected_people(council)),
        store.read(AREA),
        council.ring,
        _epoch(council, chosen, on),
    )

    def archive(release_id: str, expires_on: date | None) -> bytes:
        stamp = Stamp(
            release_id, EXPORT, council.organisation.teams[chosen.team].name,
            council.organisation.reasons[chosen.terms.reason], (council.agreements.purpose(chosen.agreement),),
            f"{chosen.agreement} {chosen.clause}", expires_on,
        )  # fmt: skip
        return exports.packed(made.frames, stamp.as_dict() | about)

    about = _about(chosen, made, night)
    item = Item(
        EXPORT, chosen.team, role, chosen.terms.reason, None, archive, made.shared,
        name=f"{chosen.terms.name} {moment}", suffix=".zip", about=about, export=chosen, people=made.people,
    )  # fmt: skip
    return let_out(council, [item], on, who, whom), made


# -- inside ---------------------------------------------------------------------------------------------------------


def _about(chosen: Outgoing, made: Made, night: date) -> dict[str, Any]:
    """What a reader is to know of the file, beside its stamp."""
    return {
        "export": chosen.terms.name,
        "as_of": str(night),
        "geography": chosen.terms.geography,
        "dates": chosen.terms.dates,
        "people": len(made.people),
        "rows": {name: frame.height for name, frame in made.frames.items()},
        "alike_at_least": made.alike,
        "told_more_coarsely": made.coarser,
        "not_told": made.hidden,
        "columns": exports.columns(made.frames),
        "rules": "Do not try to find out who somebody is, and join this with nothing that would (DPA 2018, section "
        "171). Publish no count of 7 or fewer people.",
    }


def _role(council: Council, chosen: Outgoing) -> str:
    agreement = next(a for a in council.agreements if a.name == chosen.agreement)
    return next(r.roles[0] for r in agreement.recipients if r.team == chosen.team)


def _epoch(council: Council, chosen: Outgoing, on: date) -> str:
    agreement = next(a for a in council.agreements if a.name == chosen.agreement)
    return exports.epoch(re.sub(r" v\d+$", "", chosen.agreement), agreement.valid.from_, on)


def _homes(council: Council) -> pl.DataFrame:
    """household_id, person_id of those who live in one household on more than weak evidence."""
    few = pl.col("kind").is_in(HOMES) & (pl.col("people") <= CROWD)
    homes = council.store.scan(HOUSEHOLD).filter(few.fill_null(False)).select("household_id")
    members = council.store.scan(HOUSEHOLD_MEMBER).filter(pl.col("certainty") != "weak")
    return members.join(homes, on="household_id", how="semi").select("household_id", "person_id").collect()
