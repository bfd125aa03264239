"""What children's services send: the CIN census and the 903 return, which carry no names, the case system, early help
and the voice of the child. One system stands behind all but early help, so its mistakes are the same in each.
"""

from __future__ import annotations

import polars as pl

from synthetic import life
from synthetic.extracts import noise
from synthetic.extracts.card import Habits, View, card, copied, dealt, number, opened
from synthetic.extracts.files import Document, Extract, Text, element, keyed, tested
from synthetic.extracts.noise import serial, spoilt

SYSTEM = Habits(
    typo=0.055,
    former=0.5,
    wrong_birth=0.048,
    stale=0.4,
    nhs=0.4,
    period=100,
    missing={
        "birth_date": 0.045,
        "sex": 0.01,
        "upn": 0.12,
        "phone": 0.3,
        "address": 0.05,
        "postcode": 0.06,
        "forename": 0.005,
    },
)
PARENTS = Habits(
    typo=0.07,
    nickname=0.102,
    former=0.5,
    wrong_birth=0.06,
    stale=0.4,
    nhs=0.2,
    period=100,
    missing={"birth_date": 0.3, "sex": 0.02, "address": 0.1, "postcode": 0.1, "forename": 0.01},
)
HUBS = Habits(
    typo=0.06,
    nickname=0.102,
    former=0.35,
    wrong_birth=0.055,
    stale=0.38,
    period=100,
    missing={"birth_date": 0.18, "phone": 0.3, "email": 0.45, "known_as": 0.5, "address": 0.06, "sex": 0.03},
)
CARE = ("child_in_need", "assessment", "section_47", "child_protection_plan", "looked_after")
KNOWN = (*CARE, "contact", "voice")
AUTHORITY = "990"  # no real authority has it
ISO = "%Y-%m-%d"
SLASHED = "%d/%m/%Y"


def _children(view: View) -> pl.DataFrame:
    """Every child on the system, twice where it has them twice: person, copy, ids, and what the system has on them."""
    first = view.of(*KNOWN).group_by("person").agg(captured=pl.col("start").min().dt.date()).sort("person")
    ids = copied(view, "childrens", first, SYSTEM)
    cards = card(view, "childrens", ids, SYSTEM)
    other = "7" + serial(number(ids), view.seed, "la-child", 8)
    return cards.with_columns(
        pers_person_id="P" + serial(number(ids), view.seed, "case-system", 7),
        la_child_id=noise.sometimes(cards["la_child_id"], other, (cards["copy"] == 1) | cards["la_child_id"].is_null()),
    )


def _spells(view: View) -> pl.DataFrame:
    """Spells of need, dealt between the records of children who stand twice: la_child_id, person, copy, group, row."""
    spells = dealt(view, "childrens", view.of("child_in_need"), SYSTEM, by="group")
    ids = _children(view).select("person", "copy", "la_child_id")
    return spells.join(ids, on=["person", "copy"], how="left", maintain_order="left")


def cin_census(view: View) -> Extract:
    """A document valid against the census schema of 2026: children, their spells of need, and what happened in each."""
    spells = _spells(view)
    inside = ["person", "group"]
    spells = spells.join(
        _nested(view).select("person", "group", "nested"), on=inside, how="left", maintain_order="left"
    )
    source = view.of("contact").filter(pl.col("value") > 0).unique(inside, keep="first", maintain_order=True)
    spells = spells.join(source.select(*inside, source="code"), on=inside, how="left", maintain_order="left")
    spells = spells.sort("la_child_id", "start", "group", "row")
    dice = view.dice("cin-census", spells["row"])
    reason = pl.Series(["RC7", "RC8", "RC9"]).gather(dice.pick("reason", 3))
    early = dice.chance("broken", SYSTEM.broken)
    closed = pl.when(early).then(pl.col("start") - pl.duration(days=30)).otherwise("end").dt.strftime(ISO)
    needs = spells.with_columns(
        need=pl.concat_str(
            pl.lit("<CINdetails>"),
            element("CINreferralDate", pl.col("start").dt.strftime(ISO)),
            element("ReferralSource", pl.col("source").fill_null("10")),
            element("PrimaryNeedCode", pl.col("code")),
            element("CINclosureDate", pl.when(pl.col("end").is_not_null()).then(closed)),
            element("ReasonForClosure", pl.when(pl.col("end").is_not_null()).then(reason)),
            pl.col("nested"),
            pl.lit("</CINdetails>"),
        )
    )
    needs = needs.group_by("person", "copy", "la_child_id", maintain_order=True).agg(pl.col("need").str.join(""))
    children = needs.join(_children(view).drop("la_child_id"), on=["person", "copy"], how="left", maintain_order="left")
    dice = view.dice("cin-census", number(children)).aged(view.ordinal, SYSTEM.period)
    unknown = pl.Series(["UN1", "UN2", "UN3", "UN4", "UN5"]).gather(dice.pick("upnunknown", 5))
    disability = pl.Series(["NONE", "LD", "AUT", "BEH", "MOB", "COMM"]).gather(
        (dice.unit("disability") ** 8 * 6).cast(int)
    )
    records = children.select(
        pl.concat_str(
            pl.lit("<Child><ChildIdentifiers>"),
            element("LAchildID", pl.col("la_child_id")),
            element("UPN", pl.col("upn")),
            element("UPNunknown", pl.when(pl.col("upn").is_null()).then(unknown)),
            element("PersonBirthDate", pl.col("birth_date").dt.strftime(ISO)),
            element("Sex", pl.col("sex").fill_null("U")),
            element("PersonDeathDate", pl.col("death_date").dt.strftime(ISO)),
            pl.lit("</ChildIdentifiers><ChildCharacteristics>"),
            element("Ethnicity", pl.col("ethnicity").fill_null("NOBT")),
            pl.lit("<Disabilities>"),
            element("Disability", pl.lit(disability)),
            pl.lit("</Disabilities></ChildCharacteristics>"),
            "need",
            pl.lit("</Child>"),
        )
    ).to_series()
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Message><Header><CollectionDetails><Collection>CIN</Collection>'
        f"<Year>{view.day.year}</Year><ReferenceDate>{view.day}</ReferenceDate></CollectionDetails><Source>"
        f"<SourceLevel>L</SourceLevel><LEA>{AUTHORITY}</LEA><SoftwareCode>Local Authority</SoftwareCode>"
        f"<Release>2026.1</Release><SerialNo>001</SerialNo><DateTime>{view.day}T00:00:00</DateTime>"
        "</Source></Header><Children>\n"
    )
    document = Document(head, records, "\n</Children></Message>\n")
    return Extract({"childrens/cin_{day}.xml": document}, keyed(children, "la_child_id"))


def _nested(view: View) -> pl.DataFrame:
    """person, group and the elements of a spell between its closure and its end, in the order of the schema."""
    start, end = pl.col("start").dt.strftime(ISO), pl.col("end").dt.strftime(ISO)
    one = view.of("child_in_need").with_columns(planned=pl.col("start") + pl.duration(days=30))
    midnight = pl.lit(view.day).cast(pl.Datetime("us"))
    held = pl.col("planned") < pl.coalesce("end", midnight)
    plans = one.filter((pl.col("value") > 0) & held).select(
        "person",
        "group",
        text=pl.concat_str(
            pl.lit("<CINPlanDates>"),
            element("CINPlanStartDate", pl.col("planned").dt.strftime(ISO)),
            element("CINPlanEndDate", end),
            pl.lit("</CINPlanDates>"),
        ),
    )
    factors = element("AssessmentFactors", pl.col("code").str.replace_all("10B", "10A", literal=True)).str.replace_all(
        "|", "</AssessmentFactors><AssessmentFactors>", literal=True
    )
    assessments = view.of("assessment").select(
        "person",
        "group",
        text=pl.concat_str(
            pl.lit("<Assessments>"),
            element("AssessmentActualStartDate", start),
            element("AssessmentAuthorisationDate", end),
            pl.when(pl.col("code").is_not_null() & (pl.col("code") != ""))
            .then(pl.lit("<FactorsIdentifiedAtAssessment>") + factors + pl.lit("</FactorsIdentifiedAtAssessment>"))
            .otherwise(pl.lit("")),
            pl.lit("</Assessments>"),
        ),
    )
    enquiries = view.of("section_47").select(
        "person",
        "group",
        text=pl.concat_str(
            pl.lit("<Section47>"),
            element("S47ActualStartDate", start),
            element("InitialCPCtarget", (pl.col("start") + pl.duration(days=21)).dt.strftime(ISO)),
            element("DateOfInitialCPC", pl.when(pl.col("code") == "ICPC").then(end)),
            element("ICPCnotRequired", pl.when(pl.col("code") == "ICPC").then(pl.lit("0")).otherwise(pl.lit("1"))),
            pl.lit("</Section47>"),
        ),
    )
    reviewed = pl.col("start") + pl.duration(days=90)
    review = pl.when(reviewed < pl.coalesce("end", midnight)).then(reviewed.dt.strftime(ISO))
    protection = view.of("child_protection_plan").select(
        "person",
        "group",
        text=pl.concat_str(
            pl.lit("<ChildProtectionPlans>"),
            element("CPPstartDate", start),
            element("CPPendDate", end),
            element("InitialCategoryOfAbuse", pl.col("code")),
            element("LatestCategoryOfAbuse", pl.col("code")),
            element("NumberOfPreviousCPP", pl.col("value").fill_null(0).cast(pl.Int64).cast(pl.String)),
            pl.when(review.is_not_null())
            .then(pl.lit("<Reviews>") + element("CPPreviewDate", review) + pl.lit("</Reviews>"))
            .otherwise(pl.lit("")),
            pl.lit("</ChildProtectionPlans>"),
        ),
    )
    none = one.select(
        "person", "group", text=pl.lit("<ReferralNFA>0</ReferralNFA>")
    )  # whether anything was done stands between them
    parts = [
        part.with_columns(place=pl.lit(i, dtype=pl.Int8))
        for i, part in enumerate((assessments, plans, enquiries, none.unique(), protection))
    ]
    return (
        pl.concat(parts)
        .sort("person", "group", "place", "text")
        .group_by("person", "group", maintain_order=True)
        .agg(nested=pl.col("text").str.join(""))
    )


def ssda903(view: View) -> Extract:
    """Header, episodes and missing episodes of looked-after children, dates written day first."""
    spells = dealt(view, "childrens", view.of("looked_after"), SYSTEM, by="group")
    ids = _children(view)
    spells = spells.join(ids.drop("captured"), on=["person", "copy"], how="left", maintain_order="left")
    need = (
        view.of("child_in_need")
        .select("person", "group", need="code")
        .unique(["person", "group"], keep="first", maintain_order=True)
    )
    spells = spells.join(need, on=["person", "group"], how="left", maintain_order="left")
    homes = view.homes.join(view.borough.dwellings.select("dwelling", home="postcode"), on="dwelling", how="left")
    family = view.people.select("person", "mother").join(
        homes.select(mother="person", home="home"), on="mother", how="left"
    )
    spells = spells.join(family.select("person", "home"), on="person", how="left", maintain_order="left")
    children = spells.unique(["person", "copy"], keep="first", maintain_order=True).sort("la_child_id")
    header = children.select(
        CHILD="la_child_id",
        SEX=pl.col("sex").replace_strict({"M": "1", "F": "2"}, default=None),
        DOB=pl.col("birth_date").dt.strftime(SLASHED),
        ETHNIC=pl.col("ethnicity").fill_null("NOBT"),
        UPN="upn",
        MOTHER=pl.lit(None, dtype=pl.String),
        MC_DOB=pl.lit(None, dtype=pl.String),
    )
    place = pl.col("value").cast(pl.Int64).replace_strict({1: "U1", 2: "U4", 3: "K2", 4: "P1", 5: "H5"}, default="U1")
    ended = pl.col("end").is_not_null()
    episodes = spells.sort("la_child_id", "start", "row").select(
        "row",
        CHILD="la_child_id",
        DECOM=pl.col("start").dt.strftime(SLASHED),
        RNE=pl.lit("S"),
        LS="code",
        CIN=pl.col("need").replace_strict({f"N{i}": f"N{i}" for i in range(1, 9)}, default="N1"),
        PLACE=place,
        PLACE_PROVIDER=pl.lit("PR1"),
        DEC=pl.col("end").dt.strftime(SLASHED),
        REC=pl.when(ended).then(pl.lit("E4A")),
        REASON_PLACE_CHANGE=pl.lit(None, dtype=pl.String),
        HOME_POST="home",
        PL_POST="postcode",
        URN=pl.when(place == "U4").then(pl.lit("SC999001")),
    )
    episodes = spoilt(episodes, view.dice("ssda903", episodes["row"]), SYSTEM.broken, DEC="31/11/2001", RNE="Q").drop(
        "row"
    )
    away = view.of("missing_episode").join(
        spells.select("person", "la_child_id", "birth_date", since="start", until="end"), on="person", how="inner"
    )
    away = away.filter(
        (pl.col("start") >= pl.col("since")) & (pl.col("until").is_null() | (pl.col("start") < pl.col("until")))
    )
    missing = (
        away.unique(["la_child_id", "happening"], keep="first", maintain_order=True)
        .sort("la_child_id", "start", "happening")
        .select(
            CHILD="la_child_id",
            DOB=pl.col("birth_date").dt.strftime(SLASHED),
            MISSING=pl.lit("M"),
            MIS_START=pl.col("start").dt.strftime(SLASHED),
            MIS_END=pl.col("end").dt.strftime(SLASHED),
        )
    )
    files = {"header": header, "episodes": episodes, "missing": missing}
    return Extract(
        {f"childrens/903_{k}_{{day}}.csv": Text(v) for k, v in files.items()}, keyed(children, "la_child_id")
    )


def case_system(view: View) -> Extract:
    """The Standard Safeguarding Dataset's tables of people, addresses, ids, families, contacts and involvements."""
    children = _children(view)
    parents = _parents(view, children)
    people = pl.concat([children.with_columns(is_mother=pl.lit("N")), parents.select(*children.columns, "is_mother")])
    people = people.with_columns(key=number(people))
    person = people.select(
        "key",
        "pers_person_id",
        pers_legacy_id="la_child_id",
        pers_forename="forename",
        pers_surname="surname",
        pers_sex=pl.col("sex").fill_null("U"),
        pers_ethnicity="ethnicity",
        pers_dob=pl.col("birth_date").dt.strftime(ISO),
        pers_common_child_id="nhs_number",
        pers_upn_unknown=pl.when(pl.col("upn").is_null()).then(pl.lit("UN1")),
        pers_send_flag=pl.lit("N"),
        pers_expected_dob=pl.lit(None, dtype=pl.String),
        pers_death_date=pl.col("death_date").dt.strftime(ISO),
        pers_is_mother="is_mother",
    ).sort("pers_person_id")
    person = spoilt(
        person, view.dice("case-system", person["key"]), SYSTEM.broken, pers_dob="2011-02-31", pers_sex="Q"
    ).drop("key")
    person = tested(
        person,
        2,
        pers_person_id="P000000{n}",
        pers_legacy_id=None,
        pers_forename="TEST",
        pers_surname="CHILD",
        pers_common_child_id=None,
    )
    some = people.filter(pl.col("line").is_not_null() | pl.col("postcode").is_not_null())
    address = some.select(
        addr_table_id="A" + pl.col("pers_person_id"),
        addr_person_id="pers_person_id",
        addr_address_json="line",
        addr_address_type=pl.lit("Home"),
        addr_address_postcode="postcode",
        addr_address_start_date=pl.col("since").dt.strftime(ISO),
        addr_address_end_date=pl.lit(None, dtype=pl.String),
    ).sort("addr_table_id")
    linked = (
        people.filter(pl.col("upn").is_not_null())
        .select(
            link_table_id="L" + pl.col("pers_person_id"),
            link_person_id="pers_person_id",
            link_identifier_type=pl.lit("Unique Pupil Number"),
            link_identifier_value="upn",
            link_valid_from_date=pl.col("captured").dt.strftime(ISO),
        )
        .sort("link_table_id")
    )
    children_of = parents.select(parent_id="pers_person_id", child="child", captured="captured", is_mother="is_mother")
    homes = view.homes.select("person", "household")
    families = children.join(homes, on="person", how="inner", maintain_order="left")
    families = families.with_columns(fami_family_id="F" + serial(families["household"], view.seed, "family", 7))
    own = families.select("fami_family_id", fami_person_id="pers_person_id", person="person", copy="copy")
    theirs = (
        own.filter(pl.col("copy") == 0)
        .join(children_of, left_on="person", right_on="child", how="inner")
        .select("fami_family_id", fami_person_id="parent_id")
    )
    family = (
        pl.concat([own.select("fami_family_id", "fami_person_id"), theirs])
        .unique()
        .sort("fami_family_id", "fami_person_id")
    )
    family = family.select(
        fami_table_id=pl.concat_str("fami_family_id", "fami_person_id", separator="-"),
        fami_family_id="fami_family_id",
        fami_person_id="fami_person_id",
    )
    kids = children.filter(pl.col("copy") == 0).select(child="person", childs_id="pers_person_id", dob="birth_date")
    links = view.borough.relationships.filter(pl.col("kind") == "parent").select(parent="person", child="other")
    mothers = parents.filter((pl.col("is_mother") == "Y") & (pl.col("copy") == 0)).select(
        parent="person", parent_id="pers_person_id"
    )
    mother = (
        links.join(mothers, on="parent")
        .join(kids, on="child")
        .select(
            moth_table_id=pl.concat_str("parent_id", "childs_id", separator="-"),
            moth_person_id="parent_id",
            moth_childs_person_id="childs_id",
            moth_childs_dob=pl.col("dob").dt.strftime(ISO),
        )
        .unique("moth_table_id")
        .sort("moth_table_id")
    )
    key = children.select("person", "copy", "pers_person_id")
    calls = dealt(view, "childrens", view.of("contact"), SYSTEM).join(
        key, on=["person", "copy"], how="left", maintain_order="left"
    )
    contacts = calls.select(
        "row",
        cont_contact_id="C" + serial(calls["row"], view.seed, "contact", 9),
        cont_person_id="pers_person_id",
        cont_contact_date=pl.col("start").dt.strftime(ISO),
        cont_contact_source_code="code",
        cont_contact_outcome_json=pl.when(pl.col("value") > 0)
        .then(pl.lit("Referral"))
        .otherwise(pl.lit("No further action")),
    ).sort("cont_contact_id")
    contacts = spoilt(
        contacts,
        view.dice("contacts", contacts["row"]),
        SYSTEM.broken,
        cont_contact_date="2025-13-01",
        cont_person_id=None,
    ).drop("row")
    files = {
        "person": person,
        "address": address,
        "linked_identifiers": linked,
        "family": family,
        "mother": mother,
        "contacts": contacts,
        "involvements": _involvements(view, key),
    }
    return Extract(
        {f"childrens/ssd_{k}_{{day}}.csv": Text(v) for k, v in files.items()}, keyed(people, "pers_person_id")
    )


def _parents(view: View, children: pl.DataFrame) -> pl.DataFrame:
    """Mothers and fathers whom a contact named, with the child through whom they came to be known."""
    links = view.borough.relationships.filter(
        (pl.col("kind") == "parent")
        & (pl.col("from") < view.day)
        & (pl.col("to").is_null() | (pl.col("to") >= view.day))
    ).select(person="person", child="other")
    known = children.filter(pl.col("copy") == 0).select(child="person", captured="captured")
    links = links.join(known, on="child").join(view.people.select("person", "sex"), on="person", how="inner")
    links = links.filter(~pl.col("person").is_in(children["person"].implode())).sort("person", "captured", "child")
    links = links.unique("person", keep="first", maintain_order=True)
    likely = pl.select(pl.when(links["sex"] == "F").then(0.9).otherwise(0.6)).to_series()
    links = links.filter(view.dice("parents", links["person"]).unit("named") < likely)
    mother = pl.when(pl.col("sex") == "F").then(pl.lit("Y")).otherwise(pl.lit("N")).alias("is_mother")
    ids = copied(view, "parents", links.with_columns(mother).drop("sex"), PARENTS)
    cards = card(view, "parents", ids, PARENTS)
    return cards.with_columns(
        pers_person_id="P" + serial(number(ids), view.seed, "case-system", 7),
        la_child_id=pl.lit(None, dtype=pl.String),
        upn=pl.lit(None, dtype=pl.String),
    )


def _involvements(view: View, key: pl.DataFrame) -> pl.DataFrame:
    spells = dealt(view, "childrens", view.of("child_in_need"), SYSTEM, by="group")
    spells = spells.join(key, on=["person", "copy"], how="left", maintain_order="left")
    plans = view.of("child_protection_plan", "looked_after").group_by("person", "group").agg(top=pl.col("type").max())
    spells = spells.join(plans, on=["person", "group"], how="left", maintain_order="left")
    dice = view.dice("involvements", spells["row"])
    team = (
        pl.when(pl.col("top") == "looked_after")
        .then(pl.lit("Children looked after"))
        .when(pl.col("top").is_not_null())
        .then(pl.lit("Child protection"))
        .otherwise("patch")
    )
    patch = pl.Series("patch", ["Family support north", "Family support south", "Assessment team"]).gather(
        dice.pick("team", 3)
    )
    return (
        spells.with_columns(patch)
        .select(
            invo_involvements_id="I" + serial(spells["row"], view.seed, "involvement", 9),
            invo_person_id="pers_person_id",
            invo_professional_id="W" + dice.pick("worker", 140).cast(pl.String).str.zfill(4),
            invo_professional_role_id=pl.lit("Allocated social worker"),
            invo_professional_team=team,
            invo_involvement_start_date=pl.col("start").dt.strftime(ISO),
            invo_involvement_end_date=pl.col("end").dt.strftime(ISO),
        )
        .sort("invo_involvements_id")
    )


def early_help(view: View) -> Extract:
    """A row for each member of a family in an early help episode."""
    rows = dealt(view, "early-help", view.of("early_help_episode"), HUBS, by="group")
    ids = opened(rows)
    cards = card(view, "early-help", ids, HUBS)
    cards = cards.with_columns(earl_person_id="EH" + serial(number(ids), view.seed, "early-help", 7))
    rows = rows.join(cards.drop("captured"), on=["person", "copy"], how="left", maintain_order="left")
    closed = pl.Series(["Needs met", "Family withdrew", "Stepped up to social care", "Moved away"])
    hub = pl.Series(["North family hub", "South family hub", "Riverside family hub"])
    group = view.dice("early-help", rows["group"])
    frame = (
        rows.select(
            "row",
            earl_episode_id="EP" + serial(rows["group"], view.seed, "episode", 8),
            earl_person_id="earl_person_id",
            earl_family_id="EF" + serial(rows["group"], view.seed, "eh-family", 8),
            earl_forename="forename",
            earl_surname="surname",
            earl_known_as="known_as",
            earl_dob=pl.col("birth_date").dt.strftime(SLASHED),
            earl_sex=pl.col("sex").replace_strict({"M": "Male", "F": "Female"}, default="Unknown"),
            earl_address="line",
            earl_postcode="postcode",
            earl_telephone="phone",
            earl_email="email",
            earl_episode_start_date=pl.col("start").dt.strftime(SLASHED),
            earl_episode_end_date=pl.col("end").dt.strftime(SLASHED),
            earl_episode_reason="code",
            earl_episode_end_reason=pl.when(pl.col("end").is_not_null()).then(closed.gather(group.pick("closed", 4))),
            earl_episode_organisation=hub.gather(group.pick("hub", 3)),
        )
        .unique(["earl_episode_id", "earl_person_id"], keep="first", maintain_order=True)
        .sort("earl_episode_id", "earl_person_id")
    )
    frame = spoilt(
        frame,
        view.dice("early-help", frame["row"]),
        HUBS.broken,
        earl_dob="29/02/2013",
        earl_sex="?",
        earl_episode_end_date="01/01/2001",
    ).drop("row")
    frame = tested(
        frame,
        2,
        earl_episode_id="EP0000000{n}",
        earl_person_id="EH000000{n}",
        earl_forename="ZZTEST",
        earl_surname="Family",
        earl_telephone=None,
        earl_email=None,
    )
    return Extract({"earlyhelp/eh_{day}.csv": Text(frame)}, keyed(rows, "earl_person_id"))


def voice(view: View) -> Extract:
    """What children, family and workers said, one statement a row, under the case system's keys."""
    rows = view.of("voice")
    key = _children(view).filter(pl.col("copy") == 0).select("person", "pers_person_id")
    said = pl.DataFrame(
        [(topic, float(i), by, words) for topic, all_ in life.VOICE.items() for i, (by, words) in enumerate(all_)],
        schema={"code": pl.String, "value": pl.Float64, "said_by": pl.String, "words": pl.String},
        orient="row",
    )
    rows = rows.join(key, on="person", how="inner", maintain_order="left").join(
        said, on=["code", "value"], how="left", maintain_order="left"
    )
    answer = pl.when(view.dice("voice", rows["happening"]).chance("yes", 0.7)).then(pl.lit("Y")).otherwise(pl.lit("N"))
    asked = {
        "explained_worries": "worries",
        "story_help_understand": "story",
        "agree_worker": "worker",
        "plan_safe": "plan",
        "tablet_help_explain": "help",
    }
    frame = rows.select(
        voch_table_id="V" + serial(rows["happening"], view.seed, "voice", 9),
        voch_person_id="pers_person_id",
        voch_date=pl.col("start").dt.strftime(ISO),
        **{
            f"voch_{name}": pl.when((pl.col("code") == topic) & (pl.col("said_by") == "child")).then(answer)
            for name, topic in asked.items()
        },
        voch_topic="code",
        voch_said_by="said_by",
        voch_words="words",
    ).sort("voch_table_id")
    return Extract(
        {"childrens/ssd_voice_{day}.csv": Text(frame)},
        pl.DataFrame(schema={"source_key": pl.String, "person": pl.Int64}),
    )
