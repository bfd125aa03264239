"""Nobody is re-identified but by an agreement, for a case, and with an entry in the log that was there before."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from governance.agreements import Agreements, Subject, load_agreements
from governance.audit import AuditError, AuditLog
from governance.organisation import Post
from governance.reveal import LIMIT, Asker, Revealed, RevealRefused, reveal

SITE = Path(__file__).parents[2] / "sites/harrowmere"
DAY, NOW = date(2026, 11, 20), datetime(2026, 11, 20, 9)
PERSON = f"{7:032x}"
CHILD, ADULT = Subject(age=9), Subject(age=40)
PARTNERS = ("council", "police", "schools")
ASKER = Asker("A. Khan", "mash", "social_worker", "open_case", "CSC-104")
Asks = Callable[..., Revealed]


@pytest.fixture(scope="module")
def agreements() -> Agreements:
    return load_agreements(SITE)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit", b"k" * 32)


@pytest.fixture
def asks(agreements: Agreements, log: AuditLog) -> Asks:
    def ask(
        asker: Asker = ASKER, person: str = PERSON, subject: Subject | None = CHILD, at: datetime = NOW,
        day: date = DAY, beside: tuple[Subject, ...] = (), by: Agreements = agreements,
    ) -> Revealed:  # fmt: skip
        return reveal(by, log, asker, person, PARTNERS, at, day, subject, beside)

    return ask


def test_what_is_permitted_is_told_partner_by_partner_and_is_in_the_log(asks: Asks, log: AuditLog) -> None:
    seen = asks()
    assert set(seen.asked.cited) == {"council"} and set(seen.asked.refused) == {"police", "schools"}
    assert seen.asked.citation == "multi-agency-safeguarding v3 shares[11]"
    (entry,) = log.frame().rows(named=True)
    assert (entry["action"], entry["actor"], entry["case"], entry["person_id"]) == (
        "reveal",
        "A. Khan",
        "CSC-104",
        PERSON,
    )
    assert entry["agreement"] == seen.asked.citation and entry["reason"] == "open_case"


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "analyst"},
        {"role": "chief_executive"},
        {"team": "analysts", "role": "analyst"},
        {"team": "police-data", "role": "data_owner", "reason": "data_quality"},
        {"team": "Jane Smith"},
        {"reason": "service_planning"},
        {"reason": "curiosity about Jane Smith"},
        {"case": None},
        {"case": "Jane Smith"},
        {"case": "Smith"},
        {"case": "1\n2"},
        {"case": "../../1"},
    ],
)
def test_an_attacker_cannot_claim_another_team_role_reason_or_no_case(
    asks: Asks, log: AuditLog, changes: dict[str, str | None]
) -> None:
    with pytest.raises(RevealRefused):
        asks(replace(ASKER, **changes))
    (entry,) = log.frame().rows(named=True)
    assert entry["action"] == "refuse" and entry["person_id"] == PERSON
    assert "Smith" not in str(entry) and "\n" not in str(entry)


def test_an_attacker_cannot_ask_after_the_agreement_has_ended(asks: Asks, log: AuditLog) -> None:
    with pytest.raises(RevealRefused, match="expired on 2027-03-31"):
        asks(day=date(2027, 4, 1))
    assert log.frame()["action"].to_list() == ["refuse"]


def test_an_attacker_cannot_look_at_somebody_whom_no_agreement_covers(asks: Asks) -> None:
    for subject in (ADULT, None, Subject()):
        with pytest.raises(RevealRefused, match="does not cover this person"):
            asks(subject=subject)
    with pytest.raises(RevealRefused):
        asks(subject=ADULT, beside=(ADULT,))
    assert asks(subject=ADULT, beside=(CHILD,)).asked.cited  # whoever lives with a child is covered with them


def test_an_attacker_cannot_hide_a_look(asks: Asks, log: AuditLog) -> None:
    asks()
    log.path.unlink()
    with pytest.raises(AuditError):
        asks()
    log.path.mkdir()
    with pytest.raises((AuditError, OSError)):
        asks()


def test_an_attacker_who_looks_at_many_is_marked_whatever_name_they_give(asks: Asks, log: AuditLog) -> None:
    start = datetime.now(UTC).replace(tzinfo=None)
    for n in range(LIMIT):
        seen = asks(replace(ASKER, who=f"user {n}"), person=f"{n:032x}", at=start + timedelta(minutes=n))
        assert not seen.many
    again = asks(person=f"{3:032x}", at=start + timedelta(hours=2))
    assert not again.many  # the same people looked at twice are no more people
    more = asks(person="a" * 32, at=start + timedelta(hours=3))
    assert more.many and more.people == LIMIT + 1
    assert log.frame()["action"].to_list()[-2:] == ["reveal", "many"]
    assert not asks(person="b" * 32, at=start + timedelta(days=2)).many


def test_an_attacker_whom_the_list_of_staff_does_not_have_in_that_role_sees_nothing(
    asks: Asks, agreements: Agreements
) -> None:
    post = Post(team="mash", roles=("social_worker",))
    council = agreements.council.model_copy(update={"staff": {"akhan": (post,)}})
    by = Agreements(agreements, council)
    for login in (None, "root", "other"):
        with pytest.raises(RevealRefused, match="list of staff"):
            asks(replace(ASKER, login=login), by=by)
    with pytest.raises(RevealRefused, match="list of staff"):
        asks(replace(ASKER, login="akhan", role="mash_manager"), by=by)
    assert asks(replace(ASKER, login="akhan"), by=by).asked.cited
