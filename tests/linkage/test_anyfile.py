import stat
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from village import village

from linkage.anyfile import Asked, FileProblem, Found, _dates, judged, link, meanings, read
from pipelines.linkage_commands import link as command

HEADERS = {"forename": "First Name", "surname": "LastName", "birth_date": "D.O.B.", "sex": "Gender",
           "phone": "Mobile_No", "address": "Address", "postcode": "Post Code"}  # fmt: skip


@pytest.fixture(scope="module")
def some() -> pl.DataFrame:
    """Some 500 records of 240 people, with households, twins and namesakes, and no id that two feeds share."""
    records, truth = village(260, seed=11)
    told = records.filter(pl.col("feed") != "cin-census").join(truth.select("record_id", "person"), on="record_id")
    told = told.with_columns(pl.col("birth_date").dt.strftime("%d/%m/%Y"))
    return told.select("record_id", "person", *HEADERS).rename(HEADERS)


def linked(rows: pl.DataFrame, path: Path, **asked: object) -> tuple[Found, float]:
    rows.write_csv(path)
    again = read([path])
    found = link(again, Asked(id="record_id", truth="person", **asked))  # type: ignore[arg-type]
    return found, judged(found, again["person"])["pair_f1"]


def test_a_file_with_headers_of_its_own_is_deduplicated_without_being_told_anything(
    some: pl.DataFrame, tmp_path: Path
) -> None:
    found, f1 = linked(some, tmp_path / "a.csv")
    assert f1 > 0.93
    assert {HEADERS[what]: found.meanings[HEADERS[what]] for what in HEADERS} == {v: k for k, v in HEADERS.items()}
    assert found.rows.columns == ["file", "row", "id", "group", "probability"]
    alone = found.rows["group"].is_unique()
    assert found.rows["probability"].is_null().equals(alone) and (found.rows["probability"] > 0.5).all()


def test_the_order_of_the_rows_changes_no_group(some: pl.DataFrame, tmp_path: Path) -> None:
    one, _ = linked(some, tmp_path / "a.csv")
    two, _ = linked(some.sample(fraction=1.0, shuffle=True, seed=3), tmp_path / "b.csv")
    both = one.rows.join(two.rows, on="id")
    pairs = both.select("group", "group_right").unique()
    assert pairs.height == pairs["group"].n_unique() == pairs["group_right"].n_unique()


def test_several_files_of_other_shapes_are_linked_and_a_whole_name_is_taken_apart(
    some: pl.DataFrame, tmp_path: Path
) -> None:
    name = pl.concat_str("First Name", "LastName", separator=" ", ignore_nulls=True).alias("name")
    rows = some.select("record_id", "person", name, pl.exclude("record_id", "person", "First Name", "LastName"))
    half = rows.height // 2
    rows[:half].write_csv(tmp_path / "one.csv", separator=";")
    rows[half:].write_parquet(tmp_path / "two.parquet")
    again = read([tmp_path / "one.csv", tmp_path / "two.parquet"])
    found = link(again, Asked(id="record_id", truth="person"))
    assert found.meanings["name"] == "full_name"
    assert judged(found, again["person"])["pair_f1"] > 0.90
    assert found.rows.group_by("group").agg(pl.col("file").n_unique())["file"].max() == 2


def test_people_are_found_without_any_date(some: pl.DataFrame, tmp_path: Path) -> None:
    assert linked(some.drop("D.O.B."), tmp_path / "a.csv")[1] > 0.85


def test_relatives_at_one_address_are_learned_to_be_several_people(some: pl.DataFrame, tmp_path: Path) -> None:
    found, _ = linked(some, tmp_path / "a.csv")
    assert found.model.shares[1] > 0.2 * found.model.shares[0]
    again = read([tmp_path / "a.csv"])
    assert judged(found, again["person"])["pair_precision"] > 0.94


def test_columns_that_nobody_knows_are_compared_as_what_they_hold(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    letters = np.array(list("BCDFGHJKLMNPRSTVW"))

    def word(n: int) -> list[str]:
        return ["".join(rng.choice(letters, 7)) for _ in range(n)]

    things, copies = 300, 2
    base = pl.DataFrame(
        {
            "what": [f"{a} {b}" for a, b in zip(word(things), word(things), strict=True)],
            "maker": rng.choice(word(12), things),
            "ref": rng.permutation(np.arange(10_000_000, 10_000_000 + things)).astype(str),
            "weight": (rng.lognormal(3, 1, things)).round(2),
            "made": [
                date(2000 + int(n) // 360, 1 + int(n) % 12, 1 + int(n) % 28) for n in rng.integers(0, 7000, things)
            ],
        }
    ).with_row_index("person")
    rows = pl.concat([base] * copies).with_row_index("record_id").sample(fraction=1.0, shuffle=True, seed=1)
    for column in ("what", "maker", "ref", "weight", "made"):
        keep = pl.Series(rng.random(rows.height) > 0.12)
        rows = rows.with_columns(pl.when(keep).then(pl.col(column)).alias(column))
    turned = pl.col("what").str.replace(r"(.)(.)", "$2$1")
    rows = rows.with_columns(pl.when(pl.col("record_id") % 5 == 0).then(turned).otherwise("what").alias("what"))
    found, f1 = linked(rows, tmp_path / "a.csv")
    kinds = {name: found.meanings[name] for name in ("what", "maker", "ref", "weight", "made")}
    assert kinds == {"what": "text", "maker": "code", "ref": "code", "weight": "number", "made": "date"}
    assert f1 > 0.95


def test_a_column_is_what_the_caller_says_it_is(some: pl.DataFrame, tmp_path: Path) -> None:
    rows = some.rename({"First Name": "alpha", "LastName": "beta", "D.O.B.": "gamma"})
    asked = {"alpha": "forename", "beta": "surname", "gamma": "birth_date"}
    found, f1 = linked(rows, tmp_path / "a.csv", meanings=asked, ignore=("Gender",))
    assert {name: found.meanings[name] for name in asked} == asked
    assert found.meanings["Gender"].startswith("-") and f1 > 0.93


def test_what_names_a_row_or_says_nothing_is_left_out() -> None:
    rows = pl.DataFrame(
        {"rec_id": ["a", "b"] * 60, "country": ["UK"] * 120, "spare": [None] * 119 + ["x"], "same": ["y"] * 120,
         "serial": [f"s{n}" for n in range(120)]},
    )  # fmt: skip
    found = meanings(rows, Asked())
    assert [name for name, what in found.items() if not what.startswith("-")] == ["country"]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (["19080717", "19450991"], ["19080717", "19450991"]),
        (["1980-02-03", "1980-12-31T00:00:00"], ["19800203", "19801231"]),
        (["03/02/1980", "31/12/1980"], ["19800203", "19801231"]),
        (["02/03/1980", "12/31/1980"], ["19800203", "19801231"]),
        (["3.2.1980", "31.12.1980"], ["19800203", "19801231"]),
        (["3 Feb 1980", "31-December-1980"], ["19800203", "19801231"]),
        (["Feb 3, 1980", "December 31, 1980"], ["19800203", "19801231"]),
        (["03/02/80", "31/12/05"], ["19800203", "20051231"]),
        (["03021980", "31121980"], ["19800203", "19801231"]),
        (["1980", "1980-02"], ["19800000", "19800200"]),
        (["soon", None], [None, None]),
    ],
)
def test_dates_are_read_in_the_order_in_which_the_column_writes_them(
    told: list[str | None], wanted: list[str | None]
) -> None:
    assert _dates(pl.Series(told, dtype=pl.String)).to_list() == wanted


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dates(date(1910, 1, 1), date(2020, 12, 31)), min_size=1), st.sampled_from(["%Y-%m-%d", "%Y%m%d"]))
def test_dates_with_the_year_first_are_read_whatever_days_there_are(days: list[date], form: str) -> None:
    told = pl.Series([day.strftime(form) for day in days])
    assert _dates(told).to_list() == [day.strftime("%Y%m%d") for day in days]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(ignore=("shoe",)), "There is no column shoe"),
        (Asked({"Gender": "shoe"}), "No column can be shoe"),
        (Asked(ignore=("First Name", "LastName", "Mobile_No", "Address", "Post Code", "D.O.B.")), "Too little"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_remedy(
    some: pl.DataFrame, tmp_path: Path, asked: Asked, words: str
) -> None:
    some.drop("record_id", "person").write_csv(tmp_path / "a.csv")
    with pytest.raises(FileProblem, match=words):
        link(read([tmp_path / "a.csv"]), asked)


def test_files_that_are_missing_too_short_or_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,dob\nx,y\n")
    (tmp_path / "b.csv").write_text("name\nx\n")
    (tmp_path / "c.parquet").write_text("name\nx\n")
    for name, words in (
        ("a.csv", "too few"),
        ("b.csv", "no columns"),
        ("c.parquet", "no Parquet"),
        ("d.csv", "no file"),
    ):
        with pytest.raises(FileProblem, match=words):
            read([tmp_path / name])


def test_the_command_writes_ids_and_groups_alone_for_its_owners_eyes(some: pl.DataFrame, tmp_path: Path) -> None:
    some.write_csv(tmp_path / "a.csv")
    out = tmp_path / "out.csv"
    arguments = [str(tmp_path / "a.csv"), "-o", str(out), "--id", "record_id", "--truth", "person"]
    told = CliRunner().invoke(command, arguments)
    assert told.exit_code == 0, told.output
    assert "pair_f1" in told.output and "birth date" in told.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    written = pl.read_csv(out, infer_schema=False)
    assert written.columns == ["file", "row", "id", "group", "probability"] and written.height == some.height
    names = set(some["LastName"].drop_nulls())
    assert not any(name in told.output or name in out.read_text() for name in names)
    again = CliRunner().invoke(command, arguments)
    assert again.exit_code == 1 and "--replace" in again.output
    assert CliRunner().invoke(command, [*arguments, "--replace"]).exit_code == 0


def test_the_command_says_how_to_name_a_column(tmp_path: Path) -> None:
    told = CliRunner().invoke(command, [str(tmp_path / "a.csv"), "--as", "born"])
    assert told.exit_code == 2 and "COLUMN=MEANING" in told.output


def test_a_file_without_a_line_of_names_is_refused_without_quoting_its_first_row(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("QUIXOTELBY,ROSALIND,1984-03-05,QH1 1AA\n" * 200)
    told = CliRunner().invoke(command, [str(path), "-o", str(tmp_path / "out.csv")])
    assert told.exit_code == 1 and "looks like somebody's row" in told.output
    assert not [word for word in ("QUIXOTELBY", "ROSALIND", "1984", "QH1") if word in told.output]


def test_an_id_that_a_spreadsheet_would_run_is_written_inert(some: pl.DataFrame, tmp_path: Path) -> None:
    path, out = tmp_path / "some.csv", tmp_path / "out.csv"
    some.with_columns(pl.concat_str(pl.lit("=cmd|"), pl.int_range(pl.len())).alias("id")).write_csv(path)
    told = CliRunner().invoke(command, [str(path), "--id", "id", "-o", str(out)])
    assert told.exit_code == 0, told.output
    assert all(text.startswith("'=cmd|") for text in pl.read_csv(out)["id"])
