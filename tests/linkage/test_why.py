import json

import polars as pl
import pytest
from village import START

from linkage import conform, report
from linkage.evaluation import groups_of
from linkage.golden import people, profiles
from linkage.model import Model
from linkage.night import Linked
from linkage.why import held, sentences, table, waterfall, why
from warehouse.tables import PLACE

NOTHING = pl.DataFrame(schema={"record_l": pl.String, "record_r": pl.String, "verdict": pl.String, "by": pl.String})


@pytest.fixture(scope="module")
def rows(records: pl.DataFrame) -> pl.DataFrame:
    return conform.prepare(records)[0]


@pytest.fixture(scope="module")
def stands(linked: Linked) -> dict[str, str]:
    return dict(linked.links.select("record_id", "person_id").iter_rows())


def test_the_steps_sum_up_to_the_weight_that_the_night_kept(rows: pl.DataFrame, linked: Linked, model: Model) -> None:
    every = linked.edges.sort("match_weight")
    for edge in every[[0, every.height // 3, -1]].iter_rows(named=True):
        told = why(rows, model, linked.edges, linked.links, NOTHING, edge["record_r"], edge["record_l"])
        assert told.weight == pytest.approx(edge["match_weight"], abs=1e-6)
        assert table(told)[-1][3] == pytest.approx(told.weight, abs=1e-6)
        assert told.scored


def test_who_stands_together_by_way_of_others_is_told_the_way(
    rows: pl.DataFrame, linked: Linked, model: Model, stands: dict[str, str]
) -> None:
    weak = linked.edges.filter(pl.col("match_weight") < model.cut)
    edge = next(e for e in weak.iter_rows(named=True) if stands[e["record_l"]] == stands[e["record_r"]])
    told = why(rows, model, linked.edges, linked.links, NOTHING, edge["record_l"], edge["record_r"])
    assert told.together
    assert len(told.path) >= 2
    ends = [record for link in told.path for record in (link.record_l, link.record_r)]
    assert {r for r in ends if ends.count(r) == 1} == set(told.pair)
    said = " ".join(sentences(told))
    assert said.startswith("Yes: ")
    assert "by way of" in said
    assert "would not join them" in said


def test_what_forbids_and_what_people_decided_is_told_in_words(
    rows: pl.DataFrame, linked: Linked, model: Model, stands: dict[str, str], truth: pl.DataFrame
) -> None:
    role = truth.join(rows.select("record_id", "forename", "birth_date"), on="record_id").drop_nulls()
    twins = role.join(role, on=["household", "birth_date"], suffix="_r").filter(
        (pl.col("person") < pl.col("person_r")) & (pl.col("role_r") == "twin")
    )
    pair = sorted(twins.sort("record_id", "record_id_r").select("record_id", "record_id_r").row(0))
    decided = pl.DataFrame(
        {"record_l": pair[:1], "record_r": pair[1:], "verdict": ["never"], "by": ["register"]}, schema=NOTHING.schema
    )
    told = why(rows, model, linked.edges, linked.links, decided, *pair)
    said = " ".join(sentences(told))
    assert said.startswith("No: ")
    assert "twins" in said
    assert "the do-not-link register says: never to be linked" in said


def test_a_person_is_held_together_by_the_strongest_links_and_falls_apart_at_the_weakest(
    linked: Linked, model: Model
) -> None:
    many = linked.links["person_id"].value_counts().sort("count", "person_id", descending=True)
    person, size = many.row(0)
    told = held(person, linked.links, linked.edges, model)
    assert told.records == size
    assert len(told.tree) + told.loose == size - 1
    assert [link.weight for link in told.tree] == sorted(link.weight for link in told.tree)
    assert told.halves is not None
    assert sum(told.halves) == size - told.loose or told.loose
    alone = linked.links.filter(pl.col("by") == "founder")["person_id"][0]
    assert held(alone, linked.links, linked.edges, model).tree == ()
    with pytest.raises(KeyError):
        held("nobody", linked.links, linked.edges, model)


def test_no_name_date_or_number_is_in_an_explanation_or_in_the_report(
    records: pl.DataFrame, rows: pl.DataFrame, linked: Linked, model: Model, truth: pl.DataFrame
) -> None:
    golden = people(records, linked.links, {}, START)
    groups = groups_of(golden, profiles(golden, PLACE.empty(), START))
    true = truth.select("record_id", "person")
    per = truth.select("person").unique().with_columns(*(pl.lit(None, pl.String).alias(c) for c in groups.columns[1:]))
    night = report.Night(
        START, model, linked.edges, linked.links, records.select("record_id", "feed"), rows, groups, None, true, per
    )
    parts = report.sections(night)
    edge = linked.edges.sort("match_weight").row(-1, named=True)
    told = why(rows, model, linked.edges, linked.links, NOTHING, edge["record_l"], edge["record_r"])
    charts = [json.dumps(chart.spec) for part in parts for chart in part.charts] + [json.dumps(waterfall(told))]
    text = " ".join([*report.lines(parts), *(t for part in parts for t in part.text), *sentences(told), *charts])
    words = set(text.replace('"', " ").replace(",", " ").replace(".", " ").replace(";", " ").split())
    for column in ("forename", "surname", "nhs_number", "upn", "email", "phone"):
        values = {value for value in records[column].drop_nulls() if len(value) > 2}
        assert not words & {form for value in values for form in (value, value.title())}, column
    assert len(charts) == 5
    assert all('"values": [{' in chart for chart in charts)
