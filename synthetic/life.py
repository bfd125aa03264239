"""What happens in the borough: every service's happenings, in the order that they depend on each other, and kinship."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from synthetic import care, health, money, policing, schooling, world
from synthetic import people as p
from synthetic.care import PLACEMENTS, VOICE
from synthetic.frames import RELATIONSHIPS
from synthetic.homes import Homes
from synthetic.world import World

__all__ = ["PLACEMENTS", "VOICE", "Lives", "live"]


@dataclass(frozen=True)
class Lives:
    """Happenings, the stays as they became, relationships, who children's services knew, and the truth about risk."""

    happenings: pl.DataFrame
    stays: pl.DataFrame
    relationships: pl.DataFrame
    latent: pl.DataFrame
    known_children: np.ndarray


def live(folk: p.Folk, homes: Homes, seed: int, first: date, last: date) -> Lives:
    """Everything that happens from the day `first` to the day `last`."""
    w = world.begin(folk, homes, seed, first, last)
    schooling.attend(w)
    policing.police(w)
    money.bills(w)
    health.wellbeing(w)
    known = care.protect(w)
    care.listen(w)
    return Lives(
        w.log.frame(last, folk.death), known.stays, _relationships(w, known.fostered), known.latent, known.known
    )


def _relationships(w: World, fostered: np.ndarray) -> pl.DataFrame:
    f = w.folk
    n = np.arange(f.count)
    rows: list[tuple[np.ndarray, np.ndarray, str, np.ndarray, np.ndarray]] = []
    never = np.full(f.count, p.NEVER)
    for parent in (f.mother, f.father):
        has = parent != p.NOBODY
        rows.append((parent[has], n[has], "parent", f.birth[has], never[has]))
    kid = np.flatnonzero(f.adopted_by != p.NOBODY)
    for parent in (f.adopted_by[kid], f.partner[f.adopted_by[kid]]):
        ok = parent != p.NOBODY
        rows.append((parent[ok], kid[ok], "parent", f.adopted_on[kid[ok]], never[: ok.sum()]))
    pair = np.flatnonzero((f.partner != p.NOBODY) & (f.partner_from < p.NEVER))
    ends = np.minimum(f.partner_to, np.minimum(f.death, f.death[np.maximum(f.partner, 0)]))
    ok = pair[f.partner_from[pair] < ends[pair]]
    rows.append((f.partner[ok], ok, "partner", f.partner_from[ok], ends[ok]))
    step = np.flatnonzero(f.step != p.NOBODY)
    rows.append((f.step[step], step, "step_parent", f.step_from[step], never[step]))
    if len(fostered):
        rows.append((fostered[:, 1], fostered[:, 0], "foster_carer", fostered[:, 2], fostered[:, 3]))
    carers = w.marks["carers"].astype(np.int64)
    if len(carers):
        rows.append((carers[:, 0], carers[:, 1], "carer", carers[:, 2], carers[:, 3]))
    kin = pl.concat(
        pl.DataFrame({"parent": parent[parent != p.NOBODY], "child": n[parent != p.NOBODY]})
        for parent in (f.mother, f.father)
    )
    siblings = (
        kin.join(kin, on="parent", suffix="_2")
        .filter(pl.col("child") != pl.col("child_2"))
        .select("child", "child_2")
        .unique()
        .sort("child", "child_2")
    )
    a, b = siblings["child"].to_numpy(), siblings["child_2"].to_numpy()
    rows.append((a, b, "sibling", np.maximum(f.birth[a], f.birth[b]), np.full(len(a), p.NEVER)))
    frames = [
        pl.DataFrame({"person": who, "other": other, "from": since, "to": to}).with_columns(kind=pl.lit(kind))
        for who, other, kind, since, to in rows
    ]
    every = pl.concat(frames).with_columns(
        pl.col("from").cast(pl.Int32).cast(pl.Date),
        to=pl.when((pl.col("to") < p.NEVER) & (pl.col("to") < w.end)).then(pl.col("to").cast(pl.Int32)).cast(pl.Date),
    )
    return every.select(pl.col(c).cast(t) for c, t in RELATIONSHIPS.items()).sort("kind", "person", "other", "from")
