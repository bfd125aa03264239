"""A small seeded village for the tests of linkage: records of six feeds and the truth of who is who."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from warehouse.tables import SOURCE_RECORD

MEN = (
    "JAMES JOHN ROBERT MICHAEL WILLIAM DAVID RICHARD JOSEPH THOMAS CHARLES MOHAMMED AHMED ALI HASSAN IMRAN "
    "PIOTR TOMASZ JAKUB KRZYSZTOF DAFYDD RHYS GARETH KWAME KOFI OLUWASEUN EMEKA DANIEL MATTHEW ANTHONY MARK "
    "STEVEN PAUL ANDREW JOSHUA KEVIN BRIAN GEORGE EDWARD RONALD TIMOTHY JASON JEFFREY RYAN JACOB GARY NICHOLAS "
    "ERIC JONATHAN OLIVER JACK HARRY NOAH LEO ARTHUR OSCAR HENRY FREDDIE ARCHIE THEO FINLEY "
)
WOMEN = (
    "MARY PATRICIA JENNIFER LINDA ELIZABETH BARBARA SUSAN JESSICA SARAH KAREN FATIMA AISHA ZAINAB KHADIJA "
    "MARYAM AGNIESZKA KATARZYNA MAGDALENA EWA SIAN RHIAN BETHAN CATRIN ABENA NGOZI CHIOMA LISA NANCY BETTY "
    "SANDRA MARGARET ASHLEY KIMBERLY EMILY DONNA MICHELLE CAROL AMANDA MELISSA DEBORAH STEPHANIE REBECCA LAURA "
    "SHARON CYNTHIA AMELIA OLIVIA ISLA AVA MIA IVY LILY GRACE FREYA WILLOW FLORENCE EVIE ROSIE "
)
FORENAMES = {"M": MEN.split(), "F": WOMEN.split()}
NICKNAMES = {
    "ROBERT": "BOB", "WILLIAM": "BILL", "RICHARD": "DICK", "MICHAEL": "MIKE", "THOMAS": "TOM", "ELIZABETH": "LIZ",
    "MARGARET": "PEGGY", "KATARZYNA": "KASIA", "TOMASZ": "TOMEK", "OLUWASEUN": "SEUN", "MOHAMMED": "MUHAMMAD",
    "PATRICIA": "PAT", "JENNIFER": "JENNY", "DAVID": "DAVE", "JAMES": "JIM", "CHARLES": "CHARLIE", "SUSAN": "SUE",
    "FATIMA": "FATEMA", "AGNIESZKA": "AGA", "EMEKA": "CHUKWUEMEKA", "EDWARD": "TED", "JOSEPH": "JOE", "DANIEL": "DAN",
}  # fmt: skip
FEEDS = {  # share of people known, NHS number told, birth date told, names told
    "gp-register": (0.75, 0.55, 0.97, 1.0),
    "council-tax": (0.40, 0.0, 0.0, 1.0),
    "housing-benefit": (0.30, 0.0, 0.90, 1.0),
    "police-incidents": (0.20, 0.0, 0.85, 1.0),
    "adult-social-care": (0.15, 0.5, 0.97, 1.0),
    "school-census": (0.80, 0.0, 0.99, 1.0),
    "cin-census": (0.10, 0.0, 0.99, 0.0),
}
START = date(2026, 11, 20)
KEY = b"k" * 32


def _typo(rng: np.random.Generator, words: np.ndarray, share: float) -> np.ndarray:
    out = words.copy()
    for n in np.flatnonzero(rng.random(len(words)) < share):
        word = out[n]
        if word is None or len(word) < 4:
            continue
        at = int(rng.integers(1, len(word) - 1))
        kind = rng.integers(4)
        letter = "ABCDEFGHIJKLMNOPRSTUVWY"[rng.integers(23)]
        out[n] = (
            word[:at] + word[at + 1 :] if kind == 0
            else word[:at] + letter + word[at:] if kind == 1
            else word[:at] + letter + word[at + 1 :] if kind == 2
            else word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        )  # fmt: skip
    return out


def _postcode(street: int, number: int) -> str:
    letters = "ABDEFGHJLN"
    return f"ZZ{street % 9 + 1} {street // 9 % 9}{letters[street // 81 % 10]}{letters[number % 3]}"


def _told(rng: np.random.Generator, values: object, share: float) -> list[object]:
    values = list(values)  # type: ignore[call-overload]
    return [v if keep else None for v, keep in zip(values, rng.random(len(values)) < share, strict=True)]


def village(people: int, seed: int = 7) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`source_record` rows and the truth (`record_id`, `person`, `household`, `role`)."""
    rng = np.random.default_rng(seed)
    syllables = [
        "BAR",
        "DON",
        "HIL",
        "MAR",
        "TON",
        "WES",
        "LEY",
        "KIN",
        "SOR",
        "PEL",
        "RAD",
        "VEN",
        "COL",
        "GAR",
        "NES",
    ]
    surnames = np.array(
        sorted(
            {a + b + c for a in syllables for b in ("", "A", "ING", "O") for c in ("SON", "TON", "LEY", "FORD", "S")}
        )
    )
    weight = 1 / np.arange(1, len(surnames) + 1)
    weight /= weight.sum()
    homes = max(people * 2 // 5, 4)
    member = []  # household, role, age
    for home in range(homes):
        shape = rng.random()
        adults = 1 if shape < 0.35 else 2
        children = int(rng.choice([0, 1, 2, 3], p=[0.45, 0.2, 0.25, 0.1]))
        age = int(rng.integers(22, 55)) if children else int(rng.integers(20, 90))
        for a in range(adults):
            member.append((home, "adult", age + (int(rng.integers(-4, 5)) if a else 0), a))
        ages = sorted(int(rng.integers(0, max(1, min(18, age - 18)))) for _ in range(children))
        for c in range(children):
            twin = c > 0 and rng.random() < 0.05
            member.append((home, "twin" if twin else "child", ages[c - 1] if twin else ages[c], c))
    member = member[:people]
    n = len(member)
    home = np.array([m[0] for m in member])
    role = np.array([m[1] for m in member])
    sex = rng.choice(["M", "F"], n)
    forename = np.array([FORENAMES[s][min(int(rng.exponential(14)), len(FORENAMES[s]) - 1)] for s in sex], dtype=object)
    middle = np.array([FORENAMES[s][rng.integers(len(FORENAMES[s]))] for s in sex], dtype=object)
    family = rng.choice(surnames, homes, p=weight).astype(object)
    own = rng.choice(surnames, n, p=weight).astype(object)
    surname = np.where((rng.random(n) < 0.2) & (role == "adult"), own, family[home])
    born = np.array([START - timedelta(days=int(m[2] * 365.25 + rng.integers(365))) for m in member], dtype=object)
    for i in range(1, n):
        if role[i] == "twin":
            born[i] = born[i - 1]
            while forename[i] == forename[i - 1]:
                forename[i] = FORENAMES[sex[i]][rng.integers(40)]
        if role[i] == "child" and sex[i] == "M" and rng.random() < 0.05:
            first = int(np.flatnonzero(home == home[i])[0])
            if sex[first] == "M":
                forename[i], surname[i], role[i] = forename[first], surname[first], "junior"
    nhs = rng.permutation(np.arange(4_000_000_000, 4_000_000_000 + n * 37, 37)).astype(str)
    upn = np.array([f"A{i:011d}" for i in rng.permutation(n)])
    phone = np.array([f"07700{i:06d}" for i in rng.integers(0, 10**6, n)], dtype=object)
    landline = np.array([f"01700{i:06d}" for i in rng.integers(0, 10**6, homes)], dtype=object)
    moved = rng.random(n) < 0.25
    old_home = rng.integers(0, homes, n)
    street = rng.integers(0, max(homes // 25, 1), homes)
    number = rng.integers(1, 90, homes)
    rows = []
    for feed, (known, has_nhs, has_birth, has_names) in FEEDS.items():
        school = feed in ("school-census", "cin-census")
        child = np.array([m[2] < 17 for m in member])
        wanted = np.flatnonzero(
            (rng.random(n) < known) & (child == school if school or feed == "council-tax" else True)
        )
        if feed == "council-tax":
            wanted = wanted[~child[wanted]]
        wanted = np.concatenate([wanted, wanted[rng.random(len(wanted)) < 0.04]])
        k = len(wanted)
        first = forename[wanted].copy()
        nick = rng.random(k) < 0.06
        first[nick] = [NICKNAMES.get(f, f) for f in first[nick]]
        first = _typo(rng, first, 0.045)
        last = _typo(rng, surname[wanted].copy(), 0.045)
        turn = rng.random(k) < 0.01
        first[turn], last[turn] = last[turn], first[turn]
        if feed == "council-tax":
            short = rng.random(k) < 0.1
            first[short] = [f[0] for f in first[short]]
        birth = born[wanted].copy()
        wrong = rng.random(k)
        for i in np.flatnonzero(wrong < 0.04):
            d = birth[i]
            if wrong[i] < 0.015 and d.day <= 12:
                birth[i] = date(d.year, d.day, d.month)
            elif wrong[i] < 0.03:
                birth[i] = d.replace(day=int(rng.integers(1, 29)))
            else:
                birth[i] = d.replace(year=d.year + int(rng.choice([-1, 1, 10, -10])), day=min(d.day, 28))
        birth[rng.random(k) > has_birth] = None
        stale = moved[wanted] & (rng.random(k) < 0.35)
        place = np.where(stale, old_home[wanted], home[wanted])
        names = has_names > 0
        number_of = nhs[wanted].astype(object)
        mixed = rng.random(k) < 0.002
        number_of[mixed] = nhs[rng.integers(0, n, mixed.sum())]
        calls = np.where(rng.random(k) < 0.3, landline[home[wanted]], phone[wanted])
        rows.append(
            pl.DataFrame(
                {
                    "feed": [feed] * k,
                    "source_key": [f"{feed[:2].upper()}{i:07d}" for i in range(k)],
                    "forename": first.tolist() if names else [None] * k,
                    "middle_names": _told(rng, middle[wanted], 0.3) if names else [None] * k,
                    "surname": _told(rng, last, 0.995) if names else [None] * k,
                    "birth_date": birth.tolist(),
                    "sex": _told(rng, sex[wanted], 0.95),
                    "nhs_number": _told(rng, number_of, has_nhs),
                    "upn": _told(rng, upn[wanted], 0.97 if school else 0.0),
                    "phone": _told(rng, calls, 0.4 if names else 0.0),
                    "uprn": _told(rng, [f"1000{p:08d}" for p in place], 0.6),
                    "address": [f"{number[p]} STREET {street[p]}" for p in place] if names else [None] * k,
                    "postcode": _told(
                        rng,
                        [_postcode(int(street[p]), int(number[p])) for p in place],
                        0.95,
                    ),
                    "household_key": [f"{feed[:2]}{p}" for p in place],
                    "seen_on": [START - timedelta(days=int(d)) for d in rng.integers(0, 700, k)],
                    "person": wanted,
                    "household": home[wanted],
                    "role": role[wanted],
                },
                schema_overrides={c.name: c.type for c in SOURCE_RECORD.columns if c.name not in ("other_names",)},
                strict=False,
            )
        )
    every = pl.concat(rows).with_columns(
        pl.concat_str("feed", "source_key", separator="|").hash(1).cast(pl.String).alias("record_id")
    )
    truth = every.select("record_id", "person", "household", "role")
    records = finish(every)
    return records, truth


def finish(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column of `source_record`, in order, with its row hash."""
    frame = frame.with_columns(
        pl.lit(None, column.type).alias(column.name)
        for column in SOURCE_RECORD.columns
        if column.name not in frame.columns
    )
    frame = frame.with_columns(pl.struct(pl.exclude("row_hash", "delivery")).hash().alias("row_hash"))
    return frame.select(pl.col(c.name).cast(c.type) for c in SOURCE_RECORD.columns)
