"""The same linkage on Spark, for those who outgrow one machine: keys, pairs, scores and people where the records lie.

What belongs here: what differs on Spark. What is compared and what it is worth stay in `linkage.comparisons` and
`linkage.model`; what is said of one record, of its keys, of a scored pair and of a component is worked out by the very
functions that the night uses, on the executors, a batch at a time. `docs/spark.md` says how to run it. Needs the extra
`spark` and Java 17.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from linkage.blocking import BITS, RULES, record_keys
from linkage.cluster import LARGEST, refine
from linkage.comparisons import written_out
from linkage.model import (
    BEARERS,
    FLOOR,
    Model,
    feed_codes,
    for_comparison,
    levels_reached,
    met,
    splink_settings,
    weigh,
)

DEEP = FLOOR - 8.0  # bits before the rules down to which pairs are kept: a shared id may lift them
# what DuckDB and Spark call differently, in the rules of `linkage.comparisons`
DIALECT = (
    (r"jaro_winkler_similarity\(", "jaro_winkler("),
    (r"list_has_any\(", "arrays_overlap("),
    (r"starts_with\(", "startswith("),
    (r"date_diff\('day', (\w+), (\w+)\)", r"datediff(\2, \1)"),
    (r"(\w+)\[1\]", r"substr(\1, 1, 1)"),
    (r"(\w+)\[(\d+):\]", r"substr(\1, \2)"),
    (r"(\([^()]*\))::int", r"cast(\1 as int)"),
)
EDGE = "uid_l long, uid_r long, weight double, bridge boolean, never boolean, silent boolean"


def render(sql: str) -> str:
    """The SQL of a rule as Spark reads it."""
    sql = written_out(sql)
    for ours, theirs in DIALECT:
        sql = re.sub(ours, theirs, sql)
    return sql


def session(**options: str) -> Any:
    """The Spark session that runs, else one as the environment describes it, that knows Splink's string functions.

    Args:
        options: of Spark, dots written as underscores: `spark_master="local[2]"`.
    """
    from pyspark.sql import SparkSession
    from splink.backends.spark import similarity_jar_location

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.config("spark.jars", similarity_jar_location()).config("spark.ui.enabled", "false")
    for name, value in options.items():
        builder = builder.config(name.replace("_", "."), value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def link(people: Any, model: Model) -> tuple[Any, Any]:
    """Link records on a cluster.

    Args:
        people: Spark frame of conformed records, as `linkage.conform.conform` returns them; uids need not be close.
        model: the frozen model.

    The session needs a checkpoint folder: protected storage that every executor reaches, for names are in it.

    Returns:
        Spark frames: the edges (`uid_l`, `uid_r`, `weight`, `bridge`, `never`, `silent`) of `FLOOR` bits and more; and
        the groups (`uid`, `group`: the smallest uid of its person), of every record.
    """
    people = people.persist()
    edges = score(people, pairs(people), model).filter(f"weight >= {FLOOR}").checkpoint()
    return edges, groups(people, edges, model)


def pairs(people: Any) -> Any:
    """Pairs of records that share a key of no more records than its rule allows: `uid_l` < `uid_r`.

    The night's budget, which makes keys give way where there are too many pairs, is not applied.
    """
    from pyspark.sql import functions as f

    def keyed(rows: pl.DataFrame) -> pl.DataFrame:
        made = record_keys(rows.with_row_index("place").rename({"uid": "known", "place": "uid"}), RULES)
        return made.select(rows["uid"].gather(made["uid"]).alias("uid"), pl.col("key").reinterpret(signed=True))

    keys = people.mapInArrow(_batches(keyed), "uid long, key long").distinct()
    most = f.element_at(
        f.array(*(f.lit(r.most) for r in RULES.values())), (f.col("key").bitwiseAND(BITS) + 1).cast("int")
    )
    apart = keys.groupBy("key").count().filter((f.col("count") > most) | (f.col("count") == 1)).select("key")
    keys = keys.join(apart, "key", "left_anti")
    left, right = keys.withColumnRenamed("uid", "uid_l"), keys.withColumnRenamed("uid", "uid_r")
    return left.join(right, "key").filter("uid_l < uid_r").select("uid_l", "uid_r").distinct()


def compare(people: pl.DataFrame, found: pl.DataFrame, model: Model, floor: float) -> pl.DataFrame:
    """What `linkage.model.compare` does, but for what feeds are worth, on the session at hand or as configured."""
    spark = session()
    told, numbers = spark.createDataFrame(_arrow(people)), range(len(model.comparisons))
    scored = _scored(told, spark.createDataFrame(_arrow(found)), model, floor)
    rows = pl.DataFrame(pl.from_arrow(scored.toArrow())).select(
        "uid_l", "uid_r", "weight", *(f"g{n}" for n in numbers), "rarity"
    )
    return levels_reached(rows, model).sort("uid_l", "uid_r")


def score(people: Any, found: Any, model: Model, floor: float = DEEP) -> Any:
    """Score pairs: `uid_l`, `uid_r`, `weight`, `bridge`, `never`, `silent`, as `weigh` has them.

    Args:
        people: Spark frame of conformed records.
        found: as `pairs` returns it.
        floor: bits, before the rules, below which pairs are dropped; `-inf` keeps all.
    """

    def weighed(rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.with_columns(met(rows["feed_l"], rows["feed_r"], model))
        return weigh(levels_reached(rows, model), model).select(*(part.split()[0] for part in EDGE.split(", ")))

    compared = people.mapInArrow(_batches(lambda rows: for_comparison(rows, model)), _schema(people, model))
    scored = _scored(compared.persist(), found, model, floor)
    for end in ("l", "r"):
        scored = scored.join(people.selectExpr(f"uid as uid_{end}", f"feed as feed_{end}"), f"uid_{end}")
    return scored.mapInArrow(_batches(weighed), EDGE)


def _scored(compared: Any, found: Any, model: Model, floor: float) -> Any:
    """`uid_l`, `uid_r`, `weight`, `g0` ... in bits, `rarity`: Splink's part, of what `for_comparison` returns."""
    from splink import Linker
    from splink.backends.spark import SparkAPI

    spark = compared.sparkSession
    api = SparkAPI(spark_session=spark)
    linker = Linker(
        api.register(compared.drop("rarity")),
        splink_settings(model, render),
        log_level="ERROR",
        validate_settings=False,
    )
    for name, table in model.frequencies.items():
        if name == BEARERS:
            continue
        told = spark.createDataFrame(_arrow(table))
        rare = compared.select(name).dropna().distinct().join(told, name, "left")
        rare = rare.fillna({f"tf_{name}": float(table[f"tf_{name}"].min())})  # type: ignore[arg-type]
        linker.table_management.register_term_frequency_lookup(api.register(rare), name)
    blocked = found.selectExpr("uid_l as join_key_l", "uid_r as join_key_r", "'0' as match_key")
    linker.table_management.register_blocked_pairs_for_predict(api.register(blocked))
    least = None if math.isinf(floor) else floor
    scored = linker.inference.predict(threshold_match_weight=least, warning_mode="never").as_spark_dataframe()
    bits = (f"mw_c{n} as g{n}" for n in range(len(model.comparisons)))
    told = scored.selectExpr("uid_l", "uid_r", "match_weight as weight", *bits)
    return told.join(compared.selectExpr("uid as uid_l", "rarity"), "uid_l")


def groups(people: Any, edges: Any, model: Model) -> Any:
    """Cluster scored pairs: `uid`, `group`. Components by Splink, each refined as the night does it."""
    from pyspark.sql import functions as f
    from splink.backends.spark import SparkAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    api = SparkAPI(spark_session=people.sparkSession)
    strong = edges.filter(f"weight >= {model.reach} and not never")
    found = cluster_pairwise_predictions_at_threshold(
        api.register(people.select("uid")), api.register(strong), api, "uid"
    ).as_spark_dataframe()
    home = found.selectExpr("uid", "cluster_id as component").persist()
    size = home.groupBy("component").count().filter("count > 1").persist()
    near = home.join(size.filter(f"count <= {LARGEST}"), "component").select("uid", "component")
    every = near.withColumnRenamed("uid", "uid_l").join(near.withColumnRenamed("uid", "uid_r"), "component")
    unscored = every.filter("uid_l < uid_r").select("uid_l", "uid_r").join(edges, ["uid_l", "uid_r"], "left_anti")
    both = edges.unionByName(score(people, unscored, model, -math.inf))
    at_left = home.join(size, "component").selectExpr("uid as uid_l", "component")
    at_right = home.selectExpr("uid as uid_r", "component as other")
    inside = both.join(at_left, "uid_l").join(at_right, "uid_r").filter("component = other").drop("other", "bridge")
    for end in ("l", "r"):
        inside = inside.join(people.selectExpr(f"uid as uid_{end}", f"feed as feed_{end}"), f"uid_{end}")

    def refined(table: Any) -> Any:
        rows = pl.DataFrame(pl.from_arrow(table))
        uids = np.unique(np.r_[rows["uid_l"].to_numpy(), rows["uid_r"].to_numpy()])
        places = rows.with_columns(pl.Series(n, np.searchsorted(uids, rows[n].to_numpy())) for n in ("uid_l", "uid_r"))
        places = places.sort("uid_l", "uid_r")
        whole = np.zeros(len(uids), dtype=np.int64)
        ends = [rows.select(pl.col(f"uid_{end}").alias("uid"), pl.col(f"feed_{end}").alias("feed")) for end in "lr"]
        feeds, code = feed_codes(pl.concat(ends).unique("uid"))
        again = np.array([model.feeds.get(f"{feed}|{feed}", 0.0) for feed in feeds])
        group = refine(whole, places, model.cut, whole == 0, lambda _: places.clear(), code[uids], again)
        return _arrow(pl.DataFrame({"uid": uids, "group": uids[group]}))

    parted = inside.groupBy("component").applyInArrow(refined, "uid long, group long")
    return home.join(parted, "uid", "left").select("uid", f.coalesce("group", "uid").alias("group"))


def _batches(work: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Iterator[Any]], Iterator[Any]]:
    def over(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            yield from _arrow(work(pl.DataFrame(pl.from_arrow(batch)))).to_batches()

    return over


def _arrow(frame: pl.DataFrame) -> Any:
    """A frame in the types that Spark reads: it knows no large lists and no large strings."""
    import pyarrow as pa

    def small(kind: Any) -> Any:
        if pa.types.is_large_list(kind):
            return pa.list_(small(kind.value_type))
        return pa.string() if pa.types.is_large_string(kind) else kind

    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.cast(pa.schema([pa.field(one.name, small(one.type)) for one in table.schema]))


def _schema(people: Any, model: Model) -> Any:
    """What Spark calls the columns that `for_comparison` returns."""
    from pyspark.sql.pandas.types import from_arrow_schema

    none = pl.DataFrame(pl.from_arrow(people.limit(0).toArrow()))
    return from_arrow_schema(_arrow(for_comparison(none, model)).schema)
