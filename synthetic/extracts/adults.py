"""What adult services send: client level data, one row a request, assessment or service, of adults and of carers."""

from __future__ import annotations

import polars as pl

from synthetic.extracts.card import Habits, View, card, dealt, number, opened
from synthetic.extracts.files import Extract, Text, keyed, tested
from synthetic.extracts.noise import serial, spoilt

HABITS = Habits(
    typo=0.05,
    nickname=0.082,
    former=0.5,
    wrong_birth=0.045,
    stale=0.37,
    nhs=0.58,
    period=100,
    missing={"birth_date": 0.045, "address": 0.03, "postcode": 0.04, "sex": 0.01, "forename": 0.005},
)
KINDS = {"asc_request": "Request", "asc_assessment": "Assessment", "asc_service": "Service", "carer": "Service"}
REASONS = {
    "physical": "Physical support: personal care support",
    "memory": "Support with memory and cognition",
    "learning": "Learning disability support",
    "mental_health": "Mental health support",
    "social": "Social support: support for social isolation or other",
    "sensory": "Sensory support: support for dual impairment",
}
ROUTES = {
    "hospital": "Discharge from hospital",
    "community": "Community: other route",
    "self": "Self referral",
    "family": "Family or friend",
    "police": "Police",
}
COMPONENTS = {
    "nursing": "Nursing care",
    "residential": "Residential care",
    "home_care": "Home support",
    "direct_payment": "Direct payment",
    "equipment": "Equipment",
    "reablement": "Reablement",
    "day_care": "Day support",
}
SLASHED = "%d/%m/%Y"


def adult_social_care(view: View) -> Extract:
    """A row for each event of a client or carer."""
    rows = dealt(view, "adult-social-care", view.of(*KINDS), HABITS, by="group")
    ids = opened(rows)
    cards = card(view, "adult-social-care", ids, HABITS)
    cards = cards.with_columns(person_key="A" + serial(number(ids), view.seed, "adult-social-care", 7))
    rows = rows.join(cards.drop("captured"), on=["person", "copy"], how="left", maintain_order="left")
    cared = cards.filter(pl.col("copy") == 0).select(other="person", cared_key="person_key")
    rows = rows.join(cared, on="other", how="left", maintain_order="left")
    reason = view.of("asc_assessment").unique("group", keep="first", maintain_order=True).select("group", reason="code")
    rows = rows.join(reason, on="group", how="left", maintain_order="left")
    carers = cards.select("person_key").filter(view.dice("carers", number(cards)).chance("unpaid", 0.3))["person_key"]
    carer = pl.col("type") == "carer"
    frame = rows.select(
        "row",
        LA_Code=pl.lit("990"),
        LA_Person_Unique_Identifier="person_key",
        NHS_Number="nhs_number",
        Given_Name="forename",
        Family_Name="surname",
        Gender=pl.col("sex").replace_strict({"M": "Male", "F": "Female"}, default="Unknown"),
        Ethnicity="ethnicity",
        Date_of_Birth=pl.col("birth_date").dt.strftime(SLASHED),
        Date_of_Death=pl.col("death_date").dt.strftime(SLASHED),
        Postcode="postcode",
        Address_Line_1="line",
        Client_Type=pl.when(carer).then(pl.lit("Carer")).otherwise(pl.lit("Service User")),
        Cared_For_Person_Identifier=pl.when(carer).then("cared_key"),
        Primary_Support_Reason=pl.coalesce("reason", pl.lit("physical")).replace_strict(REASONS, default=None),
        Accommodation_Status=pl.lit(None, dtype=pl.String),
        Has_Unpaid_Carer=pl.when(pl.col("person_key").is_in(carers.implode()))
        .then(pl.lit("Yes"))
        .otherwise(pl.lit("Unknown")),
        Event_Reference="E" + serial(rows["row"], view.seed, "asc-event", 9),
        Event_Type=pl.col("type").replace_strict(KINDS),
        Event_Start_Date=pl.col("start").dt.strftime(SLASHED),
        Event_End_Date=pl.col("end").dt.strftime(SLASHED),
        Event_Outcome=pl.when((pl.col("type") == "asc_request") & (pl.col("value") > 0)).then(
            pl.lit("Progress to assessment")
        ),
        Request_Route_of_Access=pl.when(pl.col("type") == "asc_request").then(
            pl.col("code").replace_strict(ROUTES, default=None)
        ),
        Service_Type=pl.when(pl.col("type") == "asc_service").then(pl.lit("Long term support: community")),
        Service_Component=pl.when(pl.col("type") == "asc_service").then(
            pl.col("code").replace_strict(COMPONENTS, default=None)
        ),
        Delivery_Mechanism=pl.when(pl.col("code") == "direct_payment").then(pl.lit("Direct payment only")),
    ).sort("Event_Reference")
    frame = spoilt(
        frame,
        view.dice("adult-social-care", frame["row"]),
        HABITS.broken,
        Date_of_Birth="31/06/1950",
        Gender="Z",
        Event_Start_Date="soon",
        Event_Type="Enquiry",
    ).drop("row")
    frame = tested(
        frame,
        2,
        LA_Person_Unique_Identifier="A000000{n}",
        Event_Reference="E00000000{n}",
        Given_Name="TEST",
        Family_Name="Client",
        NHS_Number=None,
    )
    return Extract({"adults/cld_{day}.csv": Text(frame)}, keyed(rows, "person_key"))
