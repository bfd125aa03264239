"""Linkage on Spark: its rules are Spark's, and it comes to what the night comes to."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlglot
from village import KEY, village

from linkage.blocking import blocks
from linkage.comparisons import COMPARISONS, extra
from linkage.conform import conform, prepare
from linkage.model import Model, compare, for_comparison
from linkage.night import link
from linkage.spark import render

TOLERANCE = 0.005  # share of pairs that the two engines may weigh differently: their Jaro-Winklers do


def test_no_rule_is_left_in_words_that_only_duckdb_knows() -> None:
    rules = [*COMPARISONS, *(extra("further", "x_further", kind) for kind in ("text", "code", "number", "date"))]
    for comparison in rules:
        for sql in (comparison.missing, *(level.sql for level in comparison.levels if level.sql)):
            told = render(sql)
            assert not any(word in told for word in ("_similarity(", "list_has", "::", "[", "date_diff(")), told
            sqlglot.parse_one(told, dialect="spark")


def test_spark_finds_the_same_pairs_and_people_as_the_night(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
    from linkage import spark

    records, _ = village(600, seed=3)
    night = link(records, None, model, date(2026, 11, 20), KEY)
    rows, _ = prepare(records)
    people = conform(rows)
    plain = people.with_columns(pl.col(pl.UInt64).reinterpret(signed=True))
    plain.write_parquet(tmp_path / "people.parquet")
    session = spark.session(spark_master="local[2]", spark_sql_shuffle_partitions="4")
    session.sparkContext.setCheckpointDir(str(tmp_path / "checkpoints"))
    edges, groups = spark.link(session.read.parquet(str(tmp_path / "people.parquet")), model)

    ids = rows["record_id"]
    found = pl.DataFrame(pl.from_arrow(edges.toArrow())).sort("uid_l", "uid_r")
    found = found.with_columns(ids.gather(found[f"uid_{end}"]).alias(f"record_{end}") for end in "lr")
    both = night.edges.join(found, on=["record_l", "record_r"], how="full", coalesce=True)
    apart = (both["match_weight"] - both["weight"]).abs().fill_null(np.inf) > 1e-6
    assert both.height > 500
    assert apart.sum() <= TOLERANCE * both.height

    group = pl.DataFrame(pl.from_arrow(groups.toArrow()))
    group = group.select("group", ids.gather(group["uid"]).alias("record_id")).join(night.links, on="record_id")
    assert group.height == records.height
    assert group.group_by("group").agg(pl.col("person_id").n_unique())["person_id"].max() == 1
    assert group.group_by("person_id").agg(pl.col("group").n_unique())["group"].max() == 1

    pairs = blocks(people).pairs().head(500)
    there = spark.compare(for_comparison(people, model), pairs, model, -30.0)
    here = compare(people, pairs, model, -30.0, None)
    assert there.schema == here.drop("met").schema  # the feeds are no part of what is compared
    assert ((there["weight"] - here["weight"]).abs() > 1e-6).sum() <= TOLERANCE * here.height + 1
    session.stop()
