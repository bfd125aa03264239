"""What one sharing agreement says: the words of its file, as models.

What belongs here: how an agreement is written, and what it means in itself. Who may see what by all of a council's
agreements together is answered in `governance.agreements`; what of a changed file counts, in `governance.acceptance`.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from governance.organisation import Length, Period
from warehouse.site import Config

# UK GDPR Article 6(1), (ea) and Article 9(2) with the Data (Use and Access) Act 2025; DPA 2018 Schedule 1
ARTICLE_6 = {
    "a": "consent", "b": "a contract with the person", "c": "a legal obligation", "d": "vital interests",
    "e": "a public task", "ea": "a recognised legitimate interest", "f": "legitimate interests",
}  # fmt: skip
ARTICLE_9 = {
    "a": "explicit consent", "b": "employment, social security and social protection", "c": "vital interests",
    "d": "a not-for-profit body's own members", "e": "made public by the person", "f": "legal claims and judicial acts",
    "g": "substantial public interest", "h": "health or social care", "i": "public health",
    "j": "archiving, research and statistics",
}  # fmt: skip
SCHEDULE_1 = {
    1: "employment, social security and social protection", 2: "health or social care purposes", 3: "public health",
    4: "research", 6: "statutory and government purposes", 7: "administration of justice",
    8: "equality of opportunity or treatment", 10: "preventing or detecting unlawful acts",
    11: "protecting the public against dishonesty", 14: "preventing fraud",
    16: "support for individuals with a particular disability or medical condition", 17: "counselling",
    18: "safeguarding of children and of individuals at risk",
    19: "safeguarding of economic well-being of certain individuals", 29: "consent", 30: "vital interests",
    33: "legal claims", 36: "extension of conditions of substantial public interest",
}  # fmt: skip
_NEEDS = {"b": {1}, "h": {2}, "i": {3}, "j": {4}, "g": set(range(6, 29))}  # DPA 2018 s.10: conditions of Schedule 1
_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")
GEOGRAPHIES = ("lsoa", "msoa", "ward", "none")  # the finest first
PRECISIONS = ("day", "month", "year")


def _named(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError("a name here is made of a-z, 0-9 and hyphens, so that none looks like another")
    return value


Name = Annotated[str, AfterValidator(_named)]


class Valid(Config):
    """From which day until which, both included, and when it is to be looked at again."""

    from_: date = Field(alias="from")
    until: date
    review: date | None = None


class Signature(Config):
    """Which party signed, in which role, when, and who it was where that is told."""

    party: str
    role: str
    on: date
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, data: Any) -> Any:
        """YAML 1.1 reads the bare key `on` as true."""
        return {"on" if key is True else key: value for key, value in data.items()} if isinstance(data, dict) else data


class Basis(Config):
    """By what law data may be used: conditions of UK GDPR and of the Data Protection Act 2018, and gateways.

    May also be written as a list of citations in words, such as `UK GDPR Article 6(1)(e); Article 9(2)(g)`.

    Attributes:
        article_6: letters of Article 6(1).
        article_9: letters of Article 9(2), for special category data.
        article_10: whether data about offences are used under DPA 2018 section 10(5).
        schedule_1: paragraphs of Schedule 1 of the Data Protection Act 2018.
        gateways: the laws that let each party share, in words.
    """

    article_6: tuple[Literal["a", "b", "c", "d", "e", "ea", "f"], ...] = Field(min_length=1)
    article_9: tuple[Literal["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], ...] = ()
    article_10: bool = False
    schedule_1: tuple[Annotated[int, Field(ge=1, le=37)], ...] = ()
    gateways: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _cited(cls, data: Any) -> Any:
        """Take the citations out of lines of words; a line that cites neither law is a gateway."""
        if not isinstance(data, list | tuple) or not all(isinstance(line, str) for line in data):
            return data
        text = "; ".join(data)
        paragraphs = re.findall(r"[Ss]chedule 1\b[^;]*?paragraphs? (\d+(?:(?:, | and |, and )\d+)*)", text)
        return {
            "article_6": tuple(dict.fromkeys(re.findall(r"\b6\(1\)\((ea|[a-z])\)", text))),
            "article_9": tuple(dict.fromkeys(re.findall(r"\b9\(2\)\(([a-z])\)", text))),
            "article_10": bool(re.search(r"\bArticle 10\b", text)),
            "schedule_1": tuple(int(n) for found in paragraphs for n in re.findall(r"\d+", found)),
            "gateways": tuple(line for line in data if not re.search(r"GDPR|Schedule 1\b", line)),
        }

    def unmet(self) -> Iterator[str]:
        """Conditions of Article 9 that are cited without the paragraph of Schedule 1 that each of them needs."""
        for letter in self.article_9:
            if letter in _NEEDS and not _NEEDS[letter] & set(self.schedule_1):
                wanted = min(_NEEDS[letter]) if len(_NEEDS[letter]) == 1 else "6 to 28"
                yield (
                    f"Article 9(2)({letter}) stands with paragraph {wanted} of DPA 2018 Schedule 1 alone, which is not "
                    "cited. Add it to schedule_1, or correct article_9."
                )

    @property
    def short(self) -> str:
        """Conditions and laws by their numbers alone."""
        ten = ["Article 10"] if self.article_10 else []
        told = [*(f"6(1)({x})" for x in self.article_6), *(f"9(2)({x})" for x in self.article_9)]
        paragraphs = " and ".join(map(str, self.schedule_1))
        schedule = [f"DPA 2018 Schedule 1 paragraph{'s' if len(self.schedule_1) > 1 else ''} {paragraphs}"]
        return "; ".join([f"UK GDPR {', '.join(told)}", *ten, *(schedule if paragraphs else ()), *self.gateways])

    def lines(self) -> Iterator[str]:
        """The same in words, a condition a line."""
        yield from (f"UK GDPR Article 6(1)({letter}), {ARTICLE_6[letter]}" for letter in self.article_6)
        yield from (f"UK GDPR Article 9(2)({letter}), {ARTICLE_9[letter]}" for letter in self.article_9)
        if self.article_10:
            yield "UK GDPR Article 10 with DPA 2018 section 10(5), data about offences"
        for number in self.schedule_1:
            told = f", {SCHEDULE_1[number]}" if number in SCHEDULE_1 else ""
            yield f"DPA 2018 Schedule 1 paragraph {number}{told}"
        yield from self.gateways


class Recipient(Config):
    """A team, the roles in it that may receive, and whether its files leave encrypted to the team's public key."""

    team: str
    roles: tuple[str, ...]
    encrypt: bool = False


class Or(Config):
    """Whom an agreement covers besides those open to a service: by age in years, or by a need.

    Attributes:
        age_under, age_from: younger than this; at least this old.
        meets: cohorts and indicators of the site, one of which the person meets.
    """

    age_under: int | None = None
    age_from: int | None = None
    meets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What an agreement asks of the person that data is about.

    Attributes:
        age: whole years; None where it is not known.
        open_to: the services that work with the person now.
        household_covered: whether somebody in the same household is covered by themselves.
        meets: the cohorts and indicators that the person meets now.
    """

    age: int | None = None
    open_to: frozenset[str] = frozenset()
    household_covered: bool = False
    meets: frozenset[str] = frozenset()


class People(Config):
    """Whom an agreement covers: people open to a service, or by age or need, and their households if it says so."""

    open_to: tuple[str, ...] = ()
    or_: Or = Field(default=Or(), alias="or")
    and_household: bool = False

    def covers(self, subject: Subject) -> bool:
        """Whether a person is covered; nobody is for want of knowledge."""
        age, by = subject.age, self.or_
        young = by.age_under is not None and age is not None and age < by.age_under
        old = by.age_from is not None and age is not None and age >= by.age_from
        served = bool(subject.open_to & set(self.open_to)) or bool(subject.meets & set(by.meets))
        return young or old or served or (self.and_household and subject.household_covered)

    def expression(self) -> pl.Expr:
        """`covers` over the columns `age` (years), `open_to` (list of services), `household_covered` (Boolean).

        An agreement about people who meet a need reads the column `meets` (list) as well.
        """
        terms = [_shared("open_to", self.open_to)]
        if self.or_.age_under is not None:
            terms.append(pl.col("age") < self.or_.age_under)
        if self.or_.age_from is not None:
            terms.append(pl.col("age") >= self.or_.age_from)
        if self.or_.meets:
            terms.append(_shared("meets", self.or_.meets))
        if self.and_household:
            terms.append(pl.col("household_covered"))
        return functools.reduce(operator.or_, (term.fill_null(False) for term in terms))


def _shared(column: str, names: tuple[str, ...]) -> pl.Expr:
    return pl.col(column).list.set_intersection(list(names)).list.len() > 0


class Share(Config):
    """One clause: what one party gives to which teams."""

    from_: str = Field(alias="from")
    categories: tuple[str, ...] = Field(min_length=1)
    fields: tuple[str, ...] | None = None
    look_back: Period | None = None
    to: tuple[str, ...] = Field(min_length=1)


class Export(Config):
    """One file that may be made of what the clauses share, for one recipient, under pseudonyms of its own.

    It never gives more than the clauses do: of what they share with the recipient's team, these categories, with at
    most these fields, of at most these people, made coarser. Without a word for it, it says nothing of a place, and of
    a date no more than the year.

    Attributes:
        name: tells an agreement's exports apart.
        to: a team, or a party whose own people are one team here.
        reason: one of the agreement's.
        categories: kinds of record; of whichever partner shares them with the team.
        fields: only these columns; None is all that the clauses share.
        geography: the smallest area that is told of a person: lsoa, msoa, ward or none.
        dates: how exactly dates are told: day, month or year.
        people: of whom, if fewer than the agreement covers.
        encrypt: whether the file leaves encrypted to the team's public key.
    """

    name: Name
    to: str
    reason: str
    categories: tuple[str, ...] = Field(min_length=1)
    fields: tuple[str, ...] | None = None
    geography: Literal["lsoa", "msoa", "ward", "none"] = "none"
    dates: Literal["day", "month", "year"] = "year"
    people: People | None = None
    encrypt: bool = False


class Onward(Config):
    """To whom else what partners gave may go: a party, the partners and categories, and on what condition."""

    to: str
    from_: tuple[str, ...] = Field(alias="from", min_length=1)
    categories: tuple[str, ...] = Field(min_length=1)
    condition: str = Field(min_length=1)


class Retention(Config):
    """How long each kind of file may be kept; a kind without a length may not be made."""

    summary: Period | None = None
    export: Period | None = None
    audit: Period


def _none(value: Any) -> Any:
    if isinstance(value, str):
        if value.strip().lower() == "none":
            return ()
        raise ValueError("write `none`, or a list of parties, each with `to`, `from`, `categories` and `condition`")
    return value


class Agreement(Config):
    """One sharing agreement in one version."""

    agreement: Name
    version: int = Field(ge=1)
    purpose: str
    lawful_basis: Basis
    valid: Valid
    signed: tuple[Signature, ...]
    recipients: tuple[Recipient, ...] = Field(min_length=1)
    reasons: tuple[str, ...] = Field(min_length=1)
    people: People | None = None
    shares: tuple[Share, ...]
    exports: tuple[Export, ...] = ()
    retention: Retention
    onward_sharing: Annotated[tuple[Onward, ...], BeforeValidator(_none)]

    @property
    def name(self) -> str:
        """Agreement and version, as answers and the audit log cite it."""
        return f"{self.agreement} v{self.version}"

    def in_force(self, on: date) -> bool:
        """Whether the day lies within its dates."""
        return self.valid.from_ <= on <= self.valid.until

    def signed_by(self, party: str, on: date) -> bool:
        """Whether a party had signed by that day."""
        return any(s.party == party and s.on <= on for s in self.signed)


def longer(length: Length) -> float:
    """A length of time in days, near enough to tell the longer of two; twelve months are a year."""
    return length.count * {"d": 1.0, "m": 365.25 / 12, "y": 365.25}[length.unit]
