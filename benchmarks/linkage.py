"""Linkage against the truth and against its rival: Splink's library-default model on the same records in the same run.

What belongs here: the measurement. `python -m benchmarks.linkage RECORDS.parquet TRUTH.parquet` prints it, for
`source_record` rows and a truth of `record_id` and `person`; `measure` is what `make bench` calls.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from linkage.evaluation import scores
from linkage.night import link
from linkage.training import train

NIGHT = date(2026, 11, 20)
SHOWN = ("pair_precision", "pair_recall", "pair_f1", "bcubed_precision", "bcubed_recall", "bcubed_f1", "largest")


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
        sure = [block_on("nhs_number", "dob"), block_on("first_name", "surname", "dob")]
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


def measure(records: pl.DataFrame, truth: pl.DataFrame, folder: Path | None = None) -> list[dict[str, Any]]:
    """Both models on the same records.

    Args:
        records: `source_record` rows.
        truth: `record_id`, `person`.
        folder: where DuckDB may spill.

    Returns:
        One row a model: its scores, CPU seconds of training, and of scoring, clustering and ids.
    """
    clock: Callable[[], float] = time.process_time
    start = clock()
    model = train(records, 1, folder)
    trained = clock()
    ours = link(records, None, model, NIGHT, b"benchmark" * 4, folder).links
    ended = clock()
    theirs, their_training, their_scoring = default_links(records)
    return [
        {"model": "Kinfold", **scores(ours, truth), "train_cpu": trained - start, "link_cpu": ended - trained},
        {"model": "Splink default", **scores(theirs, truth), "train_cpu": their_training, "link_cpu": their_scoring},
    ]


def main(records: str, truth: str) -> None:
    """Print the measurement of two Parquet files."""
    rows = pl.read_parquet(records)
    print(f"{rows.height:,} records")
    for row in measure(rows, pl.read_parquet(truth)):
        told = "  ".join(f"{name} {row[name]:.4f}" for name in SHOWN[:-1])
        print(f"{row['model']:<15}{told}  largest {row['largest']:.0f}", end="")
        print(f"  train {row['train_cpu']:.1f} s  link {row['link_cpu']:.1f} s CPU")


if __name__ == "__main__":
    main(*sys.argv[1:3])
