"""Ids last: through nights of churn, feeds that replace each other, records that come back, any order of rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from test_linkage_night import churn
from village import KEY, START, finish, village

from benchmarks.linkage import lasting
from linkage import identity
from linkage.decisions import SETTLED, Told
from linkage.model import Model
from linkage.night import Linked, link

NEXT = START + timedelta(days=1)


def held(records: pl.DataFrame) -> Callable[[pl.Series], pl.DataFrame]:
    """What a night's records said, as the vault would tell it."""
    return lambda ids: records.filter(pl.col("record_id").is_in(ids.implode()))


def renamed(records: pl.DataFrame, feed: str = "new-system") -> pl.DataFrame:
    """The same rows in another system, with keys of its own."""
    return records.with_columns((pl.col("record_id") + "-" + feed).alias("record_id"), pl.lit(feed).alias("feed"))


def test_through_nights_of_churn_links_equal_a_full_run_and_every_change_of_id_is_told(model: Model) -> None:
    def nights() -> Iterator[tuple[date, pl.DataFrame]]:
        rows = village(250, seed=4)[0]
        yield START, rows
        for step in range(1, 7):
            rows = churn(rows, seed=40 + step, share=0.0033)
            rows = rows.filter(~pl.col("record_id").str.ends_with(f"-{40 + step}") | (pl.col("row_hash") % 10 == 0))
            yield START + timedelta(days=step), rows

    found = lasting(nights(), model)
    assert found["unchanged"] > 500 and found["kept"] >= 0.999
    assert found["ids"] > 20 and found["unexplained"] == 0
    assert found["unlike"] == 0


def test_a_person_whose_records_all_change_feed_in_one_night_keeps_the_id(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    who = linked.links.filter(pl.len().over("person_id") > 2)["person_id"].unique().sort()[:3]
    own = records.join(linked.links.filter(pl.col("person_id").is_in(who.implode())), on="record_id", how="semi")
    others = records.join(own, on="record_id", how="anti")
    night = pl.concat([others, renamed(own)])
    after = link(night, linked, model, NEXT, KEY, vanished=held(records))
    assert set(after.links.filter(pl.col("record_id").str.ends_with("-new-system"))["person_id"]) == set(who)
    told = after.lineage.filter(night=NEXT)
    assert set(told["change"]) == {"carried_over"} and set(told["person_id"]) == set(who)
    whole = link(night, linked, model, NEXT, KEY, vanished=held(records), full=True)
    assert whole.links.equals(after.links) and whole.lineage.equals(after.lineage)


def test_a_feed_replaced_by_another_leaves_people_their_ids(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    old = records.filter(feed="gp-register")
    alone = linked.links.filter((pl.len() == 1).over("person_id")).join(old, on="record_id", how="semi")
    night = pl.concat([records.filter(pl.col("feed") != "gp-register"), renamed(old)])
    after = link(night, linked, model, NEXT, KEY, vanished=held(records))
    assert alone.height > 100
    assert alone["person_id"].is_in(after.links["person_id"].implode()).sum() > 0.95 * alone.height


def test_what_was_withdrawn_for_good_carries_no_id_over_and_is_not_remembered(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    who = min(linked.links.filter(pl.len().over("person_id") > 2)["person_id"])
    own = records.join(linked.links.filter(person_id=who), on="record_id", how="semi")
    night = pl.concat([records.join(own, on="record_id", how="anti"), renamed(own)])
    after = link(night, linked, model, NEXT, KEY, vanished=held(records), forgotten=own["record_id"])
    assert who not in after.links["person_id"]
    told = after.lineage.filter((pl.col("person_id") == who) & (pl.col("night") == NEXT))
    assert told.select("change", "because").rows() == [("retired", "withdrawal")]
    assert after.absent.join(own, on="record_id", how="semi").is_empty()
    back = link(records, after, model, NEXT + timedelta(days=1), KEY)
    assert who not in back.links["person_id"]


def test_a_veto_between_an_old_record_and_a_new_one_carries_no_id_over(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    who = min(linked.links.filter(pl.len().over("person_id") == 1)["person_id"])
    own = records.join(linked.links.filter(person_id=who), on="record_id", how="semi")
    pair = sorted([own["record_id"].item(), renamed(own)["record_id"].item()])
    never = {"record_l": pair[0], "record_r": pair[1], "verdict": "never", "by": "register", "strength": -SETTLED}
    night = pl.concat([records.join(own, on="record_id", how="anti"), renamed(own)])
    free = link(night, linked, model, NEXT, KEY, vanished=held(records))
    vetoed = link(night, linked, model, NEXT, KEY, vanished=held(records), told=Told(pl.DataFrame([never])))
    assert who in free.links["person_id"] and who not in vetoed.links["person_id"]


def test_records_that_come_back_take_their_id_up_again(linked: Linked, records: pl.DataFrame, model: Model) -> None:
    who = min(linked.links.filter(pl.len().over("person_id") > 2)["person_id"])
    own = linked.links.filter(person_id=who)
    gone = link(records.join(own, on="record_id", how="anti"), linked, model, NEXT, KEY)
    assert who not in gone.links["person_id"]
    back = link(records, gone, model, NEXT + timedelta(days=1), KEY)
    assert back.links.join(own, on="record_id", how="semi")["person_id"].unique().to_list() == [who]
    told = identity.history(back.lineage, who)
    assert told["change"].to_list() == ["founded", "retired", "returned"]
    assert told["because"].to_list() == ["evidence", "withdrawal", "evidence"]


def test_a_correction_is_named_as_the_cause_of_the_split_that_it_brings(
    linked: Linked, records: pl.DataFrame, model: Model
) -> None:
    pair = linked.links.filter(pl.len().over("person_id") == 2).sort("person_id").head(2)["record_id"]
    wrong = pl.col("record_id") == pair[0]
    rows = records.with_columns(
        pl.when(wrong).then(pl.lit("ZEBEDEE")).otherwise("forename").alias("forename"),
        pl.when(wrong).then(date(1931, 3, 4)).otherwise("birth_date").alias("birth_date"),
        *(pl.when(wrong).then(None).otherwise(name).alias(name) for name in ("nhs_number", "upn")),
    )
    after = link(finish(rows.drop("row_hash")), linked, model, NEXT, KEY)
    told = after.lineage.filter(night=NEXT)
    assert told.select("change", "because").rows() == [("split_from", "correction")]
    story = identity.history(after.lineage, told["person_id"].item())
    assert set(story["person_id"]) == {told["person_id"].item(), told["other_person_id"].item()}


def test_one_thread_or_two_and_any_order_of_rows_give_the_same_ids(
    linked: Linked, records: pl.DataFrame, model: Model, tmp_path: Path
) -> None:
    threads = "2" if pl.thread_pool_size() == 1 else "1"  # not as many as here
    records.sample(fraction=1.0, shuffle=True, seed=3).write_parquet(tmp_path / "records.parquet")
    model.save(tmp_path / "model")
    for name, frame in model.frequencies.items():
        frame.write_parquet(tmp_path / f"of-{name}.parquet")
    code = """
import sys; from datetime import date; from pathlib import Path; import polars as pl
from linkage.model import Model; from linkage.night import link
here = Path(sys.argv[1]); assert pl.thread_pool_size() == int(sys.argv[4])
names = {path.stem[3:]: pl.read_parquet(path) for path in here.glob("of-*.parquet")}
found = link(pl.read_parquet(here / "records.parquet"), None, Model.load(here / "model", names),
             date.fromisoformat(sys.argv[2]), sys.argv[3].encode(), threads=1)
for name in ("edges", "links", "lineage"):
    getattr(found, name).write_parquet(here / f"made-{name}.parquet")
"""
    command = [sys.executable, "-c", code, str(tmp_path), str(START), KEY.decode(), threads]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env={"POLARS_MAX_THREADS": threads, "PYTHONPATH": str(root)}, timeout=120)
    assert done.returncode == 0
    for name in ("edges", "links", "lineage"):
        assert pl.read_parquet(tmp_path / f"made-{name}.parquet").equals(getattr(linked, name)), name
