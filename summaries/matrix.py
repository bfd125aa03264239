"""Who could see what from whom for why, on a day: one page for an information governance lead to sign.

What belongs here: laying out what `governance.agreements` answers. Nothing is permitted or refused here, and every
cell comes from the same answers that the release gate asks for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from governance.acceptance import told_of, whom
from governance.agreements import Agreements
from governance.organisation import RETURNED, Organisation
from summaries import agreed
from summaries.render import page
from summaries.words import say

Row = dict[str, Any]
RIGHT = ["agreement", "team", "partner", "category", "clause", "look_back", "fields"]


@dataclass(frozen=True)
class Matrix:
    """All that could be seen on a day.

    Attributes:
        rights: a row an agreement, team, partner, category and clause: `RIGHT`, and the lists `roles` and `reasons`.
        made_from: digest of each file that it was made from, by name.
    """

    council: Organisation
    agreements: Agreements
    on: date
    rights: pl.DataFrame
    made_from: Mapping[str, str]

    @property
    def digest(self) -> str:
        """One digest of all files: SHA-256 over their names and digests, a line each, in order of name."""
        told = "".join(f"{name} {digest}\n" for name, digest in sorted(self.made_from.items()))
        return hashlib.sha256(told.encode()).hexdigest()


def build(agreements: Agreements, on: date, site_digest: str) -> Matrix:
    """Ask the agreements for every team, role and reason that they know.

    Args:
        agreements: as they count.
        on: the day.
        site_digest: SHA-256 of `site.yaml`, on whose teams, parties and names all of it rests.
    """
    parts = [
        agreements.sections(team, role, reason, on).with_columns(role=pl.lit(role), reason=pl.lit(reason))
        for team, known in agreements.council.teams.items()
        for role in known.roles
        for reason in agreements.council.reasons
    ]
    rights = (
        pl.concat(parts)
        .group_by(RIGHT, maintain_order=True)
        .agg(pl.col("role").unique(maintain_order=True), pl.col("reason").unique(maintain_order=True))
        .rename({"role": "roles", "reason": "reasons"})
    )
    files = {s.file: s.sha256 for a in agreements if (s := agreements.standing(a.name)).file}
    return Matrix(agreements.council, agreements, on, rights, {"site.yaml": site_digest, **files})


def html(matrix: Matrix) -> str:
    """The page."""
    council, rights = matrix.council, matrix.rights
    seen = rights.filter(~pl.col("category").is_in(RETURNED))
    teams = [team for team in council.teams if team in set(seen["team"])]
    shared = set(rights["category"])
    return page(
        "matrix.html",
        council=council.council,
        day=say(matrix.on),
        teams=[council.teams[t].name for t in teams],
        glance=_glance(seen, teams, council),
        by_team=[_team(seen.filter(pl.col("team") == team), team, matrix) for team in teams],
        returned=_returned(rights, council),
        exports=[
            {"agreement": e.agreement, "name": e.terms.name, "told": told_of(e.terms, council), "clause": e.clause}
            for e in matrix.agreements.exports(matrix.on)
        ],
        onward=[
            {"agreement": a.name, "told": line}
            for a in matrix.agreements
            if a.onward_sharing and not matrix.agreements.standing(a.name).closed
            for line in agreed.onward(a, council)
        ],
        nobody=sorted(council.category(c) for c in council.known_categories - shared),
        idle=[team.name for name, team in council.teams.items() if name not in set(rights["team"])],
        agreements=[_agreement(a.name, matrix) for a in matrix.agreements],
        files=sorted(matrix.made_from.items()),
        digest=matrix.digest,
    )


def text(matrix: Matrix, teams: Iterable[str] = ()) -> str:
    """The same at a glance, for a terminal: a line a partner and category, a column a team."""
    council = matrix.council
    seen = matrix.rights
    wanted = list(teams) or [
        t for t in council.teams if t in set(seen.filter(~pl.col("category").is_in(RETURNED))["team"])
    ]
    seen = seen.filter(pl.col("team").is_in(wanted))
    rows = [
        (row["partner"], category["name"], *category["cells"])
        for row in _glance(seen, wanted, council)
        for category in row["categories"]
    ]
    lines = [("from", "what", *wanted), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    body = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(
        [
            f"Who may see what on {matrix.on}, {council.council}",
            "A length is how far back; * not all fields; - withheld. Whom it covers, and for which reasons: --html.",
            "",
            *body,
            "",
            f"Made from {len(matrix.made_from)} files with the digest {matrix.digest[:16]}.",
        ]
    )


def _glance(seen: pl.DataFrame, teams: list[str], council: Organisation) -> list[Row]:
    """Rows of partners, each with its categories and for each team how far back it reaches."""
    cells: dict[tuple[str, str, str], list[str]] = {}
    for row in seen.iter_rows(named=True):
        told = agreed.length(row["look_back"], "all") + ("*" if row["fields"] is not None else "")
        cells.setdefault((row["partner"], row["category"], row["team"]), []).append(told)
    made = []
    for party in council.parties:
        named = {c: council.category(c) for p, c, _ in cells if p == party.id}
        categories = [
            {
                "name": name,
                "cells": ["; ".join(dict.fromkeys(cells.get((party.id, category, t), ["-"]))) for t in teams],
            }
            for category, name in sorted(named.items(), key=lambda item: item[1])
        ]
        if categories:
            made.append({"partner": party.name, "categories": categories})
    return made


def _team(seen: pl.DataFrame, team: str, matrix: Matrix) -> Row:
    """All that one team may see: by agreement who in it, for which reasons, about whom, and the clauses."""
    council, by_name = matrix.council, {a.name: a for a in matrix.agreements}
    blocks = []
    for (name,), mine in seen.group_by(["agreement"], maintain_order=True):
        agreement = by_name[str(name)]
        rows: dict[tuple[str, ...], list[str]] = {}
        for row in mine.iter_rows(named=True):
            key = (
                agreed.partner(row["partner"], council), agreed.fields(row["fields"]),
                agreed.length(row["look_back"]), row["clause"],
            )  # fmt: skip
            rows.setdefault(key, []).append(council.category(row["category"]))
        blocks.append(
            {
                "agreement": name,
                "purpose": agreement.purpose,
                "roles": ", ".join(r.replace("_", " ") for r in _each(mine["roles"])),
                "reasons": "; ".join(council.reasons[r] for r in _each(mine["reasons"])),
                "people": whom(agreement.people, council.services),
                "kept": f"summaries {agreed.length(agreement.retention.summary, 'not at all')}, other files "
                f"{agreed.length(agreement.retention.export, 'not at all')}",
                "encrypted": matrix.agreements.encrypts(agreement.name, team),
                "rows": [
                    dict(zip(("partner", "fields", "back", "clause"), k, strict=True)) | {"what": v}
                    for k, v in rows.items()
                ],
            }
        )
    return {"team": council.teams[team].name, "blocks": blocks}


def _each(lists: pl.Series) -> list[str]:
    return lists.explode().unique(maintain_order=True).to_list()


def _returned(rights: pl.DataFrame, council: Organisation) -> list[Row]:
    """What each partner is told of its own rows."""
    own = rights.filter(pl.col("category").is_in(RETURNED))
    made = []
    for (party, team), mine in own.group_by(["partner", "team"], maintain_order=True):
        kinds = [council.category(kind) for kind in RETURNED if kind in set(mine["category"])]
        made.append(
            {
                "partner": agreed.partner(str(party), council),
                "team": council.teams[str(team)].name,
                "what": "; ".join(kinds),
                "clause": f"{mine['agreement'][0]}, {mine['clause'][0]}",
            }
        )
    return made


def _agreement(name: str, matrix: Matrix) -> Row:
    agreement = next(a for a in matrix.agreements if a.name == name)
    standing = matrix.agreements.standing(name)
    return {
        "name": name,
        "purpose": agreement.purpose,
        "state": agreed.state(agreement, matrix.agreements, matrix.on),
        "basis": list(agreement.lawful_basis.lines()),
        "valid": f"{say(agreement.valid.from_)} to {say(agreement.valid.until)}",
        "signed": [f"{agreed.partner(s.party, matrix.council)}: {s.role}, {say(s.on)}" for s in agreement.signed],
        "accepted": standing.accepted or "not on record",
        "needs": [n.replace("`", "") for n in agreed.remarks(agreement, matrix.agreements, matrix.on)],
        "file": standing.file,
    }
