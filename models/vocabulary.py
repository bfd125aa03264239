"""Words for the kinds of events.

What belongs here: how a type of event is named in a sentence, one and many. Which types exist is said by the site's
contracts; a type without words here is written as its own name.
"""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "contact": ("contact to children's social care", "contacts to children's social care"),
    "child_in_need": ("child in need episode", "child in need episodes"),
    "assessment": ("social care assessment", "social care assessments"),
    "section_47": ("section 47 enquiry", "section 47 enquiries"),
    "child_protection_plan": ("child protection plan", "child protection plans"),
    "looked_after": ("looked-after period", "looked-after periods"),
    "referral": ("referral to children's social care", "referrals to children's social care"),
    "child_in_need_plan": ("child in need plan", "child in need plans"),
    "assessment_factor": ("factor found at assessment", "factors found at assessment"),
    "child_protection_conference": ("initial child protection conference", "initial child protection conferences"),
    "child_protection_review": ("child protection review", "child protection reviews"),
    "pre_proceedings": ("period of pre-proceedings", "periods of pre-proceedings"),
    "court_application": ("application to court", "applications to court"),
    "placement": ("care placement", "care placements"),
    "legal_status": ("legal status in care", "legal statuses in care"),
    "looked_after_review": ("looked-after review", "looked-after reviews"),
    "left_care": ("time of leaving care", "times of leaving care"),
    "care_leaver_contact": ("contact with a care leaver", "contacts with a care leaver"),
    "adoption_decision": ("decision for adoption", "decisions for adoption"),
    "adoption_match": ("match for adoption", "matches for adoption"),
    "placed_for_adoption": ("placement for adoption", "placements for adoption"),
    "deprivation_of_liberty": ("deprivation of liberty", "deprivations of liberty"),
    "strengths_and_difficulties": ("strengths and difficulties score", "strengths and difficulties scores"),
    "early_help_episode": ("early help episode", "early help episodes"),
    "attendance": ("attendance return", "attendance returns"),
    "exclusion": ("suspension or exclusion", "suspensions or exclusions"),
    "sen_support": ("period of support for special needs", "periods of support for special needs"),
    "free_school_meals": ("free school meals claim", "free school meals claims"),
    "school_roll": ("school enrolment", "school enrolments"),
    "missing_episode": ("missing episode", "missing episodes"),
    "domestic_abuse": ("domestic abuse incident", "domestic abuse incidents"),
    "incident_victim": ("police incident as victim", "police incidents as victim"),
    "incident_suspect": ("police incident as suspect", "police incidents as suspect"),
    "incident_witness": ("police incident as witness", "police incidents as witness"),
    "offence": ("offence", "offences"),
    "yjs_intervention": ("youth justice intervention", "youth justice interventions"),
    "council_tax_liability": ("council tax account", "council tax accounts"),
    "single_person_discount": ("single person discount", "single person discounts"),
    "council_tax_arrears": ("month of council tax arrears", "months of council tax arrears"),
    "housing_benefit_claim": ("housing benefit claim", "housing benefit claims"),
    "tenancy": ("tenancy", "tenancies"),
    "rent_arrears": ("month of rent arrears", "months of rent arrears"),
    "homelessness_duty": ("homelessness duty", "homelessness duties"),
    "asc_request": ("request for adult social care", "requests for adult social care"),
    "asc_assessment": ("adult social care assessment", "adult social care assessments"),
    "asc_service": ("adult social care service", "adult social care services"),
    "carer": ("caring role", "caring roles"),
    "hospital_attendance": ("hospital attendance", "hospital attendances"),
    "gp_registration": ("GP registration", "GP registrations"),
}


def counted(type_: str, times: int) -> str:
    """A number of events in words, such as `3 missing episodes`."""
    one, many = WORDS.get(type_, (type_.replace("_", " "), type_.replace("_", " ") + " (each)"))
    return f"{times} {one if times == 1 else many}"
