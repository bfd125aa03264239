"""The town: small areas with deprivation, streets, postcodes and dwellings.

Harrowmere does not exist. Its postcode area QH has never been issued, its small area codes and property numbers lie
outside the ranges in use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from synthetic.frames import DWELLINGS, PLACES

TOWN = "Harrowmere"
AREA = "QH"
_UNIT = "ABDEFGHJLNPQRSTUWXYZ"  # letters that the second half of a postcode may hold
_STREET_NAMES = (
    "Tannery Mill Ferry Weir Lock Quarry Orchard Granary Chandler Cooper Weaver Saddler Fuller Thatcher Harrow "
    "Mere Heron Kestrel Plover Curlew Lapwing Swift Marten Otter Badger Hazel Rowan Alder Willow Aspen Hornbeam "
    "Larch Juniper Bramble Bracken Heather Gorse Foxglove Primrose Campion Clover Sorrel Tansy Yarrow Beacon "
    "Abbey Priory Rectory Chantry Minster Station Foundry Kiln Forge Furnace Bobbin Shuttle Loom Spindle Carding "
    "Bleach Dyer Wharf Basin Towpath Aqueduct Viaduct Signal Gasworks Reservoir Waterloo Corunna Inkerman "
    "Balaclava Trafalgar Coronation Jubilee Alexandra Albert Regent Crown Market Corn Wool Butter Fish Cattle "
    "Moor Fell Dale Beck Tarn Gill Holme Ings Carr Marsh Fen Warren Copse Spinney Coppice Paddock Meadow Croft "
    "Barn Byre Dovecote Windmill Summit Prospect Belle Vue Union Hope Temperance Mechanics Institute Cobden "
    "Bright Peel Gladstone Rosebery Lansdowne Cavendish Devonshire Portland Rutland Montague Selborne Wharfe "
    "Calder"
)
_STREETS = _STREET_NAMES.split()
_KINDS = [
    "Street",
    "Road",
    "Lane",
    "Avenue",
    "Row",
    "Close",
    "Drive",
    "Terrace",
    "Grove",
    "Way",
    "Court",
    "Gardens",
    "Place",
    "View",
    "Crescent",
    "Rise",
    "Walk",
    "Mews",
]
_LEADS = ("", "North ", "South ", "Upper ", "Lower ", "Old ", "New ", "East ", "West ", "Great ", "Little ")
_HOMES_OF = {
    "institution": (
        "The Larches Care Home",
        "Mere View Nursing Home",
        "Weirside House",
        "Abbeyfield Rest Home",
        "The Dell",
    ),
    "hostel": ("Lockside Hostel", "Granary House", "Kiln Court", "Beacon House"),
    "refuge": ("Heron House", "Alder House"),
}


@dataclass(frozen=True)
class Town:
    """Dwellings and areas as arrays, beside the frames.

    Attributes:
        area: small area of each dwelling.
        deprivation: standardised deprivation of each small area; positive is deprived.
        quality: standing of each dwelling; well-off households live in the high ones.
        kind: 0 home, 1 hmo, 2 institution, 3 hostel, 4 refuge.
        tenure: 0 owner, 1 private, 2 social.
    """

    dwellings: pl.DataFrame
    places: pl.DataFrame
    area: np.ndarray
    deprivation: np.ndarray
    quality: np.ndarray
    kind: np.ndarray
    tenure: np.ndarray


KINDS = ("home", "hmo", "institution", "hostel", "refuge")
TENURES = ("owner", "private", "social")


def build(rng: np.random.Generator, homes: int, hmos: int, institutions: int, hostels: int, refuges: int) -> Town:
    """A town with so many dwellings of each kind. The dwellings stand in geographical order."""
    count = homes + hmos + institutions + hostels + refuges
    streets = _street_lengths(rng, count)
    street = np.repeat(np.arange(len(streets)), streets)
    place_in_street = np.arange(count) - np.repeat(np.cumsum(streets) - streets, streets)
    areas = max(8, round(count / 640))
    area_of_street = np.minimum(np.arange(len(streets)) * areas // len(streets), areas - 1)
    area = area_of_street[street]
    deprivation, decile = _deprivation(rng, areas)

    kind = np.zeros(count, dtype=np.int8)
    special = rng.permutation(count)[: hmos + institutions + hostels + refuges]
    kind[special] = np.repeat(np.array([1, 2, 3, 4], dtype=np.int8), [hmos, institutions, hostels, refuges])
    worse = deprivation[area] + 0.7 * rng.standard_normal(count)
    rank = np.argsort(np.argsort(worse)) / count  # 1 is the most deprived
    draw = rng.random(count)
    social = draw < 0.04 + 0.36 * rank**1.2
    tenure = np.where(social, 2, np.where(rng.random(count) < 0.2 + 0.16 * rank, 1, 0)).astype(np.int8)
    tenure[kind == 1] = 1
    tenure[kind > 1] = 2
    quality = -0.8 * deprivation[area] + np.array([1.0, -0.1, -1.6])[tenure] + 0.8 * rng.standard_normal(count)

    # a postcode for about every 18 dwellings of a street
    segment = place_in_street // 18
    new = np.ones(count, dtype=bool)
    new[1:] = (street[1:] != street[:-1]) | (segment[1:] != segment[:-1])
    postcode_of = np.cumsum(new) - 1
    codes = _postcodes(rng, area[new], areas)
    lsoa21 = pl.Series([f"E0199{i:04d}" for i in range(1, areas + 1)])
    changed = rng.random(areas) < 0.08
    changed[rng.integers(areas)] = True  # in a small town too, an area has another code than it had in 2011
    lsoa11 = pl.Series([f"E0199{5000 + i if c else i:04d}" for i, c in enumerate(changed, start=1)])
    places = pl.DataFrame(
        {
            "postcode": codes,
            "lsoa11": lsoa11.gather(area[new]),
            "lsoa21": lsoa21.gather(area[new]),
            "imd_decile": pl.Series(decile[area[new]], dtype=pl.Int8),
        }
    ).sort("postcode")

    names = _street_names(rng, len(streets))
    flats = rng.random(len(streets)) < 0.1
    flat = flats[street]
    number = np.where(flat, place_in_street // 6 + 1, place_in_street + 1)
    house = pl.Series(number).cast(pl.String)
    special_name = pl.Series([""]).new_from_index(0, count)
    for index, label in enumerate(KINDS[2:], start=2):
        rows = np.flatnonzero(kind == index)
        options = _HOMES_OF[label]
        titles = [
            options[i % len(options)] if i < len(options) else f"{names[int(street[r])]} House"
            for i, r in enumerate(rows)
        ]
        special_name = special_name.scatter(rows, [t + ", " for t in titles])
    frame = pl.DataFrame(
        {
            "dwelling": pl.Series(np.arange(count), dtype=pl.Int64),
            "uprn": _uprns(rng, count),
            "number": house,
            "street": names.gather(street),
            "flat": pl.Series(place_in_street % 6 + 1),
            "is_flat": pl.Series(flat & (kind < 2)),
            "special": special_name,
            "postcode": codes.gather(postcode_of),
            "kind": pl.Series(KINDS).gather(kind),
            "tenure": pl.Series(TENURES).gather(tenure),
            "lsoa21": lsoa21.gather(area),
        }
    ).with_columns(
        line=pl.col("special")
        + pl.when("is_flat").then("Flat " + pl.col("flat").cast(pl.String) + ", ").otherwise(pl.lit(""))
        + pl.col("number")
        + " "
        + pl.col("street")
    )
    return Town(
        frame.select(pl.col(c).cast(t) for c, t in DWELLINGS.items()),
        places.select(pl.col(c).cast(t) for c, t in PLACES.items()),
        area,
        deprivation,
        quality,
        kind,
        tenure,
    )


def _street_lengths(rng: np.random.Generator, count: int) -> np.ndarray:
    lengths = np.clip(rng.lognormal(3.3, 0.5, count // 8 + 10).astype(np.int64), 8, 120)
    total = np.cumsum(lengths)
    last = int(np.searchsorted(total, count))
    lengths = lengths[: last + 1].copy()
    lengths[last] -= int(total[last]) - count
    return lengths[lengths > 0]


def _deprivation(rng: np.random.Generator, areas: int) -> tuple[np.ndarray, np.ndarray]:
    """Deprivation that neighbours share: hills of need on a square map, areas numbered row by row, back and forth."""
    side = int(np.ceil(np.sqrt(areas)))
    row, column = np.divmod(np.arange(areas), side)
    column = np.where(row % 2, side - 1 - column, column)
    hills = max(3, side // 3)
    centre = rng.uniform(0, side, (hills, 2))
    height = rng.normal(0, 1, hills)
    distance = (row[:, None] - centre[:, 0]) ** 2 + (column[:, None] - centre[:, 1]) ** 2
    field = (np.exp(-distance / (2 * (side / 4) ** 2)) * height).sum(axis=1)
    field = (field - field.mean()) / max(field.std(), 1e-9) + 0.4 * rng.standard_normal(areas)
    field = (field - field.mean()) / field.std()
    rank = (np.argsort(np.argsort(-field)) + 0.5) / areas
    return field, np.clip(np.ceil(10 * rank**1.25), 1, 10).astype(np.int8)


def _postcodes(rng: np.random.Generator, area: np.ndarray, areas: int) -> pl.Series:
    """A postcode for each segment: the district by the small area, sector and unit in order within it."""
    district = area * max(1, -(-areas // 12)) // areas + 1
    first = np.searchsorted(district, district)
    serial = np.arange(len(area)) - first
    per_sector = max(1, min(400, int(np.ceil((np.bincount(district).max()) / 9))))
    sector, unit = np.divmod(serial, per_sector)
    unit = (unit * 400 // per_sector + rng.integers(0, max(1, 400 // per_sector), len(unit))) % 400
    letters = pl.Series(list(_UNIT))
    return (
        AREA
        + pl.Series(district).cast(pl.String)
        + " "
        + pl.Series(sector + 1).cast(pl.String)
        + letters.gather(unit // 20)
        + letters.gather(unit % 20)
    )


def _street_names(rng: np.random.Generator, count: int) -> pl.Series:
    plain = [f"{name} {kind}" for name in _STREETS for kind in _KINDS]
    names = [plain[i] for i in rng.permutation(len(plain))]
    for lead in _LEADS[1:]:
        if len(names) >= count:
            break
        names += [f"{lead}{plain[i]}" for i in rng.permutation(len(plain))]
    while len(names) < count:  # a very large town has its streets a second time, in another quarter
        names += [f"{name} Extension" for name in names[: len(plain)]]
    return pl.Series(names[:count])


def _uprns(rng: np.random.Generator, count: int) -> pl.Series:
    step = max(1, 10**9 // max(count, 1) // 4)
    return pl.Series(
        990_000_000_000 + rng.permutation(count).astype(np.int64) * step + rng.integers(0, step, count)
    ).cast(pl.String)
