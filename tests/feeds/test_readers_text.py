"""CSV as it comes: encodings, layouts, ragged rows, quotation marks in and out of order, blocks cut anywhere."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest
from feedhouse import HEADER, Make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.contracts import Contract
from feeds.readers import CHUNK, Rejected, faults, frames, read, stream, text

WORDS = """\
  - name: word
    properties:
      - {name: a, logicalType: string, classification: public}
      - {name: b, logicalType: string, classification: public}
      - {name: c, logicalType: string, classification: public}
"""
DETECT = ", ".join(f"{{property: {name}, value: detect}}" for name in ("delimiter", "quote", "encoding", "headerRow"))
ROW = "1,Zoë,Siân,,,2026-01-01"


def rows(contract: Contract, data: bytes, notes: dict[str, str] | None = None) -> pl.DataFrame:
    return next(iter(read(contract, ["in/a"], lambda _: io.BytesIO(data), notes).values()))


def refusal(contract: Contract, data: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        rows(contract, data)
    return str(caught.value)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few bytes, so that small files are cut as large ones are."""
    for module in (text,):
        monkeypatch.setattr(module, "READ", 7)
        monkeypatch.setattr(module, "HEAD", 64)
    monkeypatch.setattr(text, "CHUNK", 3)
    monkeypatch.setattr(text, "LARGEST_BLOCK", 64)
    monkeypatch.setattr(frames, "CHUNK", 3)


CELL = st.text(st.sampled_from("ab ,\"\n\r;é\u00a0'x"), max_size=5)


@pytest.fixture
def words(make: Make) -> Contract:
    return make(WORDS)


@pytest.mark.usefixtures("small")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_what_a_csv_writer_wrote_is_read_back_however_blocks_are_cut(
    words: Contract, cells: list[tuple[str, str, str]], quoting: int, end: str, last: bool
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting, lineterminator=end).writerows([("a", "b", "c"), ("k", "k", "k"), *cells])  # type: ignore[arg-type]
    data = out.getvalue() if last else out.getvalue().removesuffix(end)
    found = rows(words, data.encode())
    wanted = [(i, *(cell.strip() or None for cell in row)) for i, row in enumerate([("k", "k", "k"), *cells], 2)]
    assert found.select("_row", "a", "b", "c").rows() == [row for row in wanted if any(row[1:])]
    assert found["_fault"].null_count() == found.height


@pytest.mark.usefixtures("small")
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text(st.sampled_from('ab",, '), max_size=8), max_size=10))
def test_no_line_is_lost_whatever_its_quotation_marks(words: Contract, lines: list[str]) -> None:
    """Each letter stands in a cell, or its row is set aside and said to be."""
    data = ("a,b,c\nk,k,k\n" + "".join(f"{line}\n" for line in lines)).encode()
    try:
        found = rows(words, data)
    except Rejected as refused:
        assert "quotation mark should be closed" in str(refused)
        return
    sent = sum(line.count("a") + line.count("b") for line in lines)
    read_ = "".join(cell or "" for name in "abc" for cell in found[name])
    told = found["_fault"].drop_nulls().len()
    assert (read_.count("a") + read_.count("b") == sent) or told
    assert found["_row"].is_sorted()
    assert found["_row"].max() <= 2 + len(lines)


def test_a_mark_within_a_plain_value_is_part_of_it(make: Make) -> None:
    found = rows(make(WORDS), b'a,b,c\n1,5" pipe,x\n2,6" pipe,y\n3,"z, z",w\n')
    assert found.select("a", "b", "c").rows() == [("1", '5" pipe', "x"), ("2", '6" pipe', "y"), ("3", "z, z", "w")]


def test_a_value_that_goes_on_after_its_closing_mark_sets_its_row_aside_and_no_other(make: Make) -> None:
    data = b'a,b,c\n1,"open,x\n2,b,y\n3,"q","r"\n4,"in" out,s\n5,b,t\n'
    found = rows(make(WORDS), data)
    assert found.select("_row", "a").rows() == [(2, None), (3, "2"), (4, "3"), (5, None), (6, "5")]
    assert set(found["_fault"].drop_nulls()) == {"each quotation mark that opens a value is closed at its end"}


def test_a_long_row_and_a_short_row_are_faults_of_their_own_and_empty_cells_at_the_end_are_not(make: Make) -> None:
    found = rows(make(WORDS), b"a,b,c\n1,2,3,4\n1,2\n1,2,3,,,\n1,2,3,,5\n1,2,\n\n7,8,9\n")
    long, short = "the row has no more cells than its header", "the row has no fewer cells than its header"
    assert found.select("_row", "_fault").rows() == [(2, long), (3, short), (4, None), (5, long), (6, None), (8, None)]
    assert {long, short} <= {sentence for sentence, _ in faults(make(WORDS))}


def test_one_row_too_long_and_one_too_short_do_not_make_up_for_each_other(make: Make) -> None:
    found = rows(make(WORDS), b"a,b,c\n1,2,3,\n4,5\n")
    assert found["_fault"].to_list() == [None, "the row has no fewer cells than its header"]


def test_short_rows_are_filled_where_the_contract_says_so(make: Make) -> None:
    contract = make(WORDS, server="{property: shortRows, value: fill}")
    assert rows(contract, b"a,b,c\n1\n1,2,3\n").select("a", "b", "_fault").rows() == [
        ("1", None, None),
        ("1", "2", None),
    ]
    assert "the row has no fewer cells than its header" not in dict(faults(contract))


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "utf-8;"), ("utf-8-sig", "utf-8 with byte order mark;"), ("windows-1252", "windows-1252;"),
        ("utf-16", "utf-16-le with byte order mark;"), ("utf-16-le", "utf-16-le;"), ("utf-16-be", "utf-16-be;"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_delimiter_and_header_row_are_found_and_recorded(
    make: Make, encoding: str, said: str, delimiter: str
) -> None:
    notes: dict[str, str] = {}
    whole = f"People of the borough\nas of today\n{HEADER}{ROW}\n".replace(",", delimiter)
    found = rows(make(server=DETECT), whole.encode(encoding), notes)
    assert found.select("_row", "forename", "surname").rows() == [(4, "Zoë", "Siân")]
    assert notes["in/a"].startswith(said)
    assert notes["in/a"].endswith("; header in row 3")


@pytest.mark.usefixtures("small")
def test_windows_1252_is_found_even_where_it_shows_late_in_the_file(make: Make) -> None:
    notes: dict[str, str] = {}
    data = (HEADER + "1,Ann,Bo,,,2026-01-01\n" * 30 + ROW + "\n").encode("windows-1252")
    assert rows(make(server=DETECT), data, notes)["forename"].to_list()[-1] == "Zoë"
    assert notes["in/a"].startswith("windows-1252;")


def test_a_file_of_two_encodings_is_refused_by_line(make: Make) -> None:
    data = (HEADER + ROW + "\n").encode() + (ROW + "\n").encode("windows-1252")
    assert "should be in utf-8; line 3 is not" in refusal(make(server=DETECT), data)


def test_single_quotation_marks_are_found(make: Make) -> None:
    assert rows(make(WORDS, server=DETECT), b"a,b,c\n'1, 2','x',y\n")["a"].to_list() == ["1, 2"]


def test_a_file_without_the_headers_anywhere_is_refused_with_their_names(make: Make) -> None:
    assert "one of the first 50 rows should name the columns a, b, c" in refusal(
        make(WORDS, server=DETECT), b"x,y\n1,2\n"
    )


def test_columns_come_under_their_aliases_and_not_under_two_names_at_once(make: Make) -> None:
    aka = "customProperties: [{property: aliases, value: [Letter A, Alpha]}]}"
    contract = make(
        WORDS.replace("name: a, logicalType: string, classification: public}", f"name: a, logicalType: string, {aka}")
    )
    assert rows(contract, b"c, ALPHA ,b\n3,1,2\n").select("a", "b", "c").rows() == [("1", "2", "3")]
    assert "column a should stand once" in refusal(contract, b"a,alpha,b,c\n1,1,2,3\n")


def test_a_file_without_a_header_is_read_in_the_contracts_order(make: Make) -> None:
    contract = make(WORDS, server="{property: headerRow, value: 0}")
    found = rows(contract, b"1,2,3\n4,5,6,7\n")
    assert found.select("_row", "a", "c").rows() == [(1, "1", "3"), (2, "4", "6")]
    assert found["_fault"].to_list() == [None, "the row has no more cells than its header"]
    assert "should hold 3 cells" in refusal(contract, b"1,2\n1,2\n")


def test_the_header_may_break_over_lines_within_its_quotation_marks(make: Make) -> None:
    contract = make(WORDS.replace("name: b,", 'name: b, physicalName: "the\\nb",'))
    assert rows(contract, b'a,"the\nb",c\n1,2,3\n').select("_row", "b").rows() == [(2, "2")]


def test_old_mac_line_ends_are_read(make: Make) -> None:
    assert rows(make(WORDS), b"a,b,c\r1,2,3\r4,5,6\r")["a"].to_list() == ["1", "4"]


def test_what_a_spreadsheet_spoilt_is_set_aside_and_not_guessed(make: Make) -> None:
    data = HEADER + "1.23E+09,Ann,Bo,,,2026-01-01\n2,Ann,#N/A,,,2026-01-01\n3,E+,#1,,,2026-01-01\n"
    found = rows(make(), data.encode())
    assert found.select("_fault", "_where").rows() == [
        ("no identifier was cut short by a spreadsheet, such as 1.23E+09", "column ref"),
        ("no cell holds a spreadsheet error such as #N/A", "column surname"),
        (None, None),
    ]


def test_a_header_without_rows_is_a_table_without_rows_where_another_has_some(make: Make) -> None:
    two = "".join(
        f"  - name: {name}\n    properties: [{{name: ref, logicalType: string}}]\n"
        f"    customProperties: [{{property: file, value: 'in/{name}_*.csv'}}]\n"
        for name in ("missing", "episodes")
    )
    sent = {"in/missing_2026-11-20.csv": b"ref\r\n", "in/episodes_2026-11-20.csv": b"ref\r\n1\r\n"}
    found = read(make(two), list(sent), lambda name: io.BytesIO(sent[name]))
    assert {name: frame.height for name, frame in found.items()} == {"missing": 0, "episodes": 1}


def test_a_row_longer_than_can_be_held_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LONGEST", 1 << 20)
    assert "at most 1 MB" in refusal(make(WORDS), b"a,b,c\n" + b"x" * (3 << 20))


def test_a_large_file_comes_in_chunks_and_every_row_once(make: Make) -> None:
    body = b"".join(b"%d,b,\n" % i for i in range(450_000))
    parts = [frame for _, frame in stream(make(WORDS), ["in/a"], lambda _: io.BytesIO(b"a,b,c\n" + body))]
    assert max(part.height for part in parts) <= CHUNK
    assert len(parts) < 2 * 450_000 / CHUNK
    assert pl.concat(parts)["_row"].to_list() == list(range(2, 450_002))


def test_a_file_of_line_ends_alone_does_not_swell(make: Make) -> None:
    assert rows(make(WORDS), b"a,b,c\n" + b"\n" * 3_000_000 + b"1,2,3\n")["_row"].to_list() == [3_000_002]
