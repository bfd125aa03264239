"""One report on a night's linkage: how right it is, whom it misses, what the model believes, in tables and charts.

What belongs here: putting figures, sentences and Splink's charts together. How they look belongs in `summaries`; the
figures are made in `linkage.evaluation`. Nothing here holds a name, a date of birth or an id of a person: the charts of
how common names are, which Splink has too, are left out for that reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

from linkage import evaluation
from linkage.conform import conform
from linkage.evaluation import GROUPS, Clerical
from linkage.model import Model, compare

TOLD_FROM = 10  # people below whom a group's line is left out
ALONE = 50_000  # records that are compared with themselves
BIN = 1.0  # bits of a bar
TOOLS = ("splink", "duckdb", "polars")


@dataclass(frozen=True)
class Table:
    """Rows ready to be read; `words` columns from the left hold words, the others numbers."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite spec, its title and what it shows."""

    title: str
    says: str
    spec: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Section:
    """A heading, paragraphs, things to note, tables and charts, in this order."""

    title: str
    text: Sequence[str] = ()
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()


@dataclass(frozen=True)
class Night:
    """What a report is made of.

    Attributes:
        night: which night.
        model: the model in force.
        edges, links: `match_edge` and `person_link` rows of the night.
        feeds: `record_id`, `feed`.
        rows: all of what `conform.prepare` returns.
        groups: `evaluation.groups_of` of the golden people.
        clerical: what reviewers' decisions say; None where too few were made.
        truth: `record_id`, `person`; None where nobody knows.
        true_groups: `evaluation.true_groups`; None likewise.
    """

    night: date
    model: Model
    edges: pl.DataFrame
    links: pl.DataFrame
    feeds: pl.DataFrame
    rows: pl.DataFrame
    groups: pl.DataFrame
    clerical: Clerical | None = None
    truth: pl.DataFrame | None = None
    true_groups: pl.DataFrame | None = None


def sections(told: Night) -> list[Section]:
    """The whole report, in order."""
    expected = evaluation.expected(told.edges, told.links, told.groups)
    held = evaluation.held_out(told.rows, told.model, told.links, told.groups)
    reviewed = [] if told.clerical is None else [_reviewed(told.clerical)]
    return [
        _glance(told, expected.row(0, named=True), held.row(0, named=True)),
        *(by_truth(told) if told.truth is not None else ()),
        *reviewed,
        _without_truth(told, expected, held),
        _card(told),
        _charts(told),
    ]


def by_truth(told: Night) -> list[Section]:
    """The part of the report that needs the truth: by group and by pair of feeds; none where nobody knows."""
    if told.truth is None or told.true_groups is None:
        return []
    return [
        _by_truth(evaluation.by_group(told.links, told.truth, told.true_groups)),
        _by_feed(evaluation.by_feed_pair(told.links, told.truth, told.feeds)),
    ]


# -- figures ---------------------------------------------------------------------------------------------------------


def percent(value: float | None, places: int = 2) -> str:
    """A share as it is read; a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{places}%}"


def span(value: float | None, low: float | None, high: float | None, places: int = 2) -> str:
    """A share with its interval."""
    if value is None or low is None or high is None or math.isnan(value):
        return "-"
    return f"{value:.{places}%} ({low:.{places}%} to {high:.{places}%})"


def _glance(told: Night, expected: Mapping[str, Any], held: Mapping[str, Any]) -> Section:
    rows: list[tuple[str, ...]] = []
    if told.truth is not None:
        right = evaluation.scores(told.links, told.truth)
        for name, kind, of in (
            ("pairs", "pair", "every pair of records of one person, compared or not"),
            ("B-cubed", "bcubed", "of each record: how much of its person is its own, how much of its own is there"),
        ):
            shares = (percent(right[f"{kind}_precision"]), percent(right[f"{kind}_recall"]))
            rows.append((f"The truth, {name}", of, *shares))
    if (found := told.clerical) is not None:
        both = (span(each.value, each.low, each.high, 1) for each in (found.precision, found.recall))
        rows.append(("Reviewers, on a random sample", "the pairs that were compared", *both))
    shares = (percent(expected["precision"]), percent(expected["recall"]))
    rows.append(("The model's own expectation", "the pairs that were compared; as right as the model is", *shares))
    if held["pairs"]:
        of = f"{held['pairs']:,} pairs that share an id and have names: those joined by all but the id"
        rows.append(
            ("Shared valid ids, held out", of, "-", span(held["recall"], held["recall_low"], held["recall_high"], 1))
        )
    sizes = told.links["person_id"].value_counts()["count"].to_list()
    alone = sizes.count(1) / max(len(sizes), 1)
    text = [
        f"{told.links.height:,} records stand for {len(sizes):,} people. The largest person has "
        f"{max(sizes, default=0)} records; {percent(alone, 1)} of people have one."
    ]
    table = Table("Precision and recall, by who says so", ("By", "Of what", "Precision", "Recall"), rows, words=2)
    return Section("In short", text, (), (table,))


def _by_truth(table: pl.DataFrame) -> Section:
    said = evaluation.differences(table)
    notes = said or ["No group's links differ from everyone else's by more than chance explains."]
    text = [
        "Missed and wrong links are not spread fairly: people whose names are written in many ways, who move often or "
        "whose records lack an id are missed more, and where names are few and widely shared strangers are mistaken "
        "for one person. A pair that is one person counts for that person's group, a pair that stands together for "
        "both.",
        "The origin of a name is guessed from short lists of names and endings; it is wrong for many a person and is "
        "used for this table alone.",
    ]
    tables = []
    for characteristic, label in GROUPS.items():
        of = table.filter(pl.col("characteristic") == characteristic)
        few = of.filter(pl.col("people") < TOLD_FROM).height
        rows = [
            (
                row["group"],
                f"{row['people']:,}",
                f"{row['true']:,}",
                span(row["precision"], row["precision_low"], row["precision_high"], 1),
                span(row["recall"], row["recall_low"], row["recall_high"], 1),
                f"{row['bcubed_f1']:.4f}",
            )
            for row in of.filter(pl.col("people") >= TOLD_FROM).iter_rows(named=True)
        ]
        more = f" ({few} groups of fewer than {TOLD_FROM} people left out)" if few else ""
        head = (label, "People", "True pairs", "Precision", "Recall", "B-cubed F1")
        tables.append(Table(f"By {label.lower()}{more}", head, rows))
    return Section("Whom links fail, by the truth", text, notes, tables)


def _by_feed(table: pl.DataFrame) -> Section:
    rows = [
        (
            f"{row['feed_l']}, {row['feed_r']}",
            f"{row['true']:,}",
            f"{row['true'] - row['right']:,}",
            f"{row['found'] - row['right']:,}",
            span(row["precision"], row["precision_low"], row["precision_high"], 1),
            span(row["recall"], row["recall_low"], row["recall_high"], 1),
        )
        for row in table.head(25).iter_rows(named=True)
    ]
    more = f"; the {len(rows)} of {table.height} that miss most" if table.height > len(rows) else ""
    head = ("Feeds", "True pairs", "Missed", "Wrong", "Precision", "Recall")
    return Section("By pair of feeds, by the truth", tables=(Table(f"Links between two feeds{more}", head, rows),))


def _reviewed(found: Clerical) -> Section:
    rows = [
        (
            row["stratum"],
            "together" if row["linked"] else "apart",
            f"{row['size']:,}",
            f"{row['drawn']:,}",
            f"{row['decided']:,}",
            f"{row['same']:,}",
            span(row["share"], row["low"], row["high"], 1),
        )
        for row in found.strata.iter_rows(named=True)
    ]
    text = [
        "Pairs were drawn at random within each line of the table and decided by reviewers; each line counts as much "
        "as it has pairs (Cochran 1977). The intervals follow Jeffreys' prior for each line (Brown, Cai and DasGupta "
        "2001); those in the table are Wilson's.",
        f"{found.unsure:,} pairs of the sample are not decided.",
        "Pairs that no key brought together are in no sample, unless they stand with one person: a pair missed in "
        "this way is not counted in the recall.",
    ]
    head = ("Weight", "Stands", "Pairs", "Drawn", "Decided", "One person", "Share")
    return Section(
        "What reviewers decided of a random sample", text, tables=(Table("The sample", head, rows, words=2),)
    )


def _without_truth(told: Night, expected: pl.DataFrame, held: pl.DataFrame) -> Section:
    ids = evaluation.by_ids(told.edges, told.links, told.model, told.groups)
    people = {
        (name, group): many
        for name in GROUPS
        for group, many in told.groups.group_by(pl.col(name).cast(pl.String).fill_null(evaluation.UNKNOWN))
        .len()
        .iter_rows()
    }
    key = ["characteristic", "group"]
    joined = expected.join(held, on=key, how="left", nulls_equal=True, suffix="_held", maintain_order="left").join(
        ids, on=key, how="left", nulls_equal=True, maintain_order="left"
    )
    tables = []
    for characteristic, label in GROUPS.items():
        rows = [
            (
                row["group"],
                f"{people[characteristic, row['group']]:,}",
                percent(row["precision"]),
                percent(row["recall"]),
                span(row["recall_held"], row["recall_low"], row["recall_high"], 1) if row["pairs"] else "-",
                f"{row['same_apart'] or 0:,} of {row['same'] or 0:,}",
                f"{row['different_together'] or 0:,} of {row['different'] or 0:,}",
            )
            for row in joined.filter(pl.col("characteristic") == characteristic).iter_rows(named=True)
            if people.get((characteristic, row["group"]), 0) >= TOLD_FROM
        ]
        head = (
            label,
            "People",
            "Expected precision",
            "Expected recall",
            "Found without ids",
            "Same NHS number, apart",
            "Two NHS numbers, together",
        )
        tables.append(Table(f"By {label.lower()}", head, rows))
    text = [
        "What follows needs neither truth nor reviewers. The expectation adds up the model's own probabilities. The "
        "next column takes pairs of records with names that share a valid NHS number, UPN or child id, hides the ids, "
        "and asks how many the rest would join. The last two compare links with NHS numbers that both records hold; "
        "the numbers are evidence of the model too, so that these show how often other evidence overrules them.",
        "Groups here are those of the golden people as they stand: a record that was missed counts as a person of its "
        "own, often with little known about it.",
    ]
    return Section("What can be known without the truth", text, tables=tables)


def _card(told: Night) -> Section:
    model = told.model
    low, high = model.grey
    facts = model.facts
    unseen = list(facts.get("levels_merged", ()))
    plain = {
        "records": "Records it was trained on",
        "pairs_sharing_an_id": "Pairs that share a valid id, from which m was counted",
        "pairs_drawn": "Pairs drawn at random, from which u was counted",
        "seed": "Seed",
    }
    rows = [("Model", model.model_id), ("Prior", f"one pair in {1 / model.prior:,.0f} is one person")]
    rows += [(label, f"{facts[name]:,}") for name, label in plain.items() if isinstance(facts.get(name), int)]
    rows += [
        ("Pairs are joined from", f"{model.cut:+.2f} bits ({1 / (1 + 2.0**-model.cut):.1%})"),
        ("A person should look between", f"{low:+.2f} and {high:+.2f} bits"),
        ("What is compared", ", ".join(c.name for c in model.comparisons)),
        ("Levels never seen in training", ", ".join(unseen) or "none"),
        ("Made with", ", ".join(f"{name} {version(name)}" for name in TOOLS)),
    ]
    text = [
        "Meant for: finding the records of one person among the feeds of one council. Not meant for: deciding anything "
        "about a person, or linking across councils, where names are as common as the model learnt here.",
        "Limits: probabilities hold as far as comparisons are independent, given that two records are one person or "
        "are not; rules over several comparisons correct where they are not (relatives at one address). Pairs that no "
        "blocking key brings together are never seen. How common each name is lies in the vault and is not shown.",
    ]
    return Section("The model", text, tables=(Table("Model card", ("What", "Value"), rows, words=2),))


# -- charts ----------------------------------------------------------------------------------------------------------


def _charts(told: Night) -> Section:
    weights, probabilities = parameters(told.model)
    return Section(
        "Charts",
        [
            "Made by Splink. A weight is in bits: one more doubles the odds that two records are one person.",
        ],
        charts=(
            Chart(
                "What each outcome of a comparison is worth",
                "Bars to the right speak for one person, to the left against.",
                weights,
            ),
            Chart(
                "How often each outcome is seen",
                "Left: among pairs that are one person (m). Right: among pairs that are not (u).",
                probabilities,
            ),
            Chart("Pairs by weight", "Every pair kept tonight; pairs above the cut are joined.", histogram(told.edges)),
            Chart(
                "Records that could not be linked to themselves",
                "The share of records that say so little that not even a copy of them would reach a weight: what no "
                "model can find.",
                unlinkables(told.rows, told.model),
            ),
        ),
    )


def parameters(model: Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splink's charts of match weights and of m and u, as Vega-Lite specs, with levels named as the evidence is."""
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    comparisons: list[Any] = []
    for comparison in model.comparisons:
        levels: list[Any] = [cll.CustomLevel("false", "missing").configure(is_null_level=True)]
        told = zip(comparison.levels, model.m[comparison.name], model.u[comparison.name], strict=True)
        for place, (level, m, u) in enumerate(told):
            sql = f"a_l = {place}"  # which level is which is all that the charts are told
            levels.append(cll.CustomLevel(sql, level.label).configure(m_probability=m, u_probability=u))
        comparisons.append(cl.CustomComparison(output_column_name=comparison.name, comparison_levels=levels))
    creator = SettingsCreator(
        link_type="dedupe_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on("a")],
        probability_two_random_records_match=model.prior,
    )
    settings = creator.get_settings("duckdb")
    return _plain(settings.match_weights_chart().chart_dict), _plain(settings.m_u_parameters_chart().chart_dict)


def _plain(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec whose data say nothing of how levels are recognised, which nobody reads a chart for."""
    spec["data"]["values"] = [
        {name: value for name, value in row.items() if name != "sql_condition"} for row in spec["data"]["values"]
    ]
    return spec


def histogram(edges: pl.DataFrame) -> dict[str, Any]:
    """Splink's histogram of match weights."""
    from splink.internals.charts import MatchWeightsHistogramChart

    low = ((pl.col("match_weight") / BIN).floor() * BIN).alias("splink_score_bin_low")
    bars = edges.group_by(low).len("count_rows").sort("splink_score_bin_low")
    bars = bars.with_columns(
        (pl.col("splink_score_bin_low") + BIN).alias("splink_score_bin_high"), pl.lit(BIN).alias("binwidth")
    )
    chart = MatchWeightsHistogramChart(bars.to_dicts())
    chart.set_width_height(width=700, height=250)
    spec: dict[str, Any] = chart.chart_dict
    return spec


def unlinkables(rows: pl.DataFrame, model: Model, seed: int = 1) -> dict[str, Any]:
    """Splink's chart of records that could not be linked to themselves, of at most 50,000 records at random."""
    from splink.internals.charts import UnlinkablesChart

    some = rows.sample(ALONE, seed=seed).sort("uid") if rows.height > ALONE else rows
    pairs = pl.DataFrame({"uid_l": some["uid"], "uid_r": some["uid"]})
    weights = compare(conform(some), pairs, model, -math.inf, None)["weight"].round(1)
    counted = weights.value_counts().sort("weight").rename({"weight": "match_weight"})
    share = (pl.col("count") / max(some.height, 1)).alias("prop")
    counted = counted.select(
        "match_weight",
        (1 / (1 + 2.0 ** -pl.col("match_weight").clip(-60, 60))).alias("match_probability"),
        share,
        share.cum_sum().alias("cum_prop"),
    ).filter(pl.col("match_weight") < np.inf)
    spec: dict[str, Any] = UnlinkablesChart(counted.to_dicts()).chart_dict
    for layer in spec["layer"]:
        if axis := layer.get("encoding", {}).get("x", {}).get("axis"):
            axis["format"] = "+d"
    return spec


def lines(parts: Iterable[Section]) -> list[str]:
    """Sentences and tables as a terminal shows them; charts are left out."""
    told = []
    for part in parts:
        told += ["", part.title, ""]
        told += [f"  {note}" for note in part.notes]
        for table in part.tables:
            told += ["", f"  {table.caption}"]
            every = [tuple(table.head), *table.rows]
            widths = [max(len(row[i]) for row in every) for i in range(len(table.head))]
            for row in every:
                cells = [
                    cell.ljust(wide) if place < table.words else cell.rjust(wide)
                    for place, (cell, wide) in enumerate(zip(row, widths, strict=True))
                ]
                told.append("    " + "  ".join(cells).rstrip())
    return told
