"""How right the links are, where the truth is known.

What belongs here: scores of links against truth. The truth is an argument: nothing here knows where it lies.
"""

from __future__ import annotations

import polars as pl


def scores(links: pl.DataFrame, truth: pl.DataFrame) -> dict[str, float]:
    """Compare links with the truth.

    Args:
        links: `record_id`, `person_id`; records without truth are left out.
        truth: `record_id`, `person`.

    Returns:
        `pair_precision`, `pair_recall` (against all true pairs), `pair_f1`, `bcubed_precision`, `bcubed_recall`,
        `bcubed_f1`, `largest` (records in the largest person), `records`, `people`, `true_people`.
    """
    both = links.select("record_id", "person_id").join(truth.select("record_id", "person"), on="record_id")
    cell = both.group_by("person_id", "person").len("n").with_columns(pl.col("n").cast(pl.Float64))
    cell = cell.with_columns(
        pl.col("n").sum().over("person_id").alias("found"), pl.col("n").sum().over("person").alias("true")
    )
    found = cell.group_by("person_id").agg(pl.col("n").sum())["n"]
    true = cell.group_by("person").agg(pl.col("n").sum())["n"]
    right = float((cell["n"] * (cell["n"] - 1)).sum())
    precision = right / max(float((found * (found - 1)).sum()), 1.0)
    recall = right / max(float((true * (true - 1)).sum()), 1.0)
    total = max(float(cell["n"].sum()), 1.0)
    b_precision = float((cell["n"] ** 2 / cell["found"]).sum()) / total
    b_recall = float((cell["n"] ** 2 / cell["true"]).sum()) / total
    return {
        "pair_precision": precision,
        "pair_recall": recall,
        "pair_f1": _f1(precision, recall),
        "bcubed_precision": b_precision,
        "bcubed_recall": b_recall,
        "bcubed_f1": _f1(b_precision, b_recall),
        "largest": float(found.max() or 0),  # type: ignore[arg-type]
        "records": total,
        "people": float(found.len()),
        "true_people": float(true.len()),
    }


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
