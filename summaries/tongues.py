"""The two languages in which a person is told of their own data: dates, spans, and Kinfold's own names for things.

What belongs here: Kinfold's own words, in English and in Welsh. A council's words are in its site, in English alone,
and are marked as such in a Welsh document; sentences stand in the templates of each language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from governance.rights import ACCEPTED, EXPORTS, MARTS, OPEN, PROFILING, REFUSED, SAFEGUARDING, SHARING, UPHELD


@dataclass(frozen=True)
class Tongue:
    """One language.

    Attributes:
        code: as HTML has it.
        months: their names, January first.
        since, until, between: a date with no end, with no beginning, and with both (`{0}`, `{1}`).
        unknown: where no date is known.
        somebody: what stands in the place of another person's name.
        hidden: what stands in the place of an address that is protected.
        by: names, by what they name and its key.
    """

    code: str
    months: tuple[str, ...]
    since: str
    until: str
    between: str
    unknown: str
    somebody: str
    hidden: str
    by: Mapping[str, Mapping[str, str]]

    @property
    def english(self) -> bool:
        """Whether a council's own words need no mark."""
        return self.code.startswith("en")

    def say(self, day: date | None) -> str:
        """A date in words; nothing for none."""
        return f"{day.day} {self.months[day.month - 1]} {day.year}" if day else ""

    def span(self, start: date | None, end: date | None) -> str:
        """From when until when, in words."""
        if start and end:
            return self.say(start) if start == end else self.between.format(self.say(start), self.say(end))
        if start:
            return self.since.format(self.say(start))
        return self.until.format(self.say(end)) if end else self.unknown

    def name(self, what: str, key: Any) -> str | None:
        """What a key is called; None where Kinfold itself has no word for it."""
        return self.by[what].get(str(key)) if key is not None else None


ENGLISH = Tongue(
    code="en-GB",
    months=("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December"),
    since="Since {}",
    until="Until {}",
    between="{} to {}",
    unknown="Date not known",
    somebody="[another person]",
    hidden="Not printed in this document, because the address is protected",
    by={
        "attribute": {
            "forename": "Forename", "middle_names": "Other forenames", "surname": "Surname",
            "other_names": "Other names", "birth_date": "Date of birth", "death_date": "Date of death", "sex": "Sex",
            "ethnicity": "Ethnicity (their code)", "nhs_number": "NHS number", "upn": "Unique pupil number",
            "ni_number": "National Insurance number", "la_child_id": "The council’s child number",
            "email": "Email address", "phone": "Telephone", "address": "Address", "postcode": "Postcode",
            "uprn": "Property number", "other_addresses": "Other addresses", "source_key": "Their own number for you",
            "household_key": "Their own number for your household", "seen_on": "Last contact",
        },
        "sex": {"M": "Male", "F": "Female"},
        "name": {"alias": "also known as", "former": "former name", "preferred": "preferred name"},
        "kin": {
            "parent": "Your parent", "mother": "Your mother", "father": "Your father", "child": "Your child",
            "sibling": "Your brother or sister", "partner": "Your partner", "carer": "Your carer",
            "cared_for": "A person you care for", "foster_carer": "Your foster carer", "fostered": "Your foster child",
            "step_parent": "Your step-parent", "step_child": "Your step-child", "grandparent": "Your grandparent",
            "grandchild": "Your grandchild", "other_relative": "Another relative of yours",
        },
        "after": {"end": "after it ended", "birth": "after you were born", "last": "after the last thing of its kind"},
        "lived": {"main": "Your home", "second": "Your other home", "former": "A former home"},
        "joined": {
            "founder": "It is the first record of you that we had",
            "bridge": "It holds a number that belongs to you alone, such as an NHS number",
            "probability": "Its name, date of birth and address are like those in your other records",
            "council": "The council’s own list of people says that it is about you",
            "reviewer": "A member of staff looked at the records and decided that it is about you",
        },
        "said_by": {"child": "You", "family": "A member of your family", "practitioner": "A worker"},
        "band": {"very high": "very high", "high": "high", "raised": "raised"},
        "kind": {
            "summary": "Summary of a case", "report": "Report on errors in records", "recall": "Notice of a mistake",
            "export": "List without names", "share_back": "List for a partner", "subject": "A document like this one",
        },
        "use": {
            PROFILING: "flags and other calculations about you", MARTS: "planning and analysis",
            EXPORTS: "research", SHARING: "sharing of what an organisation told us",
            SAFEGUARDING: "sharing to keep people safe",
        },
        "decision": {
            UPHELD: "Agreed: it stops", REFUSED: "Not agreed: it goes on", OPEN: "Not answered yet",
            ACCEPTED: "Accepted",
        },
        "action": {
            "reveal": "Looked at who you are", "many": "Looked at many people in a day, you among them",
            "read": "Looked at how your records were put together",
            "decide": "Checked which records are about you", "withdraw": "Checked which records are about you",
            "protect": "Checked which records are about you", "unprotect": "Checked which records are about you",
            "refuse": "Asked to see your information, and was refused",
            "recall": "Took back a file that was wrong", "export": "Made a list that you are on",
            "find": "Searched for you by name and date of birth", "subject": "Dealt with what you asked for",
            "audit": "Looked up who had looked at your information",
        },
    },
)  # fmt: skip

WELSH = Tongue(
    code="cy-GB",
    months=("Ionawr", "Chwefror", "Mawrth", "Ebrill", "Mai", "Mehefin", "Gorffennaf", "Awst", "Medi", "Hydref",
            "Tachwedd", "Rhagfyr"),
    since="Ers {}",
    until="Hyd {}",
    between="{} hyd {}",
    unknown="Dyddiad ddim yn hysbys",
    somebody="[person arall]",
    hidden="Heb ei argraffu yn y ddogfen hon, am fod y cyfeiriad wedi’i ddiogelu",
    by={
        "attribute": {
            "forename": "Enw cyntaf", "middle_names": "Enwau canol", "surname": "Cyfenw", "other_names": "Enwau eraill",
            "birth_date": "Dyddiad geni", "death_date": "Dyddiad marw", "sex": "Rhyw",
            "ethnicity": "Ethnigrwydd (eu cod nhw)", "nhs_number": "Rhif GIG", "upn": "Rhif unigryw disgybl",
            "ni_number": "Rhif Yswiriant Gwladol", "la_child_id": "Rhif plentyn y cyngor",
            "email": "Cyfeiriad e-bost", "phone": "Rhif ffôn", "address": "Cyfeiriad", "postcode": "Cod post",
            "uprn": "Rhif yr eiddo", "other_addresses": "Cyfeiriadau eraill",
            "source_key": "Eu rhif nhw ar eich cyfer chi", "household_key": "Eu rhif nhw ar gyfer eich aelwyd",
            "seen_on": "Cysylltiad diwethaf",
        },
        "sex": {"M": "Gwryw", "F": "Benyw"},
        "name": {"alias": "enw arall", "former": "enw blaenorol", "preferred": "enw a ffefrir"},
        "kin": {
            "parent": "Eich rhiant", "mother": "Eich mam", "father": "Eich tad", "child": "Eich plentyn",
            "sibling": "Eich brawd neu’ch chwaer", "partner": "Eich partner", "carer": "Eich gofalwr",
            "cared_for": "Person rydych yn gofalu amdano", "foster_carer": "Eich gofalwr maeth",
            "fostered": "Eich plentyn maeth", "step_parent": "Eich llys-riant", "step_child": "Eich llysblentyn",
            "grandparent": "Eich mam-gu neu’ch tad-cu (nain neu daid)", "grandchild": "Eich ŵyr neu’ch wyres",
            "other_relative": "Perthynas arall i chi",
        },
        "after": {"end": "ar ôl iddo ddod i ben", "birth": "ar ôl i chi gael eich geni",
                  "last": "ar ôl y peth olaf o’i fath"},
        "lived": {"main": "Eich cartref", "second": "Eich cartref arall", "former": "Cartref blaenorol"},
        "joined": {
            "founder": "Dyma’r cofnod cyntaf amdanoch a gawsom",
            "bridge": "Mae’n cynnwys rhif sy’n perthyn i chi yn unig, megis rhif GIG",
            "probability": "Mae’r enw, y dyddiad geni a’r cyfeiriad ynddo yn debyg i’r rhai yn eich cofnodion eraill",
            "council": "Mae rhestr y cyngor ei hun o bobl yn dweud mai amdanoch chi y mae",
            "reviewer": "Edrychodd aelod o staff ar y cofnodion a phenderfynu mai amdanoch chi y mae",
        },
        "said_by": {"child": "Chi", "family": "Aelod o’ch teulu", "practitioner": "Gweithiwr"},
        "band": {"very high": "uchel iawn", "high": "uchel", "raised": "uwch nag arfer"},
        "kind": {
            "summary": "Crynodeb o achos", "report": "Adroddiad am wallau mewn cofnodion",
            "recall": "Hysbysiad am gamgymeriad", "export": "Rhestr heb enwau", "share_back": "Rhestr ar gyfer partner",
            "subject": "Dogfen fel hon",
        },
        "use": {
            PROFILING: "baneri a chyfrifiadau eraill amdanoch", MARTS: "cynllunio a dadansoddi", EXPORTS: "ymchwil",
            SHARING: "rhannu’r hyn a ddywedodd sefydliad wrthym", SAFEGUARDING: "rhannu er mwyn cadw pobl yn ddiogel",
        },
        "decision": {
            UPHELD: "Cytunwyd: mae’n dod i ben", REFUSED: "Ni chytunwyd: mae’n parhau", OPEN: "Heb ei ateb eto",
            ACCEPTED: "Derbyniwyd",
        },
        "action": {
            "reveal": "Edrych ar bwy ydych chi", "many": "Edrych ar lawer o bobl mewn diwrnod, a chithau yn eu plith",
            "read": "Edrych ar sut y cafodd eich cofnodion eu rhoi at ei gilydd",
            "decide": "Gwirio pa gofnodion sydd amdanoch chi", "withdraw": "Gwirio pa gofnodion sydd amdanoch chi",
            "protect": "Gwirio pa gofnodion sydd amdanoch chi", "unprotect": "Gwirio pa gofnodion sydd amdanoch chi",
            "refuse": "Gofyn am gael gweld eich gwybodaeth, a chael gwrthod hynny",
            "recall": "Tynnu yn ôl ffeil a oedd yn anghywir", "export": "Gwneud rhestr rydych arni",
            "find": "Chwilio amdanoch yn ôl enw a dyddiad geni", "subject": "Delio â’ch cais",
            "audit": "Chwilio am bwy oedd wedi edrych ar eich gwybodaeth",
        },
    },
)  # fmt: skip

TONGUES = {"en": ENGLISH, "cy": WELSH}
