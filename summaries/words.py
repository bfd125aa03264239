"""Facts in words: names, dates, codes and numbers as people read them, in columns.

What belongs here: saying what a row holds in the site's vocabulary, and making source text inert. Which rows may be
said belongs in `summaries.permitted`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

import polars as pl

from summaries.wording import Wording

_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")


def say(day: date) -> str:
    """A date as 3 September 2026."""
    return f"{day.day} {day:%B %Y}"


def say_dates(text: str) -> str:
    """Text with its ISO dates said as 3 September 2026."""
    return _ISO.sub(lambda found: say(date(int(found[1]), int(found[2]), int(found[3]))), text)


def tidy(column: str) -> pl.Expr:
    """Source text made inert: no control or direction characters, and nothing that a spreadsheet would run."""
    bare = pl.col(column).str.replace_all(r"[\p{Cc}\p{Cf}]+", " ").str.strip_chars()
    return bare.str.replace(r"^[=+\-@\s]+", "")


def proper(column: str) -> pl.Expr:
    """A name or address in upper case as people write it."""
    return tidy(column).str.to_titlecase()


def day(column: str) -> pl.Expr:
    """A date as 3 September 2026."""
    return pl.col(column).dt.strftime("%-d %B %Y")


def full_name() -> pl.Expr:
    name = pl.concat_str("forename", "surname", separator=" ", ignore_nulls=True)
    return pl.when(name == "").then(pl.lit("Name not known")).otherwise(name)


def _as_words(column: str) -> pl.Expr:
    bare = tidy(column).str.replace_all("[_-]", " ")
    return pl.concat_str(bare.str.head(1).str.to_uppercase(), bare.str.slice(1))


def called(column: str, names: Mapping[str, str]) -> pl.Expr:
    """What the site calls a key; what it does not name, as plain words."""
    return pl.col(column).replace_strict(names, default=_as_words(column), return_dtype=pl.String)


def _around(form: str, middle: pl.Expr) -> pl.Expr:
    return pl.concat_str(f"{form}_before", middle, f"{form}_after")


def _thousands(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.replace(r"(\d)(\d{3})$", "$1,$2").str.replace(r"(\d)(\d{3},)", "$1,$2")


def rows_in_words(rows: pl.DataFrame, wording: Wording) -> pl.DataFrame:
    """Add what, detail, when, year, source and said_by: each row as it will be read."""
    words = wording.vocabulary
    categories = words.categories
    names = {key: category.name for key, category in categories.items()}
    codes = pl.DataFrame(
        [(key, code, said) for key, category in categories.items() for code, said in category.codes.items()],
        schema={"category": pl.String, "code": pl.String, "code_said": pl.String},
        orient="row",
    )
    forms = pl.DataFrame(
        [
            (key, *c.code.partition("{}")[::2], *c.value.partition("{}")[::2], c.unit, c.spell)
            for key, c in categories.items()
        ],
        schema=["category", "code_before", "code_after", "value_before", "value_after", "unit", "spell"],
        orient="row",
    )
    number = (
        pl.when(pl.col("unit") == "percent")
        .then(pl.format("{}%", (pl.col("value") * 100).round().cast(pl.Int64)))
        .when(pl.col("unit") == "pounds")
        .then(pl.format("£{}", _thousands(pl.col("value").round().cast(pl.Int64))))
        .when(pl.col("value") == pl.col("value").round())
        .then(pl.col("value").cast(pl.Int64).cast(pl.String))
        .otherwise(pl.col("value").round(1).cast(pl.String))
    )
    both = pl.col("category").is_in(["involvement", "voice"])
    title = (
        pl.when(pl.col("category") == "involvement")
        .then(called("title", wording.services))
        .otherwise(called("title", words.topics))
    )
    involved = pl.concat_str(
        called("team_name", {}), called("worker_role", words.worker_roles), separator=", ", ignore_nulls=True
    )
    detail = pl.concat_str(
        pl.when(pl.col("unit") != "none").then(_around("value", number)),
        pl.coalesce("code_said", _around("code", tidy("code"))),
        separator="; ",
        ignore_nulls=True,
    )
    month = pl.col("start").dt.truncate("1mo") == pl.col("end").dt.truncate("1mo")
    first = pl.when(month).then(pl.col("start").dt.strftime("%-d")).otherwise(day("start"))
    spell = both | pl.col("spell").fill_null(False)
    return (
        rows.join(codes, on=["category", "code"], how="left")
        .join(forms, on="category", how="left")
        .with_columns(pl.col("unit").fill_null("number"), pl.col(r"^(code|value)_(before|after)$").fill_null(""))
        .with_columns(
            what=pl.when(both).then(title).otherwise(called("category", names)),
            detail=pl.when(pl.col("category") == "voice").then(pl.lit("")).when(both).then(involved).otherwise(detail),
            when=pl.when(pl.col("start").is_null()).then(pl.lit("Date not shared"))
            .when((pl.col("category") != "voice") & (pl.col("end").dt.date() > pl.col("start").dt.date()))
            .then(pl.format("{} to {}", first, day("end")))
            .when(spell & pl.col("open") & (pl.col("category") != "voice")).then(pl.format("Since {}", day("start")))
            .otherwise(day("start")),
            year=pl.col("start").dt.strftime("%Y").fill_null("Date not shared"),
            source=called("partner", wording.partners),
            said_by=pl.when(pl.col("category") == "voice")
            .then(called("code", words.said_by).fill_null("Not shared")),
            words=pl.col("words").str.replace_all(r"[^\n\P{Cc}]|\p{Cf}", "").str.strip_chars().fill_null(""),
        )
        .drop("code_said", r"^(code|value)_(before|after)$", "unit", "spell", "title", "team_name", "worker_role")
    )  # fmt: skip
