"""Other people's data: files with whatever columns they have, deduplicated and linked without a contract or a model.

What belongs here: what a column means, by its header and by what it holds, and what is then compared and looked up. How
the weights are learned from the file itself belongs in `linkage.mixture`; the council's own records have a model of
their own (`linkage.model`), which knows more of what people's records are like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

from feeds.cleaning import NO_VALUE
from feeds.names import folded, split_names
from linkage.blocking import BUDGET, Rule, blocks
from linkage.cluster import components, refine
from linkage.comparisons import Comparison, Level, extra
from linkage.evaluation import scores
from linkage.mixture import Mixture, learn
from linkage.names import canonical_names, family_names, sounds

FEWEST = 100  # records below which nothing can be learned of strangers
SAMPLE = 20_000  # records of which the sizes of blocks are measured
RULES = 31  # ways to meet, at most
LATEST = 2030  # a birth year of two digits is of the last hundred years before it

# What a column is, by its header in lower case with single spaces. The first that fits.
MEANINGS: dict[str, str] = {
    "row": r"(?:(?:unique|rec|record|row|source|entry|line|pk|index|original) ?)?(?:id|no|num|number|key|index|nr)"
    r"|rownum|unnamed.*|uid|uuid|guid|index|record",
    "nhs_number": r"nhs(?: ?(?:no|num|number|id))?|new nhs(?: number)?",
    "identifier": r"(?:soc(?:ial)? sec(?:urity)?(?: ?(?:id|no|num|number))?|ssn|sin|ni ?(?:no|number)|nino|"
    r"national insurance(?: (?:no|number))?|passport(?: (?:no|number))?|upn|"
    r"tax (?:id|no|number)|medicare(?: (?:no|number))?|"
    r"(?:driving )?licen[cs]e(?: (?:no|number))?|national id|uln|voter ?(?:reg(?: num)?|id))",
    "forename": r"(?:given|first|fore|christian|f)(?: ?names?)?|forenames?|fname|vorname|prenom|"
    r"(?:fname|first name) c\d",
    "middle_names": r"(?:middle|mid|second|other)(?: ?(?:names?|initials?|init))?|mname|midl name",
    "surname": r"(?:sur|last|family|l|maiden)(?: ?name)?|surname|lname|lname c\d|nachname|family name c\d|nom",
    "full_name": r"(?:full |person |patient |customer |client |tenant |contact |voter )?name",
    "birth_date": r"(?:d ?o ?b|date of birth|birth ?date|birth ?day|birth dt|dt of birth|born|date birth|birth|"
    r"geburtsdatum)",
    "birth_year": r"(?:y ?o ?b|birth ?year|year of birth|year birth|by)",
    "birth_month": r"(?:m ?o ?b|birth ?month|month of birth|bm)",
    "birth_day": r"(?:day of birth|birth day of month|bd)",
    "sex": r"(?:sex|gender)(?: code)?",
    "title": r"title|salutation|prefix|suffix|name (?:prefix|suffix|sufx)(?: cd)?",
    "phone": r"(?:(?:home|work|mobile|cell|contact|full|primary) ?)?(?:tele?phone|phone|mobile|cell|tel)"
    r"(?: ?(?:no|num|number))?",
    "email": r"e ?mail(?: ?address)?",
    "house_number": r"(?:street|house|building|flat|unit|apartment|apt|property)(?: ?(?:no|num|number|nr))|house|hno",
    "address": r"(?:(?:full|home|postal|street|residential|res|current) )?(?:address|addr)(?: ?(?:line ?)?1)?(?: desc)?"
    r"|street(?: ?name| ?address)?|road|strasse",
    "address_more": r"(?:address|addr|add)(?: ?line)? ?[2-9]|line ?[2-9]|locality|district|building ?name|house ?name",
    "town": r"suburb|town|city|(?:res )?city(?: desc)?|place|village|post ?town|municipality|ort",
    "state": r"state(?: cd| code)?|county|province|region|country|land",
    "postcode": r"post ?code|post ?al ?code|zip(?: ?code)?|pcode|plz|pc",
    "uprn": r"uprn|property (?:ref|reference)",
}  # fmt: skip
SEVERAL = ("middle_names", "house_number", "address", "address_more", "town", "state", "phone", "email", "identifier")
KINDS = ("text", "code", "number", "date")  # what an unrecognised column is compared as
SEXES = {"M": "M", "MALE": "M", "MAN": "M", "BOY": "M", "1": "M", "F": "F", "FEMALE": "F", "WOMAN": "F", "GIRL": "F",
         "2": "F", "W": "F"}  # fmt: skip
# a date, a number as long as an id's, an email address or a postcode: no column is called so
NO_HEADER = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}$|^\d{8,}$|\S@\S|^[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$"
MONTHS = {name: f"{n:02}" for n, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1)}  # noqa: SIM905


class FileProblem(Exception):
    """The files cannot be linked as asked; says why and what to do. It names columns and files, never a value."""


@dataclass(frozen=True)
class Asked:
    """What the caller says of the files.

    Attributes:
        meanings: column to meaning (a key of `MEANINGS`) or kind (`KINDS`), where the header does not tell.
        ignore: columns that are not looked at.
        id: the column that names a row in the output; None leaves the row's number.
        truth: a column that tells who is who; not looked at.
    """

    meanings: Mapping[str, str] = field(default_factory=dict)
    ignore: Sequence[str] = ()
    id: str | None = None
    truth: str | None = None


@dataclass(frozen=True)
class Found:
    """What came of it.

    Attributes:
        rows: `file`, `row` (from 1), `id` (where a column was named), `group` (from 1) and `probability` (that of the
            strongest pair that holds the row in its group; null where it is alone).
        meanings: of each column, what it was taken for: a meaning, a kind, or why it is left out.
        comparisons: what was compared.
        model: what was learned.
        pairs: how many pairs of rows were compared.
    """

    rows: pl.DataFrame
    meanings: Mapping[str, str]
    comparisons: tuple[Comparison, ...]
    model: Mixture
    pairs: int


def read(paths: Sequence[Path]) -> pl.DataFrame:
    """Rows of CSV and Parquet files as text, trimmed, what stands for nothing as null; `#file`, `#row` before them.

    Raises:
        FileProblem: a file that is missing, empty or neither.
    """
    frames = []
    for path in paths:
        if not path.is_file():
            raise FileProblem(f"There is no file {path}.")
        if path.suffix.lower() in (".parquet", ".pq"):
            try:
                frame = pl.read_parquet(path)
            except pl.exceptions.PolarsError:
                raise FileProblem(f"{path.name} is no Parquet file.") from None
            nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
            frame = frame.drop(nested).cast(pl.String)
        else:
            frame = _delimited(path)
        frame = frame.rename({name: name.strip() for name in frame.columns})
        text = pl.all().str.strip_chars()
        frame = frame.select(pl.when(~text.str.to_uppercase().str.contains(NO_VALUE)).then(text).name.keep())
        known = pl.lit(path.name).alias("#file"), pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("#row")
        frames.append(frame.select(*known, pl.all()))
    whole = pl.concat(frames, how="diagonal")
    if whole.height < FEWEST:
        raise FileProblem(f"{whole.height} rows are too few to learn from; {FEWEST} are needed.")
    return whole


def _delimited(path: Path) -> pl.DataFrame:
    with path.open("rb") as lines:
        head = lines.readline()
    marks = {mark: head.count(mark.encode()) for mark in (",", ";", "\t", "|")}
    mark = max(marks, key=lambda one: marks[one])
    if not marks[mark]:
        raise FileProblem(f"{path.name} has no columns that a comma, semicolon, tab or bar parts in its first line.")
    try:
        frame = pl.read_csv(path, separator=mark, infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as error:
        kind = type(error).__name__
        raise FileProblem(f"{path.name} cannot be read as text parted by {mark!r} ({kind}).") from None
    if any(re.search(NO_HEADER, name.strip(), re.IGNORECASE) for name in frame.columns):
        raise FileProblem(
            f"The first line of {path.name} looks like somebody's row. Write a line with the columns' names above it."
        )
    return frame


def meanings(rows: pl.DataFrame, asked: Asked) -> dict[str, str]:
    """What each column is: a meaning, a kind, or `-` and why it is left out.

    Raises:
        FileProblem: a column that was named and is not there, or a meaning that nobody knows.
    """
    columns = [name for name in rows.columns if not name.startswith("#")]
    named = [*asked.meanings, *asked.ignore, *(name for name in (asked.id, asked.truth) if name)]
    if strange := [name for name in named if name not in columns]:
        raise FileProblem(f"There is no column {', '.join(strange)}. There are: {', '.join(columns)}.")
    known = [*MEANINGS, *KINDS]
    if strange := sorted({what for what in asked.meanings.values() if what not in known}):
        raise FileProblem(f"No column can be {', '.join(strange)}. It can be: {', '.join(known)}.")
    found: dict[str, str] = {}
    for name in columns:
        if name in asked.ignore:
            found[name] = "- left out as asked"
        elif name in (asked.id, asked.truth):
            found[name] = "- the row's id" if name == asked.id else "- the truth"
        elif name in asked.meanings:
            found[name] = asked.meanings[name]
        else:
            what = _by_header(name)
            told = what and (what in SEVERAL or what not in found.values())
            found[name] = what if told and what else _by_content(rows[name])
    return {name: "- names the row" if what == "row" else what for name, what in found.items()}


def _by_header(name: str) -> str | None:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    plain = re.sub(r"[^a-z0-9]+", " ", words.lower()).strip()
    return next((what for what, pattern in MEANINGS.items() if re.fullmatch(pattern, plain)), None)


def _by_content(values: pl.Series) -> str:
    """The kind of an unrecognised column, by what it holds."""
    told = values.drop_nulls()
    if told.len() < 0.02 * len(values):
        return "- hardly ever filled"
    different = told.n_unique()
    if different < 2:
        return "- always the same"
    if _mean(_dates(told).is_not_null() & told.str.contains(r"\D")) > 0.8:
        return "date"
    spaced = _mean(told.str.contains(" "))
    if different == told.len() and not spaced:
        return "- different in every row"
    if _mean(told.cast(pl.Float64, strict=False).is_not_null()) > 0.95:
        coded = _mean(told.str.len_chars()) >= 5 or told.str.contains(r"^0\d").any() or different <= 20
        return "code" if coded and _mean(told.str.contains(r"^\d+$")) > 0.95 else "number"
    return "text" if spaced > 0.1 or different > 50 else "code"


def _dates(told: pl.Series) -> pl.Series:
    """Dates as eight digits, year first, in whatever order the column writes them; parts that no calendar has are kept.

    What is told in part ends in zeros: 1980 is 19800000. Null where there is no date to be seen.
    """
    text = told.str.to_uppercase().str.replace(r"[T ]\d{1,2}:\d\d.*$", "")
    for month, number in MONTHS.items():
        text = text.str.replace(rf"\b(\d{{1,2}})\W*{month}[A-Z]*\W*(\d{{4}}|\d{{2}})\b", rf"$1/{number}/$2")
        text = text.str.replace(rf"\b{month}[A-Z]*\W*(\d{{1,2}})\W+(\d{{4}})\b", rf"$1/{number}/$2")
    rows = pl.DataFrame({"text": text}).with_columns(
        pl.col("text").str.extract_groups(r"^(\d{1,4})\D(\d{1,2})\D(\d{1,4})$").struct.rename_fields(["a", "b", "c"])
        .alias("parts"),
        pl.col("text").str.extract(r"^(\d{8})$").alias("digits"),
        pl.col("text").str.extract(r"^(\d{4})(?:\D(\d{1,2}))?$", 1).alias("year"),
        pl.col("text").str.extract(r"^(\d{4})(?:\D(\d{1,2}))?$", 2).alias("month"),
    ).unnest("parts")  # fmt: skip

    def share(condition: pl.Expr) -> float:
        return float(rows.select(condition.mean()).item() or 0.0)

    def figures(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Int32, strict=False)

    year_first = share(pl.col("a").str.len_chars() == 4) > share(pl.col("c").str.len_chars() == 4)
    year, rest = ("a", ("b", "c")) if year_first else ("c", ("a", "b"))
    # the month is the part that hardly ever exceeds twelve; where both do not, it comes second
    first, second = (share(figures(part) > 12) for part in rest)
    month, day = rest if year_first else rest[::-1]
    if (first > second + 0.05) if year_first else (second > first + 0.05):
        month, day = day, month
    century = pl.when(figures(year) + 2000 < LATEST).then(figures(year) + 2000).otherwise(figures(year) + 1900)
    whole = pl.when(pl.col(year).str.len_chars() == 4).then(figures(year)).otherwise(century)
    spread = pl.concat_str(
        whole.cast(pl.String), pl.col(month).str.zfill(2), pl.col(day).str.zfill(2).str.tail(2)
    )  # fmt: skip
    plausible = share(pl.col("digits").str.head(4).cast(pl.Int32, strict=False).is_between(1800, LATEST))
    digits = pl.col("digits")
    if plausible < 0.5 * share(digits.is_not_null()):  # day, month, year in one
        digits = digits.str.tail(4) + digits.str.slice(2, 2) + digits.str.head(2)
    partly = pl.concat_str("year", pl.col("month").fill_null("0").str.zfill(2), pl.lit("00"))
    return rows.select(pl.coalesce(spread, digits, partly)).to_series()


@dataclass
class _Told:
    """What is known of the rows.

    Attributes:
        columns: by name.
        comparisons: by the column without which they cannot be made.
        own: names of the comparisons of what is a person's own, and not a family's.
        keys: of each field the columns by which rows meet.
    """

    columns: dict[str, pl.Series] = field(default_factory=dict)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    keys: dict[str, list[str]] = field(default_factory=dict)

    def compare(
        self, name: str, column: str, levels: Sequence[Level], missing: str | None = None, own: bool = False
    ) -> None:
        told = f"{column}_l is null or {column}_r is null"
        self.comparisons[column] = Comparison(name, f"{told} or {missing}" if missing else told, tuple(levels))
        self.own |= {name} if own else set()

    def meet(self, name: str, **columns: pl.Series) -> None:
        self.columns |= columns
        self.keys.setdefault(name, []).extend(columns)


def _upper(values: pl.Series) -> pl.Series:
    plain = folded(pl.col("v").str.to_uppercase()).str.replace_all(r"['’]", "").str.replace_all(r"[^\p{L}\p{N}]+", " ")
    return values.to_frame("v").select(plain.str.strip_chars().replace("", None)).to_series()


def _all(*columns: pl.Series) -> pl.Series:
    """The distinct values of several columns in one list, null where there is none."""
    frame = pl.DataFrame([c.alias(str(n)) for n, c in enumerate(columns)])
    lists = frame.select(pl.concat_list(pl.all()).list.drop_nulls().list.unique().list.sort().alias("v"))
    return lists.select(pl.when(pl.col("v").list.len() > 0).then("v")).to_series()


def _joined(columns: Sequence[pl.Series]) -> pl.Series:
    frame = pl.DataFrame([c.alias(str(n)) for n, c in enumerate(columns)])
    text = frame.select(pl.concat_str(pl.all(), separator=" ", ignore_nulls=True).replace("", None).alias("v"))
    return text.to_series()


def _sound(values: pl.Series) -> pl.Series:
    return values.to_frame("name").join(sounds(values), on="name", how="left", maintain_order="left")["sound"]


def _near(column: str, typos: int = 1) -> str:
    """So few letters apart; what is cheap to work out is asked first."""
    lengths = f"abs(length({column}_l) - length({column}_r)) <= {typos}"
    return f"({lengths} and {_alike(column, 0.7)} and damerau_levenshtein({column}_l, {column}_r) <= {typos})"


def _alike(column: str, least: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {least}"


def _names(it: _Told, forename: pl.Series, surname: pl.Series) -> None:
    both = {"forename": forename, "surname": surname}
    for name, values in both.items():
        found = (canonical_names if name == "forename" else family_names)(values)
        meant = values.to_frame("name").join(found, on="name", how="left", maintain_order="left")
        it.columns |= {name: values, f"{name}s": meant["canonical"], f"{name}_sound": _sound(values)}
    crossed = " or ".join(
        f"(forename_{one} = surname_{other} and jaro_winkler_similarity(surname_{one}, forename_{other}) > 0.8)"
        for one, other in ("lr", "rl")
    )
    turned = f"coalesce(forename_l <> surname_l and ({crossed}), false)"
    for name in both:
        levels = [
            Level("the same", f"{name}_l = {name}_r", 0.8, name),
            Level("another form of it", f"list_has_any({name}s_l, {name}s_r)", 0.04),
            Level("one letter apart", f"{_near(name)} and length({name}_l) > 3", 0.06),
            Level("alike", f"{_alike(name, 0.88)} or {name}_sound_l = {name}_sound_r", 0.04),
            Level("initial", f"(length({name}_l) = 1 or length({name}_r) = 1) and {name}_l[1] = {name}_r[1]", 0.02),
            Level("somewhat alike", _alike(name, 0.75), 0.01),
            Level("different", "", 0.03),
        ]
        if name == "forename":
            levels.insert(1, Level("forename and surname turned round", turned, 0.02))
        it.compare(name, name, levels, turned if name == "surname" else None, own=name == "forename")
    sounding = _all(it.columns["forename_sound"], it.columns["surname_sound"])
    two = sounding.to_frame("s").select(pl.when(pl.col("s").list.len() == 2).then(pl.col("s").list.join("|")))
    heads = _all(forename.str.head(3), surname.str.head(3))
    it.meet("name", name_sounds=sounding, name_both=two.to_series(), name_heads=heads)


def _birth(it: _Told, text: pl.Series) -> None:
    year, month, day = (text.str.slice(at, long).replace(["00", "0000"], None) for at, long in ((0, 4), (4, 2), (6, 2)))
    it.columns |= {"born": text, "year": year.cast(pl.Int32, strict=False), "month": month, "day": day}
    two = "(year_l = year_r)::int + (month_l = month_r)::int + (day_l = day_r)::int = 2"
    partly = "year_l = year_r and coalesce(month_l = month_r, true) and coalesce(day_l = day_r, true)"
    levels = (
        Level("the same", "born_l = born_r", 0.9),
        Level("day and month turned round", "year_l = year_r and month_l = day_r and day_l = month_r", 0.01),
        Level("one figure apart", _near("born"), 0.04),
        Level("two parts of three", f"coalesce({two}, false)", 0.02),
        Level("the same as far as told", partly, 0.01),
        Level("two figures apart", _near("born", 2), 0.01),
        Level("different", "", 0.02),
    )
    it.compare("birth date", "born", levels, own=True)
    parts = pl.DataFrame({"t": text, "y": year, "m": month, "d": day})
    pairs = [parts.select(pl.concat_str(pl.lit(a + b), a, b)).to_series() for a, b in ("ym", "yd", "md")]
    whole = parts.select(pl.when(pl.all_horizontal(pl.col("y", "m", "d").is_not_null())).then("t")).to_series()
    it.meet("birth date", born_key=whole, born_parts=_all(*pairs))


def _text(it: _Told, name: str, column: str, values: pl.Series, also: str | None = None) -> None:
    """A text of some words; `also` names the column of a text with which it may have changed places."""
    squeezed = values.str.replace_all(" ", "")
    it.columns |= {column: values, f"{column}_squeezed": squeezed}
    levels = [
        Level("the same", f"{column}_l = {column}_r", 0.75, column),
        Level("one letter apart", _near(f"{column}_squeezed"), 0.08),
        Level("alike", f"{_near(f'{column}_squeezed', 2)} or {_alike(column, 0.9)}", 0.06),
        Level("somewhat alike", _alike(column, 0.75), 0.03),
        Level("different", "", 0.08),
    ]
    if also:
        swapped = f"coalesce({column}_l = {also}_r, false) or coalesce({column}_r = {also}_l, false)"
        levels.insert(1, Level("the other line", swapped, 0.03))
    it.compare(name, column, levels)


def _code(it: _Told, name: str, column: str, values: pl.Series, own: bool = False, rare: bool = True) -> None:
    it.columns[column] = values
    levels = [Level("the same", f"{column}_l = {column}_r", 0.9, column)]
    if _mean(values.str.len_chars()) >= 3:
        levels.append(Level("one character apart", _near(column), 0.05))
    it.compare(name, column, [*levels, Level("different", "", 0.05)], own=own)
    if rare:
        it.meet(name, **{f"{column}_key": values})


def _mean(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type]


def _words(values: pl.Series) -> pl.Series:
    """The sounds of a text's words of letters."""
    words = values.str.split(" ").list.unique().to_frame("w").with_row_index("n").explode("w").drop_nulls()
    words = words.filter(pl.col("w").str.contains(r"^\p{L}{3}"))
    heard = words.join(sounds(words["w"]), left_on="w", right_on="name").drop_nulls("sound")
    lists = heard.unique(["n", "sound"]).sort("n", "sound").group_by("n", maintain_order=True).agg("sound")
    return pl.DataFrame({"n": range(len(values))}).join(
        lists.cast({"n": pl.Int64}), on="n", how="left", maintain_order="left"
    )["sound"]


def _conformed(rows: pl.DataFrame, meant: Mapping[str, str]) -> _Told:
    """What is compared of the rows, by what each column means."""
    it = _Told()
    of: dict[str, list[str]] = {}
    for column, what in meant.items():
        of.setdefault(what, []).append(column)

    def one(what: str) -> pl.Series | None:
        return rows[of[what][0]] if what in of else None

    nothing = pl.Series([None] * rows.height, dtype=pl.String)
    full, forename, surname = one("full_name"), one("forename"), one("surname")
    middle = [rows[name] for name in of.get("middle_names", [])]
    if full is not None and forename is None and surname is None:
        names = split_names(full.fill_null(""), surname_first=False)
        forename, surname, middle = names["forename"], names["surname"], [names["middle_names"], *middle]
    if forename is not None or surname is not None:
        _names(it, *(_upper(nothing if s is None else s) for s in (forename, surname)))
    if middle and (between := _upper(_joined(middle))).is_not_null().any():
        it.columns["middle"] = between
        levels = (
            Level("the same", "middle_l = middle_r", 0.7, "middle"),
            Level("initial agrees", "middle_l[1] = middle_r[1]", 0.22),
            Level("different", "", 0.08),
        )
        it.compare("middle names", "middle", levels, own=True)
    if (told := one("birth_date")) is not None:
        _birth(it, _dates(told))
    elif "birth_year" in of:
        year, month, day = (one(f"birth_{part}") for part in ("year", "month", "day"))
        parts = [nothing.fill_null("0") if s is None else s.str.extract(r"^(\d+)").fill_null("0") for s in (month, day)]
        text = pl.DataFrame({"y": year, "m": parts[0], "d": parts[1]}).select(
            pl.concat_str("y", pl.col("m").str.zfill(2), pl.col("d").str.zfill(2))
        )
        _birth(it, text.to_series())
    if (sex := one("sex")) is not None:
        values = sex.str.to_uppercase().replace_strict(SEXES, default=None, return_dtype=pl.String)
        it.columns["sex"] = values
        it.compare("sex", "sex", (Level("the same", "sex_l = sex_r", 0.98), Level("different", "", 0.02)))
    for n, name in enumerate(of.get("phone", [])):
        digits = rows[name].str.replace_all(r"\D", "").str.tail(9).replace("", None)
        _code(it, name, f"phone_{n}", digits)
    for n, name in enumerate(of.get("email", [])):
        _code(it, name, f"email_{n}", rows[name].str.to_lowercase())
    for n, name in enumerate([*of.get("nhs_number", []), *of.get("identifier", []), *of.get("uprn", [])]):
        _code(it, name, f"id_{n}", _upper(rows[name]).str.replace_all(" ", ""), own=name not in of.get("uprn", []))
    _where(it, rows, of)
    for n, name in enumerate(name for name, what in meant.items() if what in KINDS):
        _other(it, name, f"x_{n}", rows[name], meant[name])
    return it


def _where(it: _Told, rows: pl.DataFrame, of: Mapping[str, list[str]]) -> None:
    lines = [_upper(rows[name]) for name in (*of.get("address", []), *of.get("address_more", []))]
    numbers = [_upper(rows[name]) for name in of.get("house_number", [])]
    if lines and not numbers:
        numbers = [lines[0].str.extract_all(r"\b\d+[A-Z]?\b").list.join(" ").replace("", None)]
        lines[0] = lines[0].str.replace_all(r"\b\d+[A-Z]?\b", " ").str.replace_all(" +", " ").str.strip_chars()
        lines[0] = lines[0].replace("", None)
    for n, line in enumerate(lines):
        also = {0: "line_1", 1: "line_0"}.get(n) if len(lines) > 1 else None
        _text(it, f"address, line {n + 1}" if n else "address", f"line_{n}", line, also)
    if lines:
        it.meet("address", street_words=_words(_joined(lines)))
    if numbers:
        _code(it, "house number", "number", _joined(numbers))
    for n, name in enumerate(of.get("town", [])):
        _text(it, name, f"town_{n}", _upper(rows[name]))
        it.meet(name, **{f"town_{n}_words": _words(it.columns[f"town_{n}"])})
    for n, name in enumerate(of.get("state", [])):
        _code(it, name, f"state_{n}", _upper(rows[name]), rare=False)
    if "postcode" in of:
        _code(it, "postcode", "postcode", _upper(rows[of["postcode"][0]]).str.replace_all(" ", ""))
        scrambled = it.columns["postcode"].str.split("").list.sort().list.join("")
        it.meet("postcode", postcode_scrambled=scrambled)


def _other(it: _Told, name: str, column: str, values: pl.Series, kind: str) -> None:
    """A column that nobody recognised, as what it holds."""
    if kind == "text":
        _text(it, name, column, _upper(values))
        it.meet(name, **{f"{column}_words": _words(it.columns[column])})
    elif kind == "code":
        _code(it, name, column, values.str.to_uppercase())
    else:
        dated = _dates(values).str.to_date("%Y%m%d", strict=False)
        it.columns[column] = values.cast(pl.Float64, strict=False) if kind == "number" else dated
        it.comparisons[column] = extra(name, column, kind)
        it.meet(name, **{f"{column}_key": values})


def _ways(people: pl.DataFrame, keys: Mapping[str, list[str]], budget: float) -> dict[str, Rule]:
    """In which ways rows meet: by what is rare enough alone, and by two things of each two fields, the rarest first.

    Pairs are counted on a sample, and grow with the square of its share of the rows.
    """
    sample = people.sample(min(people.height, SAMPLE), seed=1)
    growth = (people.height / sample.height) ** 2

    def pairs(columns: tuple[str, ...]) -> float:
        rows = sample.select("uid", *columns).drop_nulls()
        for column in columns:
            if isinstance(rows.schema[column], pl.List):
                rows = rows.explode(column)
        sizes = rows.group_by(columns).len()["len"].cast(pl.Float64)
        return float((sizes * (sizes - 1)).sum()) / 2 * growth

    alone = sorted((pairs((column,)), column) for columns in keys.values() for column in columns)
    rare = {column: many for many, column in alone if many <= budget * people.height / 8}
    found: list[tuple[float, tuple[str, ...]]] = [(many, (column,)) for column, many in rare.items()]
    between = list(combinations(keys.values(), 2))
    share = budget * people.height / max(len(between), 1)
    for one, other in between:
        both: list[tuple[float, tuple[str, ...]]] = sorted(
            (pairs((a, b)), (a, b)) for a in one for b in other if a not in rare and b not in rare
        )
        # of the ways to compare two fields the widest that can be afforded
        found += [way for way in both if way[0] <= share][-1:] or both[:1]
    spent, ways = 0.0, dict[str, Rule]()
    for many, columns in sorted(found):
        if spent + many > budget * people.height or len(ways) == RULES:
            break
        spent += many
        ways[" and ".join(columns)] = Rule(columns, floods=False)
    return ways


def link(rows: pl.DataFrame, asked: Asked, budget: float = BUDGET, folder: Path | None = None) -> Found:
    """Find which rows are about one person, or one of whatever the rows are about.

    Args:
        rows: as `read` returns them.
        asked: what the caller says of the columns.
        budget: pairs a row that may be looked at, as in `linkage.blocking`.
        folder: where DuckDB may spill; None forbids it.

    Raises:
        FileProblem: nothing in the files can be compared.
    """
    meant = meanings(rows, asked)
    rows = rows.with_row_index("#order").sort(
        sorted(meant), maintain_order=True
    )  # what is learned does not rest on the order of the rows
    it = _conformed(rows, meant)
    used = [name for name, values in it.columns.items() if values.is_not_null().any()]
    comparisons = tuple(comparison for column, comparison in it.comparisons.items() if column in used)
    people = pl.DataFrame([it.columns[name].alias(name) for name in used]).with_row_index("uid").cast({"uid": pl.Int64})
    keys = {name: [c for c in columns if c in used] for name, columns in it.keys.items()}
    ways = _ways(people, keys, budget)
    if len(comparisons) < 2 or not ways:
        raise FileProblem(
            "Too little in the files can be compared. Say what columns are with --as COLUMN=MEANING; "
            f"they were taken for: {', '.join(f'{name} = {what}' for name, what in meant.items())}."
        )
    pairs = blocks(people, budget=budget, rules=ways).pairs()
    model = learn(people, pairs, comparisons, it.own, folder)
    scored = model.score(people, pairs, folder)
    component = components(people.height, scored, 0.0)
    group = refine(
        component, scored, 0.0, np.ones(people.height, dtype=bool), lambda more: model.score(people, more, folder)
    )
    inside = scored.filter(pl.Series(group[scored["uid_l"].to_numpy()] == group[scored["uid_r"].to_numpy()]))
    best = pl.concat([inside.select(pl.col(end).alias("uid"), "weight") for end in ("uid_l", "uid_r")])
    best = best.group_by("uid").agg((1 / (1 + 2.0 ** -pl.col("weight").max())).alias("probability"))
    ids = [] if asked.id is None else [pl.col(asked.id).alias("id")]
    named = rows.select(pl.col("#file").alias("file"), pl.col("#row").alias("row"), *ids)
    found = named.with_columns(pl.Series("group", group).rank("dense").cast(pl.Int64), people["uid"])
    found = found.join(best, on="uid", how="left", maintain_order="left").drop("uid")
    found = found[rows["#order"].arg_sort()]
    return Found(found, meant, comparisons, model, pairs.height)


def judged(found: Found, truth: pl.Series) -> dict[str, float]:
    """How right the groups are, where a column tells who is who: as `linkage.evaluation.scores` has it.

    Args:
        found: what came of linking.
        truth: of each row, in order; rows without it are left out.
    """
    links = found.rows.select(pl.int_range(pl.len()).alias("record_id"), pl.col("group").alias("person_id"))
    return scores(links, links.select("record_id").with_columns(truth.alias("person")).drop_nulls())
