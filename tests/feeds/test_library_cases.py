"""Small invented deliveries in the library's other layouts: what they tell, and what is set aside and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from feedhouse import House
from library_shelf import broken, extended, taken, told

from feeds.ledger import current

# -- the department's messages ----------------------------------------------------------------------------------------


def message(child: str, **parts: Any) -> str:
    """A message of version 0.7 about one child, with one episode that has one of everything."""
    live: dict[str, Any] = {"purge": False}
    episode = {
        "social_care_episode_id": f"E{child}",
        "referral_date": "2025-01-02",
        "referral_source": "1A",
        "referral_no_further_action_flag": False,
        "care_worker_details": [{"worker_id": "W1", "start_date": "2025-01-03", "end_date": None}],
        "child_and_family_assessments": [
            {"child_and_family_assessment_id": "A1", "start_date": "2025-01-05", "factors": ["1A", "2B"], **live},
            {"child_and_family_assessment_id": "A2", "purge": True},
        ],
        "child_in_need_plans": [{"child_in_need_plan_id": "P1", "start_date": "2025-03-01", **live}],
        "section_47_assessments": [
            {"section_47_assessment_id": "S1", "start_date": "2025-03-05", "icpc_required_flag": True,
             "icpc_date": "2025-03-20", **live},
        ],
        "child_protection_plans": [
            {"child_protection_plan_id": "C1", "start_date": "2025-03-20", "end_date": "2024-03-20", **live},
        ],
        "child_looked_after_placements": [
            {"child_looked_after_placement_id": "L1", "start_date": "2025-05-01", "placement_type": "U1", **live},
        ],
        "care_leavers": {"contact_date": "2025-09-01", "activity": "F1", "purge": True},
        **live,
    }  # fmt: skip
    details = {"first_name": "Ada", "surname": "Lane", "date_of_birth": "2012-03-04", "sex": "F", **live}
    well = {"sdq_assessments": [{"date": "2025-02-03", "score": 20}], **live}
    whole = {"la_child_id": child, "child_details": details, "health_and_wellbeing": well, **live}
    return json.dumps({"la_code": 999, "Children": {**whole, "social_care_episodes": [episode], **parts}}) + "\n"


def test_a_message_tells_what_is_live_in_it_and_a_purge_takes_the_child_back(house: House) -> None:
    contract = taken("dfe-csc-api")
    load = house.load(contract, "childrens/csc_2026-11-20.jsonl", message("1") + message("2"))
    assert (load.status, load.received, load.quarantined) == ("accepted", 20, 2)
    assert broken(load, "quarantine") == {"protection_plan: a plan ends on or after it starts": 2}
    assert broken(load, "warn") == {"assessment: start_date is given": 2}  # those that are taken back have an id alone
    both = {"assessment", "child_in_need", "child_in_need_plan", "child_protection_conference", "looked_after",
            "placement", "referral", "section_47", "strengths_and_difficulties"}  # fmt: skip
    assert told(house, contract) == dict.fromkeys(sorted(both), 2)
    codes = current(house.store, contract.id, "event").filter(type="section_47")["code"]
    assert codes.to_list() == ["0", "0"]  # a conference was required, in the census's words
    gone = json.dumps({"la_code": 999, "Children": [{"la_child_id": "2", "purge": True}]})
    load = house.load(contract, "childrens/csc_2026-11-21.jsonl", gone + "\n")
    assert (load.received, load.withdrawn) == (1, 1)
    assert told(house, contract) == dict.fromkeys(sorted(both), 1)
    assert current(house.store, contract.id, "source_record")["source_key"].to_list() == ["1"]


# -- the case system --------------------------------------------------------------------------------------------------


def test_a_council_extracts_the_objects_it_has_and_a_child_without_its_person_is_told(
    house: House, tmp_path: Path
) -> None:
    every = [t.name for t in taken("ssd").tables]
    kept = ("ssd_person", "ssd_cin_episodes", "ssd_mother", "ssd_cla_placement", "ssd_sdq_scores")
    absent = ", ".join(name for name in every if name not in kept)
    contract = extended(tmp_path, "ssd", f"  - {{property: without, value: [{absent}]}}\n")
    files: dict[str, list[dict[str, str]]] = {
        "person": [
            {"pers_person_id": "7", "pers_forename": "Ada", "pers_surname": "Lane", "pers_dob": "2012-03-04"},
            {"pers_person_id": "8", "pers_forename": "Eve", "pers_surname": "Lane", "pers_sex": "female"},
        ],
        "cin_episodes": [
            {"cine_referral_id": "R1", "cine_person_id": "7", "cine_referral_date": "2026-01-02",
             "cine_cin_primary_need_code": "N1", "cine_referral_nfa": "N"},
            {"cine_referral_id": "R2", "cine_person_id": "7", "cine_referral_date": "2026-02-02",
             "cine_referral_nfa": "Y"},
            {"cine_referral_id": "R3", "cine_person_id": "9", "cine_referral_date": "2026-03-02",
             "cine_close_date": "2026-03-01"},
        ],
        "mother": [{"moth_table_id": "1", "moth_person_id": "8", "moth_childs_person_id": "7"}],
        "cla_placement": [
            {"clap_cla_placement_id": "P1", "clap_person_id": "7", "clap_cla_placement_start_date": "2026-04-01",
             "clap_cla_placement_type": "K3", "clap_cla_placement_postcode": "LS1 4AP"},
            {"clap_cla_placement_id": "P2", "clap_person_id": "7", "clap_cla_placement_start_date": "2021-04-01",
             "clap_cla_placement_end_date": "2021-06-01", "clap_cla_placement_type": "K3"},
        ],
        "sdq_scores": [{"csdq_table_id": "1", "csdq_person_id": "7", "csdq_sdq_completed_date": "2026-05-01",
                        "csdq_sdq_score": "17"}],
    }  # fmt: skip
    for name, rows in files.items():
        header = [c.physical for c in contract.table(f"ssd_{name}").columns]
        lines = [header, *([row.get(h, "") for h in header] for row in rows)]
        house.put(f"childrens/ssd_{name}_2026-11-20.csv", "\n".join(",".join(line) for line in lines) + "\n")
    load = house.load_all(contract)[-1]
    assert (load.status, load.received, load.quarantined) == ("accepted", 9, 1)
    assert broken(load, "quarantine") == {"ssd_cin_episodes: closed on or after the referral": 1}
    assert broken(load, "warn") == {
        "ssd_person: pers_sex is one of M, F, U": 1,
        "ssd_cla_placement: clap_cla_placement_type is a code of 903-placement.csv in force on "
        "clap_cla_placement_start_date": 1,  # there was no supported accommodation in 2021
    }
    assert told(house, contract) == {
        "child_in_need": 1, "placement": 2, "referral": 2, "strengths_and_difficulties": 1,
    }  # fmt: skip
    assert current(house.store, contract.id, "relationship")["kind"].to_list() == ["parent"]
    people = current(house.store, contract.id, "source_record").sort("source_key")
    assert people.select("la_child_id", "postcode").row(0) == ("7", "LS1 4AP")
