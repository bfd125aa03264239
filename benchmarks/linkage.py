"""Linkage against the truth, its rival and its limits: accuracy, false merges, ids that last, speed and memory.

What belongs here: the measurement. `python -m benchmarks.linkage` invents two boroughs, takes their extracts in, and
prints each bar beside its limit and its rival; `python -m benchmarks.linkage RECORDS.parquet TRUTH.parquet
[PEOPLE.parquet]` measures records that are there: `source_record` rows, a truth of `record_id` and `person`, and
the people with `twin_of`, `mother`, `father`.

The rival is Splink as its tutorial has it, on the same records in the same run. What is timed runs in a process of its
own, so that its memory is its own too.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from linkage.evaluation import scores
from linkage.night import differences, link
from linkage.training import train

NIGHT = date(2026, 11, 20)
KEY = b"benchmark" * 4
IDS = ("nhs_number", "upn", "la_child_id", "ni_number")
PEOPLE, MANY = 64_000, 275_000  # about 233,000 and 1,000,000 records
SHOWN = ("pair_precision", "pair_recall", "pair_f1", "bcubed_precision", "bcubed_recall", "bcubed_f1")
WITH_IDS, NAMES = "with ids", "names alone"
ACCURATE = {WITH_IDS: {"pair_f1": 0.990, "bcubed_f1": 0.995}, NAMES: {"bcubed_f1": 0.985}}
NUMBERED = 0.60  # share of the rows of feeds that know NHS numbers which may carry one
MERGED, EVERY = 0.003, "all of these"  # share of pairs of people easily mistaken for one another
FULL, FULL_MB, SHARE, THRICE_MB = 45.0, 3 * 1024, 0.20, 6 * 1024  # CPU seconds and memory of scoring and clustering
NIGHTS, CHURNED, KEPT = 60, 20_000, 0.999
ENDS, BEGINS = ["merged_into", "retired"], ["founded", "split_from", "returned"]


@dataclass(frozen=True)
class Bar:
    """One line of a table: what is measured, what was found, the limit (with its sign) and what the rival gives."""

    what: str
    found: str
    limit: str = ""
    rival: str = ""


def show(title: str, bars: Iterable[Bar]) -> None:
    """Print a table of bars."""
    print(f"\n{title}\n  {'bar':<90}{'found':>16}{'limit':>12}{'rival':>16}")
    for bar in bars:
        print(f"  {bar.what:<90}{bar.found:>16}{bar.limit:>12}{bar.rival:>16}", flush=True)


# -- accuracy ----------------------------------------------------------------------------------------------------------


def default_links(records: pl.DataFrame) -> tuple[pl.DataFrame, float, float]:
    """Splink as its tutorial has it: library comparisons, EM, connected components at a probability of 0.95.

    Returns:
        `record_id`, `person_id`; CPU seconds of training; CPU seconds of scoring and clustering.
    """
    import splink.comparison_library as cl
    from splink import Linker, SettingsCreator, block_on
    from splink.backends.duckdb import DuckDBAPI

    from linkage.model import engine

    rows = records.sort("record_id").select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("unique_id"),
        pl.col("forename").alias("first_name"),
        "surname",
        pl.col("birth_date").dt.strftime("%Y-%m-%d").alias("dob"),
        pl.col("birth_date").dt.strftime("%Y").alias("yob"),
        pl.col("forename").str.head(1).alias("initial"),
        *("postcode", "sex", "phone", "email", "nhs_number", "uprn"),
        pl.col("postcode").str.extract(r"^([A-Z]+[0-9][A-Z0-9]? ?[0-9])").alias("sector"),
    )
    keys = [
        ("nhs_number",), ("email", "initial"), ("phone", "initial"), ("dob", "surname"), ("dob", "first_name"),
        ("dob", "postcode"), ("first_name", "surname", "sector"), ("uprn", "initial"), ("postcode", "first_name"),
        ("first_name", "surname", "yob"),
    ]  # fmt: skip
    settings = SettingsCreator(
        link_type="dedupe_only",
        retain_matching_columns=False,
        comparisons=[
            cl.NameComparison("first_name"), cl.NameComparison("surname"),
            cl.DateOfBirthComparison("dob", input_is_string=True), cl.PostcodeComparison("postcode"),
            cl.ExactMatch("sex"), cl.ExactMatch("phone"), cl.EmailComparison("email"), cl.ExactMatch("nhs_number"),
        ],
        blocking_rules_to_generate_predictions=[block_on(*key) for key in keys],
    )  # fmt: skip
    with engine() as con:
        start = time.process_time()
        con.register("frame", rows.to_arrow())
        con.execute("create table recs as from frame")
        linker = Linker(DuckDBAPI(con).register("recs"), settings, log_level="ERROR")
        sure: list[Any] = [block_on("nhs_number", "dob"), block_on("first_name", "surname", "dob")]
        linker.training.estimate_probability_two_random_records_match(sure, recall=0.7)
        linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=42)
        for key in (("dob", "initial"), ("first_name", "surname"), ("postcode", "yob")):
            linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(*key), estimate_without_term_frequencies=True, max_pairs=2e6
            )
        trained = time.process_time()
        found = linker.inference.predict(threshold_match_weight=-5)
        grouped = linker.clustering.cluster_pairwise_predictions_at_threshold(found, threshold_match_probability=0.95)
        groups = con.sql(f"select unique_id, cluster_id from {grouped.physical_name}").pl().sort("unique_id")
        ended = time.process_time()
    links = groups.select(
        records["record_id"].sort().alias("record_id"), pl.col("cluster_id").cast(pl.String).alias("person_id")
    )
    return links, trained - start, ended - trained


def as_told(records: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    """The same records with as much of the shared ids as each bar allows.

    With names alone, records that carry no name at all (returns by child id and birth date) are left out: there is
    nothing by which they could be linked.
    """
    share = numbered(records)
    kept = pl.Series(np.random.default_rng(1).random(records.height) * share < NUMBERED)
    named = records.filter(pl.any_horizontal(pl.col("forename", "surname").is_not_null()))
    return {
        WITH_IDS: records.with_columns(pl.when(kept).then("nhs_number").alias("nhs_number")),
        NAMES: named.with_columns(pl.lit(None, pl.String).alias(name) for name in IDS),
    }


def numbered(records: pl.DataFrame) -> float:
    """Of the rows of feeds that know NHS numbers, the share that carries one."""
    told = records.group_by("feed").agg(pl.col("nhs_number").count().alias("told"), pl.len())
    told = told.filter(pl.col("told") > 0).sum()
    return float((told["told"] / told["len"].clip(1)).item() or 0.0)


def measure(records: pl.DataFrame, truth: pl.DataFrame, people: pl.DataFrame | None = None) -> list[dict[str, Any]]:
    """Both models on the same records, with as much of the ids as each bar allows.

    Args:
        records: `source_record` rows.
        truth: `record_id`, `person`.
        people: `person`, `forename`, `surname`, `twin_of`, `mother`, `father`, for false merges; None leaves them out.

    Returns:
        One row a bar and model: its scores, CPU seconds of training (`train_cpu`), and of scoring, clustering and ids
        (`link_cpu`); `merges` as `false_merges` has them; for ours the `cut`.
    """
    clock: Callable[[], float] = time.process_time
    found = []
    for told, rows in as_told(records).items():
        start = clock()
        model = train(rows, 1)
        trained = clock()
        links = link(rows, None, model, NIGHT, KEY).links
        ended = clock()
        theirs, training, scoring = default_links(rows)
        for name, own, train_cpu, link_cpu in (
            ("Kinfold", links, trained - start, ended - trained),
            ("Splink default", theirs, training, scoring),
        ):
            row = {"told": told, "model": name, "records": rows.height, **scores(own, truth)}
            row |= {"train_cpu": train_cpu, "link_cpu": link_cpu, "cut": model.cut}
            found.append(row if people is None else row | {"merges": false_merges(own, truth, people)})
    return found


def false_merges(links: pl.DataFrame, truth: pl.DataFrame, people: pl.DataFrame) -> dict[str, tuple[int, int, int]]:
    """Of each kind of two people easily mistaken for one another: how often they were.

    Args:
        links: `record_id`, `person_id`.
        truth: `record_id`, `person`.
        people: as for `measure`.

    Returns:
        By kind, of pairs of whom both have records: how many share a person id on any record; how many are one person
        by most of the records of each; how many pairs there are.
    """
    named = people.select("person", "forename", "surname")
    kin = {
        parent: people.select("person", pl.col(parent).alias("other")).drop_nulls() for parent in ("mother", "father")
    }
    namesakes = (
        pl.concat(kin.values()).join(named, on="person").join(named, left_on="other", right_on="person", suffix="_r")
    )
    kinds = {
        "twins": people.select("person", other="twin_of").drop_nulls(),
        "parent and child of one name": namesakes.filter(
            (pl.col("forename") == pl.col("forename_r")) & (pl.col("surname") == pl.col("surname_r"))
        ),
        "partners": people.select(person="mother", other="father").drop_nulls().unique(),
    }
    held = links.join(truth, on="record_id").group_by("person", "person_id").len()
    most = held.sort("len", "person_id", descending=[True, False]).unique("person", keep="first", maintain_order=True)
    counted = {}
    for kind, pairs in kinds.items():
        pairs = pairs.select("person", "other").join(most, on="person", how="semi")
        pairs = pairs.join(most, left_on="other", right_on="person", how="semi")
        mixed = [
            pairs.join(who, on="person").join(who, left_on=["other", "person_id"], right_on=["person", "person_id"])
            for who in (held.select("person", "person_id"), most.select("person", "person_id"))
        ]
        counted[kind] = (mixed[0].select("person", "other").n_unique(), mixed[1].height, pairs.height)
    return counted


def accuracy(found: list[dict[str, Any]]) -> Iterator[Bar]:
    """What `measure` found, as bars."""
    for ours, theirs in zip(found[::2], found[1::2], strict=True):
        limits, told = ACCURATE[ours["told"]], ours["told"]
        for name in SHOWN:
            limit = f">= {limits[name]:.3f}" if name in limits else ""
            yield Bar(f"{told}: {name.replace('_', ' ')}", f"{ours[name]:.4f}", limit, f"{theirs[name]:.4f}")
        kinds, rival = ours.get("merges", {}), theirs.get("merges", {})
        for kind in (*kinds, EVERY) if kinds else ():
            mixed, merged, pairs = kinds.get(kind) or np.sum(list(kinds.values()), axis=0)
            others = rival.get(kind) or np.sum(list(rival.values()), axis=0)
            for reading, n, m in (("any record shared", mixed, others[0]), ("merged", merged, others[1])):
                yield Bar(
                    f"{told}: {kind}, {reading} (of {pairs:,})",
                    f"{n} = {n / max(pairs, 1):.2%}",
                    f"< {MERGED:.1%}" if (kind, reading) == (EVERY, "merged") else "",
                    f"{m} = {m / max(pairs, 1):.2%}",
                )
        for what, of in (("train_cpu", "training"), ("link_cpu", "scoring, clustering and ids")):
            yield Bar(f"{told}: CPU s of {of}", f"{ours[what]:.1f}", "", f"{theirs[what]:.1f}")


# -- ids that last -----------------------------------------------------------------------------------------------------


def churned(records: pl.DataFrame, share: float, seed: int = 3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two nights: of `share` of the records 40% come new, 40% change address or surname, and 20% go."""
    draw = pl.Series(np.random.default_rng(seed).random(records.height))
    new, gone = draw < 0.4 * share, (draw >= 0.8 * share) & (draw < share)
    return records.filter(~new), _changed(records, draw, 0.4 * share, 0.8 * share, seed).filter(~gone)


def _changed(records: pl.DataFrame, draw: pl.Series, low: float, high: float, seed: int) -> pl.DataFrame:
    """Records of a draw from `low` to `high` changed: half have another's address, half another surname."""
    other = records.select(pl.col("uprn", "address", "postcode").reverse())
    moved, renamed = (draw >= low) & (draw < (low + high) / 2), (draw >= (low + high) / 2) & (draw < high)
    return records.with_columns(
        *(pl.when(moved).then(other[name]).otherwise(name).alias(name) for name in other.columns),
        pl.when(renamed).then(pl.col("surname") + "E").otherwise("surname").alias("surname"),
        pl.when(moved | renamed).then(pl.col("row_hash").hash(seed)).otherwise("row_hash").alias("row_hash"),
    )


def nights_of(records: pl.DataFrame, nights: int, share: float = 0.01) -> Iterator[tuple[date, pl.DataFrame]]:
    """A night of `CHURNED` records and so many more: in each 40% of `share` come new, 40% change, and 20% go."""
    order = np.random.default_rng(5).permutation(records.height)
    coming = round(0.4 * share * CHURNED)
    rows = records[np.sort(order[:CHURNED])]
    yield NIGHT, rows
    for night in range(1, nights + 1):
        draw = pl.Series(np.random.default_rng(100 + night).random(rows.height))
        new = records[np.sort(order[CHURNED + (night - 1) * coming : CHURNED + night * coming])]
        kept = _changed(rows, draw, 0.0, 0.4 * share, night).filter(~draw.is_between(0.4 * share, 0.6 * share))
        rows = pl.concat([kept, new])
        yield NIGHT + timedelta(days=night), rows


def lasting(nights: Iterable[tuple[date, pl.DataFrame]], model: Any) -> dict[str, float]:
    """Link night upon night, each building on the one before.

    Args:
        nights: dates and `source_record` rows.
        model: the frozen model.

    Returns:
        `unchanged`: people of whom no record changed or went in a night, summed over nights; `kept`: the share of them
        whose records all keep the id. `ids`: that began or ended; `unexplained`: those of them of which lineage does
        not tell it in that night, and ids given twice. `unlike`: edges, groups and people in which the last night
        differs from a full run. `incremental` and `full`: CPU seconds of the last night, and of that full run.
    """
    before = earlier = None
    kept = unchanged = changes = unexplained = 0
    begun: set[str] = set()
    for night, rows in nights:
        start = time.process_time()
        after = link(rows, before, model, night, KEY, vanished=None if earlier is None else _held(earlier))
        incremental = time.process_time() - start
        if before is None or earlier is None:
            begun = set(after.links["person_id"])
        else:
            told = after.lineage.filter(night=night)
            was, now = set(before.links["person_id"]), set(after.links["person_id"])
            ended, began, new = (
                set(told.filter(pl.col("change").is_in(kinds))["person_id"])
                for kinds in (ENDS, BEGINS, ["founded", "split_from"])
            )
            changes += len(was ^ now)
            unexplained += len((was - now) ^ ended) + len((now - was) ^ began) + len(new & begun)
            begun |= new
            same = earlier.join(rows, on=["record_id", "row_hash"], how="semi").select("record_id", same=True)
            both = before.links.join(after.links, on="record_id", how="left", suffix="_now")
            people = (
                both.join(same, on="record_id", how="left")
                .group_by("person_id")
                .agg(
                    pl.col("same").fill_null(False).all(),
                    (pl.col("person_id") == pl.col("person_id_now")).all().alias("kept"),
                )
            )
            kept += int(people.filter("same")["kept"].sum())
            unchanged += int(people["same"].sum())
        before, earlier = after, rows
    assert before is not None and earlier is not None
    start = time.process_time()
    whole = link(earlier, before, model, night, KEY, full=True)
    return {
        "unchanged": unchanged, "kept": kept / max(unchanged, 1), "ids": changes, "unexplained": unexplained,
        "unlike": int(differences(before, whole)["count"].sum()),
        "incremental": incremental, "full": time.process_time() - start,
    }  # fmt: skip


def _held(records: pl.DataFrame) -> Callable[[pl.Series], pl.DataFrame]:
    return lambda ids: records.filter(pl.col("record_id").is_in(ids.implode()))


# -- speed and memory --------------------------------------------------------------------------------------------------


def side_by_side(folders: Iterable[Path]) -> pl.DataFrame:
    """The records of several boroughs as of one: nobody is in two, and streets, ids and contacts are each one's own."""
    parts = []
    for n, folder in enumerate(folders):
        mark, part = chr(ord("A") + n), pl.scan_parquet(folder / "records.parquet")
        others = [pl.col(name) + mark for name in (*IDS, "uprn", "email", "phone", "postcode", "record_id")]
        street = pl.col("address").str.replace(r" ([A-Z])", f" {mark}$1")
        parts.append(part.with_columns(*others, street) if n else part)
    return pl.concat(parts).collect()


def _train(folder: Path) -> dict[str, float]:
    records = pl.read_parquet(folder / "records.parquet")
    start = time.process_time()
    model = train(records, 1, folder)
    spent = time.process_time() - start
    (folder / "model.pickle").write_bytes(pickle.dumps(model))
    return {"cpu": spent}


def _full(folder: Path, *more: Path) -> dict[str, float]:
    model, start = _model(folder), time.process_time()
    found = link(side_by_side([folder, *more]), None, model, NIGHT, KEY, folder)
    return {"cpu": time.process_time() - start, "records": found.links.height, "edges": found.edges.height}


def _thrice(folder: Path) -> dict[str, float]:
    return _full(folder, folder / "second", folder / "third")


def _delta(folder: Path) -> dict[str, float]:
    before, after = churned(pl.read_parquet(folder / "records.parquet"), 0.01)
    model = _model(folder)
    first = link(before, None, model, NIGHT, KEY, folder)
    night = NIGHT + timedelta(days=1)
    clock = [time.process_time()]
    second = link(after, first, model, night, KEY, folder)
    clock.append(time.process_time())
    full = link(after, first, model, night, KEY, folder, full=True)
    clock.append(time.process_time())
    unlike = int(differences(second, full)["count"].sum())
    return {"cpu": clock[1] - clock[0], "full": clock[2] - clock[1], "unlike": unlike}


def _nights(folder: Path) -> dict[str, float]:
    records = pl.read_parquet(folder / "records.parquet")
    most = CHURNED + round(NIGHTS * 0.004 * CHURNED)
    truth = pl.read_parquet(folder / "truth.parquet").join(records.select("record_id"), on="record_id", how="semi")
    people = (
        truth.group_by("person").len().sort(pl.col("person").hash(5), "person").filter(pl.col("len").cum_sum() <= most)
    )
    few = records.join(truth.join(people, on="person", how="semi"), on="record_id", how="semi").sort("record_id")
    return lasting(nights_of(few, NIGHTS), train(few, 1, folder))


def _model(folder: Path) -> Any:
    return pickle.loads((folder / "model.pickle").read_bytes())  # noqa: S301 (made by `_train` a moment ago)


def _borough(folder: Path, people: int, seed: int = 5) -> dict[str, float]:
    """Invent a borough, take its extracts in, and leave `records.parquet`, `truth.parquet` and `people.parquet`."""
    from assets.agreements import accept
    from assets.context import Council
    from feeds.ledger import current_all, deliveries_in_force
    from governance.keys import create, key_file
    from pipelines import run
    from pipelines.definitions import build
    from pipelines.demo import borough_folder, invent, truth_of_records
    from warehouse.site import home, site
    from warehouse.tables import SOURCE_RECORD

    create(key_file(home()))
    accept(site(), home(), "benchmark")
    invent(people, seed, NIGHT, home() / "drop", borough_folder() / "truth")
    council = Council.open()
    run.ingest(build(council), run.instance(), run.waiting(council, early=None))
    used = deliveries_in_force(council.store, list(council.contracts))
    records = current_all(council.store, used, SOURCE_RECORD)
    records.write_parquet(folder / "records.parquet")
    truth_of_records(council).write_parquet(folder / "truth.parquet")
    pl.read_parquet(borough_folder() / "truth" / "people.parquet").write_parquet(folder / "people.parquet")
    return {"records": records.height}


STEPS: Mapping[str, Callable[..., dict[str, float]]] = {
    "borough": _borough, "train": _train, "full": _full, "delta": _delta, "thrice": _thrice, "nights": _nights,
}  # fmt: skip


def step(name: str, folder: Path, *args: object) -> dict[str, float]:
    """Do one of `STEPS` in a process of its own: what it returns, and `peak_mb`."""
    home = folder / "home"
    told = folder / f"{name}.json"
    command = [sys.executable, "-m", "benchmarks.linkage", "step", name, str(folder), str(told), *map(str, args)]
    places = {"KINFOLD_HOME": home, "KINFOLD_STATE": folder / "dagster", "KINFOLD_KEY_FILE": folder / "key"}
    done = subprocess.run(command, env=os.environ | {n: str(p) for n, p in places.items()}, stdout=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"The step {name!r} of the benchmark stopped.")
    found: dict[str, float] = json.loads(told.read_text(encoding="utf-8"))
    return found


def _step(name: str, folder: str, told: str, *args: str) -> None:
    found = STEPS[name](Path(folder), *map(int, args))
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(told).write_text(json.dumps(found), encoding="utf-8")


def lasts(folder: Path) -> Iterator[Bar]:
    """Ids through nights of churn, as bars."""
    found = step("nights", folder)
    yield Bar("pairs, groups and people unlike a full run at the end", f"{found['unlike']:.0f}", "0")
    yield Bar(
        f"unchanged people ({found['unchanged']:,.0f}) who keep their id", f"{found['kept']:.4%}", f">= {KEPT:.1%}"
    )
    yield Bar(f"changes of ids ({found['ids']:,.0f}) that lineage does not tell", f"{found['unexplained']:.0f}", "0")
    share = found["incremental"] / found["full"]
    yield Bar("CPU s of the last night, and its share of a full run", f"{found['incremental']:.1f} = {share:.0%}")


def scale(folder: Path) -> Iterator[Bar]:
    """Speed and memory of a million records, as bars: each in a process of its own."""
    trained = step("train", folder)
    yield Bar("training: CPU s", f"{trained['cpu']:.1f}")
    yield Bar("training: peak MB", f"{trained['peak_mb']:,.0f}")
    full = step("full", folder)
    yield Bar(
        f"{full['records']:,.0f} records: CPU s of scoring, clustering and ids", f"{full['cpu']:.1f}", f"< {FULL:.0f}"
    )
    yield Bar(f"{full['records']:,.0f} records: peak MB", f"{full['peak_mb']:,.0f}", f"< {FULL_MB:,}")
    delta = step("delta", folder)
    share = delta["cpu"] / delta["full"]
    yield Bar("1% changed: CPU s", f"{delta['cpu']:.1f}")
    yield Bar("1% changed: share of the CPU s of a full run of that night", f"{share:.1%}", f"< {SHARE:.0%}")
    yield Bar("1% changed: pairs, groups and people unlike that full run", f"{delta['unlike']:.0f}", "0")
    for number, name in enumerate(("second", "third")):
        (folder / name).mkdir()
        step("borough", folder / name, MANY, 6 + number)
    three = step("thrice", folder)
    yield Bar(f"{three['records']:,.0f} records: CPU s", f"{three['cpu']:.1f}")
    yield Bar(f"{three['records']:,.0f} records: peak MB", f"{three['peak_mb']:,.0f}", f"< {THRICE_MB:,}")


def main(*paths: str) -> None:
    """Print the measurement, of boroughs invented for it or of Parquet files."""
    if paths:
        frames = [pl.read_parquet(path) for path in paths]
        show(f"Linkage of {frames[0].height:,} records", accuracy(measure(*frames)))
        return
    with tempfile.TemporaryDirectory(prefix="kinfold-bench-") as made:
        few, many = Path(made) / "few", Path(made) / "many"
        few.mkdir()
        many.mkdir()
        records = step("borough", few, PEOPLE)["records"]
        frames = [pl.read_parquet(few / f"{name}.parquet") for name in ("records", "truth", "people")]
        share = f"NHS numbers on {min(numbered(frames[0]), NUMBERED):.0%} of the rows that may carry one"
        show(
            f"Linkage of {records:,.0f} records, {share}, beside Splink as its tutorial has it",
            accuracy(measure(*frames)),
        )
        show(f"{NIGHTS} nights of 1% churn at {CHURNED:,} records", lasts(few))
        step("borough", many, MANY)
        show("Speed and memory", scale(many))


if __name__ == "__main__":
    if sys.argv[1:2] == ["step"]:
        _step(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
