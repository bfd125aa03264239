"""The canonical tables: one definition each, of columns, types, meaning and zone.

What belongs here: names, types and meanings. How a table is made belongs in the room that makes it; how it is kept
belongs in `warehouse.store`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

TIMESTAMP = pl.Datetime("us")  # always UTC, always naive: older DuckDB clients need no time zone package
ID = pl.String


class Zone(StrEnum):
    """Where a table lives, and so who may read it."""

    VAULT = "vault"  # identity, encrypted
    FACTS = "facts"  # pseudonymous
    LEDGER = "ledger"  # loads, runs, releases, who saw what
    MARTS = "marts"  # published


@dataclass(frozen=True)
class Column:
    """One column: its polars type, what it means, and whether it identifies a person by itself."""

    name: str
    type: pl.DataType | type[pl.DataType]
    meaning: str
    identity: bool = False


@dataclass(frozen=True)
class Table:
    """One canonical table.

    Attributes:
        name: as fixed in the design; also the dataset's folder.
        zone: identity columns are allowed in the vault alone.
        meaning: what a row is.
        key: the columns that no two rows share.
        open: whether declared numeric columns (features) may stand beside those named here.
        by_month: whether the dataset is kept in one part a month of `known_from`, so that `as_of` opens only the past.
    """

    name: str
    zone: Zone
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    open: bool = False
    by_month: bool = False

    def __post_init__(self) -> None:
        leaks = [c.name for c in self.columns if c.identity]
        if leaks and self.zone is not Zone.VAULT:
            raise ValueError(f"table {self.name}: {', '.join(leaks)} identify people and belong in the vault")
        missing = set(self.key) - {c.name for c in self.columns}
        if missing:
            raise ValueError(f"table {self.name}: key columns {sorted(missing)} are not among its columns")

    @property
    def schema(self) -> pl.Schema:
        """Column names and polars types, in order."""
        return pl.Schema({c.name: c.type for c in self.columns})

    def empty(self) -> pl.DataFrame:
        """A frame of no rows with this table's schema."""
        return pl.DataFrame(schema=self.schema)


NAME = pl.Struct({"kind": pl.String, "forename": pl.String, "middle_names": pl.String, "surname": pl.String})
ADDRESS = pl.Struct({"uprn": pl.String, "text": pl.String, "postcode": pl.String, "from": pl.Date, "to": pl.Date})
SOURCE_OF = pl.Struct({"attribute": pl.String, "record_id": pl.String, "feed": pl.String})
RUNNER_UP = pl.Struct({"attribute": pl.String, "value": pl.String, "feeds": pl.List(pl.String)})
_HELD: dict[str, pl.DataType | type[pl.DataType]] = {"from": pl.Date, "to": pl.Date, "feeds": pl.List(pl.String)}
HELD_NAME = pl.Struct({"forename": pl.String, "surname": pl.String, "kind": pl.String, **_HELD})
HELD_ADDRESS = pl.Struct({"uprn": pl.String, "address": pl.String, "postcode": pl.String, **_HELD})

_RECORD_ID = Column("record_id", ID, "keyed hash of the feed and the source's own key of the person")
_PERSON_ID = Column("person_id", ID, "the lasting id of a golden person; a keyed hash, never made from names or dates")
_FEED = Column("feed", pl.String, "the feed that told it, by its contract's id")
_DELIVERY = Column("delivery", pl.String, "the delivery that told it first")
_KNOWN = (
    Column("known_from", TIMESTAMP, "when Kinfold learnt it (UTC)"),
    Column("known_to", TIMESTAMP, "when Kinfold learnt that it no longer holds (UTC); null while it stands"),
)

SOURCE_RECORD = Table(
    "source_record",
    Zone.VAULT,
    "A person as one feed knows them now.",
    ("record_id",),
    (
        _RECORD_ID,
        _FEED,
        Column("source_key", pl.String, "the feed's own key of the person", identity=True),
        Column("forename", pl.String, "first forename, upper case, cleaned", identity=True),
        Column("middle_names", pl.String, "other forenames, upper case", identity=True),
        Column("surname", pl.String, "family name, upper case, cleaned", identity=True),
        Column("other_names", pl.List(NAME), "every other name with its kind: alias, former, preferred", identity=True),
        Column("birth_date", pl.Date, "date of birth; placeholders such as 1900-01-01 are null", identity=True),
        Column("death_date", pl.Date, "date of death as this feed has it", identity=True),
        Column("sex", pl.String, "M, F or null"),
        Column("ethnicity", pl.String, "ethnicity code as the feed gives it; read only to audit"),
        Column("nhs_number", pl.String, "ten digits with a valid check digit, else null", identity=True),
        Column("upn", pl.String, "unique pupil number with a valid check letter, else null", identity=True),
        Column("ni_number", pl.String, "National Insurance number, no spaces", identity=True),
        Column("la_child_id", pl.String, "the council's own child id", identity=True),
        Column("email", pl.String, "lower case", identity=True),
        Column("phone", pl.String, "digits only", identity=True),
        Column("uprn", pl.String, "unique property reference number of the current address", identity=True),
        Column("address", pl.String, "current address as text, upper case", identity=True),
        Column("postcode", pl.String, "current postcode, one space; placeholders are null", identity=True),
        Column("address_from", pl.Date, "since when at the current address, where the feed says"),
        Column("address_to", pl.Date, "until when at the current address, where the feed says"),
        Column("other_addresses", pl.List(ADDRESS), "former or second addresses with dates", identity=True),
        Column("household_key", pl.String, "the feed's own household, account, tenancy or family key", identity=True),
        Column("seen_on", pl.Date, "the latest date on which the feed shows contact with the person"),
        Column("row_hash", pl.UInt64, "hash of what linkage and survivorship read; changes when the row does"),
        _DELIVERY,
    ),
)

EVENT = Table(
    "event",
    Zone.FACTS,
    "Something that happened to a person, as one feed tells it and for as long as Kinfold held it to be so.",
    ("event_id", "known_from"),
    (
        Column("event_id", ID, "keyed hash of feed, person, type and the source's own key or start"),
        _RECORD_ID,
        _FEED,
        Column("partner", pl.String, "the party to the agreements that sent it"),
        Column("domain", pl.String, "social_care, education, police, housing, health, revenues ..."),
        Column("type", pl.String, "what happened, such as missing_episode or exclusion"),
        Column("start", TIMESTAMP, "when it began or happened"),
        Column("end", TIMESTAMP, "when it ended; null while it is open or where it has no length"),
        Column("code", pl.String, "the source's code for it"),
        Column("value", pl.Float64, "its size where it has one: sessions missed, pounds owed"),
        Column("recorded_at", TIMESTAMP, "when the source wrote it down, where it says"),
        *_KNOWN,
        _DELIVERY,
    ),
    by_month=True,
)

INVOLVEMENT = Table(
    "involvement",
    Zone.FACTS,
    "A service, team and worker role working with a person, from and to.",
    ("involvement_id", "known_from"),
    (
        Column("involvement_id", ID, "keyed hash of feed, person, service and start"),
        _RECORD_ID,
        _FEED,
        Column("partner", pl.String, "the party to the agreements that sent it"),
        Column("service", pl.String, "childrens_social_care, early_help, adult_social_care ..."),
        Column("team", pl.String, "the team, where the feed says"),
        Column("worker_role", pl.String, "the role of the worker; never a name"),
        Column("start", TIMESTAMP, "since when"),
        Column("end", TIMESTAMP, "until when; null while it is open"),
        *_KNOWN,
        _DELIVERY,
    ),
    by_month=True,
)

RELATIONSHIP = Table(
    "relationship",
    Zone.FACTS,
    "Two records and how they are related, as one feed says.",
    ("relationship_id", "known_from"),
    (
        Column("relationship_id", ID, "keyed hash of feed, both people and kind"),
        _RECORD_ID,
        Column("other_record_id", ID, "the person they are related to, known to the same feed"),
        _FEED,
        Column("partner", pl.String, "the party to the agreements that sent it"),
        Column("kind", pl.String, "what record_id is to other_record_id: parent, child, sibling, partner, carer"),
        Column("start", TIMESTAMP, "since when, where the feed says"),
        Column("end", TIMESTAMP, "until when, where the feed says"),
        *_KNOWN,
        _DELIVERY,
    ),
    by_month=True,
)

VOICE = Table(
    "voice",
    Zone.FACTS,
    "What a child, family member or practitioner said, when, and in whose words.",
    ("voice_id", "known_from"),
    (
        Column("voice_id", ID, "keyed hash of feed, person, topic and date"),
        _RECORD_ID,
        _FEED,
        Column("partner", pl.String, "the party to the agreements that sent it"),
        Column("said_by", pl.String, "child, family or practitioner"),
        Column("start", TIMESTAMP, "when it was said"),
        Column("topic", pl.String, "what was asked about"),
        Column("words", pl.String, "what was said"),
        *_KNOWN,
        _DELIVERY,
    ),
    by_month=True,
)

PLACE = Table(
    "place",
    Zone.FACTS,
    "A postcode and the small areas and deprivation it stands for.",
    ("postcode",),
    (
        Column("postcode", pl.String, "postcode, one space"),
        Column("lsoa11", pl.String, "lower layer super output area of 2011"),
        Column("lsoa21", pl.String, "lower layer super output area of 2021"),
        Column("imd_decile", pl.Int8, "decile of the index of multiple deprivation; 1 is the most deprived"),
        Column("imd_index", pl.String, "the index of `area` that the decile is of; null: the postcode's own source's"),
    ),
)

AREA = Table(
    "area",
    Zone.FACTS,
    "A small area and how deprived it is by one index; ranks and deciles compare areas of one index alone.",
    ("area", "geography", "index"),
    (
        Column("area", pl.String, "code of the lower layer super output area, such as E01000001"),
        Column("geography", pl.String, "whose areas these are: lsoa11 or lsoa21, of the census of 2011 or 2021"),
        Column("index", pl.String, "name and year of the index, such as IMD 2025 (England) or WIMD 2019 (Wales)"),
        Column("name", pl.String, "the area's name, where the source gives it"),
        Column("rank", pl.Int32, "place among the index's areas; 1 is the most deprived"),
        Column("decile", pl.Int8, "tenth of the index's areas; 1 is the most deprived"),
        Column("score", pl.Float64, "the index's score; greater is more deprived"),
    ),
)

DWELLING = Table(
    "dwelling",
    Zone.VAULT,
    "A property in the council's gazetteer.",
    ("uprn",),
    (
        Column("uprn", pl.String, "unique property reference number", identity=True),
        Column("address", pl.String, "address as text", identity=True),
        Column("postcode", pl.String, "postcode, one space", identity=True),
        Column("kind", pl.String, "home, hmo, institution, hostel or refuge"),
    ),
)

MATCH_EDGE = Table(
    "match_edge",
    Zone.FACTS,
    "Two records that were compared and how alike they are; never the values.",
    ("record_l", "record_r"),
    (
        Column("record_l", ID, "the record with the smaller id"),
        Column("record_r", ID, "the record with the greater id"),
        Column("match_weight", pl.Float64, "sum of log2(m/u) over the comparisons, prior included"),
        Column("match_probability", pl.Float64, "the weight as a probability"),
        Column("levels", pl.List(pl.Int8), "the level each comparison reached, in the model's order; -1 is missing"),
        Column(
            "by",
            pl.String,
            "what decides about the pair: bridge (a shared valid id), probability, council (its own matching), "
            "reviewer or register; what the last two decided stands in link_decision",
        ),
        Column("model_id", pl.String, "the frozen model that scored the pair"),
    ),
)

PERSON_LINK = Table(
    "person_link",
    Zone.FACTS,
    "The golden person that a record belongs to.",
    ("record_id",),
    (
        _RECORD_ID,
        _PERSON_ID,
        Column("linked_from", pl.Date, "the night since which the record has stood with this person"),
        Column("by", pl.String, "founder, bridge, probability, council or reviewer"),
        Column(
            "probability",
            pl.Float64,
            "probability of the strongest edge to the rest of the person, 1 where a reviewer decided; null if alone",
        ),
    ),
)

LINK_PAST = Table(
    "link_past",
    Zone.FACTS,
    "A time during which a record stood with a golden person, and which is over; records taken back are left out.",
    ("record_id", "from", "to"),
    (
        _RECORD_ID,
        _PERSON_ID,
        Column("from", pl.Date, "the night since which the record stood with this person"),
        Column("to", pl.Date, "the first night on which it no longer did"),
    ),
)

PERSON_LINEAGE = Table(
    "person_lineage",
    Zone.FACTS,
    "What became of an id: founded, merged, split, gave records away, retired or was taken up again, when and why.",
    ("person_id", "night", "change"),
    (
        _PERSON_ID,
        Column("night", pl.Date, "the night on which it happened"),
        Column("change", pl.String, "founded, merged_into, split_from, gave, retired, returned or carried_over"),
        Column("other_person_id", ID, "the id merged into or split from, or that was given most"),
        Column("records", pl.Int32, "how many records were concerned"),
        Column("cause", pl.String, "why, in words"),
        Column(
            "because",
            pl.String,
            "what changed that night: review, register, council, model, withdrawal, correction or evidence",
        ),
    ),
)

LINK_DECISION = Table(
    "link_decision",
    Zone.VAULT,
    "What somebody decided about two records; kept for ever, and in force until withdrawn or decided otherwise.",
    ("decision_id",),
    (
        Column("decision_id", ID, "digest of all that was decided"),
        Column("record_l", ID, "the record with the smaller id"),
        Column("record_r", ID, "the record with the greater id"),
        Column("verdict", pl.String, "same, different, never (the do-not-link register) or unsure"),
        Column("by", pl.String, "reviewer, council or register"),
        Column("who", pl.String, "who decided"),
        Column("decided_at", TIMESTAMP, "when (UTC)"),
        Column("note", pl.String, "why, in their words", identity=True),
        Column("withdrawn_at", TIMESTAMP, "when it was taken back (UTC); null while it stands"),
        Column("withdrawn_by", pl.String, "who took it back"),
    ),
)

ADDRESS_VETO = Table(
    "address_veto",
    Zone.VAULT,
    "An address that nothing may show, of a person or of a refuge; kept for ever, and in force until withdrawn.",
    ("veto_id",),
    (
        Column("veto_id", ID, "digest of all that was decided"),
        Column("record_id", ID, "a record of the person; null: a refuge, of whoever lives there"),
        Column("place", pl.String, "the UPRN of the address; null: every address of that person", identity=True),
        Column("who", pl.String, "who decided"),
        Column("decided_at", TIMESTAMP, "when (UTC)"),
        Column("note", pl.String, "why, in their words", identity=True),
        Column("withdrawn_at", TIMESTAMP, "when it was taken back (UTC); null while it stands"),
        Column("withdrawn_by", pl.String, "who took it back"),
    ),
)

_RECORD = Column("record_id", ID, "a record of the person; all that they had when it was kept, a row each")
_WITHDRAWN = (
    Column("withdrawn_at", TIMESTAMP, "when it was taken back (UTC); null while it stands"),
    Column("withdrawn_by", pl.String, "who took it back"),
)

OBJECTION = Table(
    "objection",
    Zone.VAULT,
    "A use of their data to which a person objects (UK GDPR Article 21); it stands until withdrawn.",
    ("objection_id", "record_id"),
    (
        Column("objection_id", ID, "digest of all that was said and decided"),
        _RECORD,
        Column("use", pl.String, "profiling, marts, exports, sharing or safeguarding"),
        Column("partner", pl.String, "of sharing, whose data is not to be shared; else null"),
        Column("their_words", pl.String, "what the person said", identity=True),
        Column("asked_on", pl.Date, "the day on which they objected"),
        Column("decision", pl.String, "upheld: the use is blocked; refused: it goes on, and summaries say so"),
        Column("note", pl.String, "why it was decided so", identity=True),
        Column("who", pl.String, "who decided"),
        Column("decided_at", TIMESTAMP, "when (UTC)"),
        *_WITHDRAWN,
    ),
)

CORRECTION = Table(
    "correction",
    Zone.VAULT,
    "Something recorded that a person says is not right (UK GDPR Article 16), and what its owner answered.",
    ("correction_id", "record_id"),
    (
        Column("correction_id", ID, "digest of all that was said"),
        Column("record_id", ID, "the record that holds it"),
        Column("kind", pl.String, "attribute, event, involvement, relationship or voice"),
        Column("item", pl.String, "the attribute's name, or the id of the event, involvement, relationship or words"),
        Column("their_words", pl.String, "what the person says is right", identity=True),
        Column("asked_on", pl.Date, "the day on which they asked"),
        Column("who", pl.String, "who wrote it down"),
        Column("decided_at", TIMESTAMP, "when (UTC)"),
        Column("status", pl.String, "open, accepted or refused"),
        Column("note", pl.String, "what the owner answered, and why", identity=True),
        Column("answered_by", pl.String, "who answered"),
        Column("answered_at", TIMESTAMP, "when (UTC); null while it is open"),
    ),
)

WITHHOLDING = Table(
    "withholding",
    Zone.VAULT,
    "Something that a person is not shown of their own data (DPA 2018 Schedules 2 and 3); in force until withdrawn.",
    ("withholding_id", "record_id"),
    (
        Column("withholding_id", ID, "digest of all that was decided"),
        Column("record_id", ID, "the record that holds it"),
        Column("item", pl.String, "the id of the event, involvement, relationship or words"),
        Column("unsaid", pl.Boolean, "whether even that something is left out is not told, as telling it would harm"),
        Column("note", pl.String, "whose opinion it was, and why", identity=True),
        Column("who", pl.String, "who decided"),
        Column("decided_at", TIMESTAMP, "when (UTC)"),
        *_WITHDRAWN,
    ),
)

PERSON = Table(
    "person",
    Zone.VAULT,
    "The golden record: the best value of each attribute and where it came from.",
    ("person_id",),
    (
        _PERSON_ID,
        Column("forename", pl.String, "first forename", identity=True),
        Column("middle_names", pl.String, "other forenames", identity=True),
        Column("surname", pl.String, "family name", identity=True),
        Column("birth_date", pl.Date, "date of birth", identity=True),
        Column("death_date", pl.Date, "earliest plausible date of death; null where it is a question", identity=True),
        Column("death", pl.String, "none, dead, or question: a date that later contact or the date itself contradicts"),
        Column("death_feeds", pl.List(pl.String), "the feeds that tell of a death"),
        Column("sex", pl.String, "M, F or null"),
        Column("ethnicity", pl.String, "ethnicity code; read only to audit"),
        Column("nhs_number", pl.String, "NHS number", identity=True),
        Column("upn", pl.String, "unique pupil number", identity=True),
        Column("ni_number", pl.String, "National Insurance number", identity=True),
        Column("la_child_id", pl.String, "the council's own child id", identity=True),
        Column("email", pl.String, "email address", identity=True),
        Column("phone", pl.String, "telephone number", identity=True),
        Column("uprn", pl.String, "unique property reference number", identity=True),
        Column("address", pl.String, "address as text", identity=True),
        Column("postcode", pl.String, "postcode", identity=True),
        Column("records", pl.Int32, "how many records stand behind this person"),
        Column("feeds", pl.List(pl.String), "the feeds that know this person"),
        Column("provenance", pl.List(SOURCE_OF), "the record each attribute came from", identity=True),
        Column("disagreements", pl.List(RUNNER_UP), "values that lost, and the feeds that hold them", identity=True),
        Column("names", pl.List(HELD_NAME), "every name: current, former, preferred, alias or used", identity=True),
        Column("addresses", pl.List(HELD_ADDRESS), "every address and when it was the person's", identity=True),
        Column("conflicts", pl.List(pl.String), "values that cannot all be right, in plain words", identity=True),
        Column("conflicting", pl.List(pl.String), "the same without values, as `birth_date: feeds` against the others"),
    ),
)

PERSON_PROFILE = Table(
    "person_profile",
    Zone.FACTS,
    "What analysis may use of a person.",
    ("person_id",),
    (
        _PERSON_ID,
        Column("birth_month", pl.Date, "first day of the month of birth"),
        Column("age_months", pl.Int32, "age in whole months on the night"),
        Column("age_band", pl.String, "0-4, 5-10, 11-15, 16-17, 18-24, 25-44, 45-64, 65-84, 85+ or unknown"),
        Column("sex", pl.String, "M, F or null"),
        Column("ethnicity", pl.String, "ethnicity code; read only to audit, never a feature"),
        Column("lsoa11", pl.String, "small area of 2011"),
        Column("lsoa21", pl.String, "small area of 2021"),
        Column("imd_decile", pl.Int8, "decile of the index of multiple deprivation; 1 is the most deprived"),
        Column("deceased", pl.Boolean, "whether any feed has a plausible date of death"),
        Column("death", pl.String, "none, dead or question: a date of death that is contradicted is no death"),
        Column("conflicts", pl.List(pl.String), "what feeds cannot all be right about, and which feeds; no values"),
        Column("records", pl.Int32, "how many records stand behind this person"),
        Column("feeds", pl.Int32, "how many feeds know this person"),
    ),
)

OCCUPANCY = Table(
    "occupancy",
    Zone.FACTS,
    "A person in a dwelling, from and to, as feeds together tell it; nobody whose address is protected is here.",
    ("person_id", "home_id"),
    (
        _PERSON_ID,
        Column("home_id", ID, "stands for the dwelling: a keyed hash, the same every night"),
        Column("kind", pl.String, "home, hmo, institution, hostel or unknown"),
        Column("from", pl.Date, "since when, where a feed says"),
        Column("to", pl.Date, "until when: by the feeds of the old home, else when the next one began; null if open"),
        Column("state", pl.String, "main, second (a child with a parent at each) or former"),
        Column("evidence", pl.List(pl.String), "the feeds that place the person there"),
        Column("certainty", pl.String, "strong, some or weak: how well the evidence shows it"),
    ),
)

HOUSEHOLD = Table(
    "household",
    Zone.FACTS,
    "People who live together in one dwelling.",
    ("household_id",),
    (
        Column("household_id", ID, "the lasting id of a household; a keyed hash"),
        Column("kind", pl.String, "home, hmo, institution, hostel or unknown"),
        Column("lsoa21", pl.String, "small area of 2021"),
        Column("imd_decile", pl.Int8, "decile of the index of multiple deprivation; 1 is the most deprived"),
        Column("people", pl.Int32, "members now"),
        Column("adults", pl.Int32, "members of 18 and over, or of unknown age"),
        Column("children", pl.Int32, "members under 18"),
        Column("lives_alone", pl.String, "strong, some or none: how well the evidence shows one person alone"),
        Column("lives_alone_evidence", pl.List(pl.String), "what shows it, or what speaks against it"),
        Column("founded", pl.Date, "the night on which the household was first seen"),
        Column("lives_alone_on", pl.Date, "the date of the latest evidence of it; null where there is none"),
    ),
)

HOUSEHOLD_MEMBER = Table(
    "household_member",
    Zone.FACTS,
    "A person in a household, from when, on what evidence.",
    ("household_id", "person_id"),
    (
        Column("household_id", ID, "the household"),
        _PERSON_ID,
        Column("from", pl.Date, "earliest date on which a feed has the person there; null where none says"),
        Column("evidence", pl.List(pl.String), "the feeds that place the person there"),
        Column("certainty", pl.String, "strong (two feeds, a dated one or a recent one), some, or weak"),
        Column("state", pl.String, "main, or second: a child's other home"),
    ),
)

HOUSEHOLD_LINEAGE = Table(
    "household_lineage",
    Zone.FACTS,
    "What became of a household's id: founded, merged, split or retired, and when.",
    ("household_id", "night", "change"),
    (
        Column("household_id", ID, "the household"),
        Column("night", pl.Date, "the night on which it happened"),
        Column("change", pl.String, "founded, merged_into, split_from or retired"),
        Column("other_household_id", ID, "the household merged into or split from"),
        Column("people", pl.Int32, "how many people were concerned"),
        Column("cause", pl.String, "why, in words"),
    ),
)

SOCIAL_GROUP = Table(
    "social_group",
    Zone.FACTS,
    "People who belong together otherwise than by living together.",
    ("group_id",),
    (
        Column("group_id", ID, "the lasting id of a group; a keyed hash"),
        Column("kind", pl.String, "family, source_household (one source's own key) or associates"),
        Column("people", pl.Int32, "members now"),
        Column("evidence", pl.List(pl.String), "the feeds that tell of it"),
        Column("founded", pl.Date, "the night on which the group was first seen"),
    ),
)

SOCIAL_GROUP_MEMBER = Table(
    "social_group_member",
    Zone.FACTS,
    "A person in a group, from when, on whose word.",
    ("group_id", "person_id"),
    (
        Column("group_id", ID, "the group"),
        _PERSON_ID,
        Column("from", pl.Date, "the earliest date that a feed gives for it; null where none does"),
        Column("to", pl.Date, "the latest date on which it showed, where it is a thing of the past"),
        Column("evidence", pl.List(pl.String), "the feeds that tell of it"),
    ),
)

INDICATOR = Table(
    "indicator",
    Zone.FACTS,
    "A vulnerability indicator that a person shows, with the rows that are its evidence.",
    ("person_id", "indicator"),
    (
        _PERSON_ID,
        Column("indicator", pl.String, "the indicator, as the site's rules name it"),
        Column("since", pl.Date, "the date of the earliest row in the window"),
        Column("latest", pl.Date, "the date of the latest row in the window"),
        Column("times", pl.Int32, "how many rows show it"),
        Column("evidence", pl.List(pl.String), "the event ids"),
    ),
)

COHORT_MEMBER = Table(
    "cohort_member",
    Zone.FACTS,
    "A person or household that meets a cohort's rule, with the needs met and their evidence.",
    ("cohort", "unit_id"),
    (
        Column("cohort", pl.String, "the cohort, as the site names it"),
        Column("unit", pl.String, "person or household"),
        Column("unit_id", ID, "the person's or household's id"),
        Column("needs", pl.List(pl.String), "the needs met"),
        Column("evidence", pl.List(pl.String), "the event ids that show them"),
    ),
)

FEATURE_SNAPSHOT = Table(
    "feature_snapshot",
    Zone.FACTS,
    "Features of a person as they were known on a day; the columns beside these are declared in models.features.",
    ("person_id", "as_of"),
    (_PERSON_ID, Column("as_of", pl.Date, "the day: nothing learnt on or after it was read")),
    open=True,
)

RISK_FLAG = Table(
    "risk_flag",
    Zone.FACTS,
    "A flag raised for a person and a team, with its reasons; it prescribes nothing.",
    ("person_id", "outcome"),
    (
        _PERSON_ID,
        Column("outcome", pl.String, "what the model looks ahead for"),
        Column("as_of", pl.Date, "the day up to which history was read"),
        Column("team", pl.String, "the team whose capacity set the list's length"),
        Column("probability", pl.Float64, "calibrated probability of the outcome within the horizon"),
        Column("rank", pl.Int32, "place on the list; 1 is the highest"),
        Column("band", pl.String, "very high, high or raised, by probability against the population's rate"),
        Column("reasons", pl.List(pl.String), "the recorded facts behind it, in words"),
        Column("evidence", pl.List(pl.String), "the event ids behind the reasons"),
        Column("model_id", pl.String, "the model that scored it"),
    ),
)

ALERT = Table(
    "alert",
    Zone.FACTS,
    "A change worth telling a team about.",
    ("alert_id",),
    (
        Column("alert_id", ID, "keyed hash of person, kind and night"),
        _PERSON_ID,
        Column("team", pl.String, "the team told"),
        Column("kind", pl.String, "new_flag, band_up or flag_ended"),
        Column("as_of", pl.Date, "the night"),
        Column("text", pl.String, "the change in one sentence"),
        Column("evidence", pl.List(pl.String), "the event ids that are new"),
    ),
)

LOAD = Table(
    "load",
    Zone.LEDGER,
    "What a delivery held and what became of it: received = accepted + quarantined + withdrawn.",
    ("feed", "delivery"),
    (
        _FEED,
        Column("delivery", pl.String, "the delivery's key, such as 2026-11-20 or 2026-11-20.2"),
        Column("partner", pl.String, "the party to the agreements that sent it"),
        Column("status", pl.String, "accepted, rejected or held"),
        Column("files", pl.Int32, "how many files came"),
        Column("bytes", pl.Int64, "their size together"),
        Column("sha256", pl.String, "digest of the content"),
        Column("received", pl.Int64, "rows read"),
        Column("accepted", pl.Int64, "rows that went on"),
        Column("quarantined", pl.Int64, "rows set aside with the rules they broke"),
        Column("withdrawn", pl.Int64, "rows whose message withdraws a person or a case"),
        Column("gone", pl.Int64, "rows known before that a snapshot no longer holds"),
        Column("reason", pl.String, "why it was rejected or held, and what to do"),
        Column("read_as", pl.String, "how each file was read: encoding, separator, row of the header"),
        Column("decided_by", pl.String, "who released or rejected it, where it was held"),
        Column("decided_reason", pl.String, "why they did, in their words"),
        Column("loaded_at", TIMESTAMP, "when (UTC)"),
    ),
)

LOAD_RULE = Table(
    "load_rule",
    Zone.LEDGER,
    "How many rows of a delivery broke which rule.",
    ("feed", "delivery", "table", "rule"),
    (
        _FEED,
        Column("delivery", pl.String, "the delivery's key"),
        Column("table", pl.String, "the contract's table"),
        Column("rule", pl.String, "the rule, in words"),
        Column("severity", pl.String, "warn, quarantine or reject"),
        Column("rows", pl.Int64, "rows that broke it"),
    ),
)

QUALITY_ISSUE = Table(
    "quality_issue",
    Zone.FACTS,
    "A record that does not agree with other sources or with reference data, as its owner is told.",
    ("record_id", "rule"),
    (
        _RECORD_ID,
        _FEED,
        Column("partner", pl.String, "the party to the agreements that owns the record"),
        Column("rule", pl.String, "what is wrong, by its name in summaries.findings"),
        Column("since", pl.Date, "the night on which it was first found"),
    ),
)

FEED_QUALITY = Table(
    "feed_quality",
    Zone.LEDGER,
    "How many rows of a delivery, or records of a feed beside other sources, broke a rule on a day; counts alone.",
    ("feed", "day", "delivery", "table", "rule"),
    (
        _FEED,
        Column("partner", pl.String, "the party to the agreements that sent it"),
        Column("day", pl.Date, "the day of the delivery, or the night that compared its records with other sources"),
        Column("delivery", pl.String, "the delivery's key"),
        Column("found", pl.String, "where: in the delivery, or beside other sources"),
        Column("table", pl.String, "the contract's table; for what was found beside other sources, source_record"),
        Column("rule", pl.String, "the rule, in words"),
        Column(
            "severity", pl.String, "warn, quarantine, reject, or told: the owner hears of it and nothing else follows"
        ),
        Column("rows", pl.Int64, "rows or records that broke it"),
        Column("of", pl.Int64, "rows that the delivery held, or records that the feed has"),
    ),
)

FEED_FRESHNESS = Table(
    "feed_freshness",
    Zone.LEDGER,
    "How fresh a feed was on a night.",
    ("feed", "night"),
    (
        _FEED,
        Column("partner", pl.String, "the party to the agreements that sends it"),
        Column("night", pl.Date, "the night"),
        Column("status", pl.String, "accepted, rejected, held, late or none: what its latest delivery came to"),
        Column("delivered", pl.Date, "the day of the last accepted delivery; null if there has been none"),
        Column("due", pl.Date, "when the next was due; null if there has been none"),
        Column("days_late", pl.Int32, "days since it was due; 0 while it is not late"),
    ),
)

RELEASE = Table(
    "release",
    Zone.LEDGER,
    "A file that left the vault, for whom and under which agreement.",
    ("release_id",),
    (
        Column("release_id", ID, "the release"),
        Column("kind", pl.String, "summary, export, share_back, report, recall or subject: a person's own data"),
        Column("team", pl.String, "who received it"),
        _PERSON_ID,
        Column("reason", pl.String, "the reason under which it was released"),
        Column("agreement", pl.String, "the agreement and version that permits it"),
        Column("file", pl.String, "path below the outbox; never a name"),
        Column("sha256", pl.String, "digest of the file as it left; a recall puts a notice in its place"),
        Column("shared", pl.List(pl.String), "partner and category of what it shows"),
        Column("withheld", pl.List(pl.String), "partner and category of what was not permitted"),
        Column("released_at", TIMESTAMP, "when (UTC)"),
        Column("expires_on", pl.Date, "when it must be gone"),
    ),
)

OUTPUT_USE = Table(
    "output_use",
    Zone.LEDGER,
    "Whose facts an output of this night used; each night keeps its own, so that a recall finds what used a link.",
    ("kind", "output_id", "about"),
    (
        Column("kind", pl.String, "summary, report, flag or alert"),
        Column("output_id", ID, "the release or alert; of a flag, its outcome and person: escalation/<person_id>"),
        Column("team", pl.String, "who received it"),
        _PERSON_ID,
        Column("about", ID, "a person whose facts it used: its own, or another in the household"),
        Column("file", pl.String, "path below the outbox; null for what is no file"),
        Column("expires_on", pl.Date, "when it must be gone"),
    ),
)

RECALL = Table(
    "recall",
    Zone.LEDGER,
    "Something that was let out, used a link that was undone since, and was recalled; each output once.",
    ("recall_id",),
    (
        Column("recall_id", ID, "keyed hash of the output and the first night recalled"),
        Column("night", pl.Date, "the night that recalled it"),
        Column(
            "kind",
            pl.String,
            "what it was: as for release, or flag, alert, reveal (on a screen), or marts: a person's rows for analysts",
        ),
        Column("output_id", ID, "the release, alert or look; of a flag, its outcome and person; of marts, the person"),
        Column("team", pl.String, "who received it"),
        _PERSON_ID,
        Column("about", pl.List(pl.String), "the ids, as they were then, of whom something wrong was shown"),
        Column(
            "because",
            pl.String,
            "why: review, register, council, correction, withdrawal, model, evidence, or address (now protected)",
        ),
        Column("wrong_from", pl.Date, "the night since which it had been wrong"),
        Column("wrong_to", pl.Date, "the first night on which it no longer was"),
        Column("first", pl.Date, "the first night of the output that is recalled"),
        Column("last", pl.Date, "the last night of it; for a file, the same"),
        Column("file", pl.String, "path below the outbox; null for what is no file"),
        Column("expires_on", pl.Date, "when every copy must be gone, by the agreement"),
        Column("state", pl.String, "open while copies may be about, closed from the day on which all must be gone"),
    ),
)

ACCESS_LOG = Table(
    "access_log",
    Zone.LEDGER,
    "Who saw what and why: the audit log, as a table.",
    ("sequence",),
    (
        Column("sequence", pl.Int64, "place in the chain"),
        Column("at", TIMESTAMP, "when (UTC)"),
        Column("actor", pl.String, "the user or process"),
        Column("role", pl.String, "in which role"),
        Column(
            "action",
            pl.String,
            "release, reveal, many (its user has revealed many in a day), read, audit (the log was asked), refuse, "
            "recall, vault (each night, how often it was changed), accept (of a vault file put back); of stewards "
            "decide, withdraw, protect, unprotect, "
            "matching, export; of people's own requests find, subject, object, correct, withhold, erase, override",
        ),
        Column("team", pl.String, "for which team"),
        _PERSON_ID,
        Column("reason", pl.String, "why"),
        Column("agreement", pl.String, "the agreement and clause that answered"),
        Column("release_id", ID, "the release, where there was one"),
        Column(
            "case",
            pl.String,
            "the reference of the case for which somebody asked; of vault, its changes so far",
        ),
        Column("account", pl.String, "the account of the machine that wrote it, beside whoever the actor claims to be"),
    ),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SOURCE_RECORD, EVENT, INVOLVEMENT, RELATIONSHIP, VOICE, PLACE, AREA, DWELLING, MATCH_EDGE, PERSON_LINK,
        PERSON_LINEAGE, LINK_DECISION, ADDRESS_VETO, OBJECTION, CORRECTION, WITHHOLDING, PERSON,
        PERSON_PROFILE, OCCUPANCY,
        HOUSEHOLD, HOUSEHOLD_MEMBER, HOUSEHOLD_LINEAGE, SOCIAL_GROUP, SOCIAL_GROUP_MEMBER, INDICATOR, COHORT_MEMBER,
        FEATURE_SNAPSHOT, RISK_FLAG, ALERT, LOAD, LOAD_RULE, QUALITY_ISSUE, FEED_QUALITY, FEED_FRESHNESS,
        RELEASE, ACCESS_LOG,
        LINK_PAST, OUTPUT_USE, RECALL,
    )
}  # fmt: skip
