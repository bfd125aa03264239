"""What an attacker wants of files that leave, each by name, and that none of it works."""

import hashlib
import hmac
import itertools
import os
import re
import warnings
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pysequoia
import pytest

from governance.agreements import Agreements, load_agreements
from governance.audit import AuditError, AuditLog
from governance.keys import KeyRing
from governance.pseudonyms import pseudonyms, record_ids
from governance.release import Item, Releaser, ReleaseRefused
from governance.terms import Recipient

SITE = Path(__file__).parents[2] / "sites/harrowmere"
NIGHT = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 2)
PERSON = f"{7:032x}"
RING = KeyRing(b"k" * 32)
SUBJECTS = pl.DataFrame(
    {"person_id": [PERSON], "age": [9], "open_to": [None]},
    schema={"person_id": pl.String, "age": pl.Int32, "open_to": pl.List(pl.String)},
)
PAGE = b"<html><body><p>Secret Name</p></body></html>"
SUMMARY = Item(
    "summary", "mash", "social_worker", "open_case", PERSON, PAGE, ("council: identity",), ("police: offence",)
)
REPORT = Item("report", "mash", "social_worker", "open_case", None, PAGE, name="a")


@pytest.fixture(scope="module")
def agreements() -> Agreements:
    return load_agreements(SITE)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit", b"k" * 32)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def releaser(place: Path, agreements: Agreements, log: AuditLog) -> Releaser:
    return Releaser(place, agreements, log, RING)


def files(place: Path) -> list[Path]:
    return sorted(p for p in place.rglob("*") if p.is_file())


def encrypting(agreements: Agreements) -> Agreements:
    """The same agreements, of which all have the files of the MASH encrypted."""
    changed = []
    for one in agreements:
        to = tuple(Recipient(team=r.team, roles=r.roles, encrypt=r.team == "mash") for r in one.recipients)
        changed.append(one.model_copy(update={"recipients": to}))
    return Agreements(changed, agreements.council)


@pytest.fixture(scope="module")
def keys() -> SimpleNamespace:
    """The keys of a team, of another, one that expires within a second of being made, and one that was revoked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own, other = pysequoia.Tsk.generate("mash"), pysequoia.Tsk.generate("other")
        short = pysequoia.Tsk.generate("mash", validity_seconds=1)
        gone = pysequoia.Cert.generate("mash")
        assert gone.secrets is not None
        public = pysequoia.Cert.from_bytes(str(gone).encode())
        revoked = public.merge(pysequoia.Cert.from_bytes(bytes(public) + bytes(gone.revoke(gone.secrets.certifier()))))
        return SimpleNamespace(
            own=own, other=other, public=str(own.extract_certificate()), short=str(short.extract_certificate()),
            revoked=str(revoked), private=str(pysequoia.armor(bytes(own), pysequoia.ArmorKind.SecretKey)),
        )  # fmt: skip


@pytest.fixture
def sealing(place: Path, agreements: Agreements, log: AuditLog, tmp_path: Path, keys: SimpleNamespace) -> Releaser:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "mash.asc").write_text(keys.public)
    return Releaser(place, encrypting(agreements), log, RING, keys=folder)


# -- ids -------------------------------------------------------------------------------------------------------------

FORENAMES, SURNAMES = ("AVA", "LEO", "MIA", "NOAH"), ("SMITH", "KHAN", "PATEL", "JONES")
POSTCODES = ("QH1 1AA", "QH1 9NE")
BORN = [date(2010, 1, 1) + timedelta(days=n) for n in range(120)]


def candidates() -> list[str]:
    """Every plausible person, in the ways in which somebody would write them down before hashing."""
    made = []
    for forename, surname, born, postcode in itertools.product(FORENAMES, SURNAMES, BORN, POSTCODES):
        made.append(f"{forename}|{surname}|{born}|{postcode}")
        made.append(f"{forename}{surname}{born:%d%m%Y}{postcode}".lower().replace(" ", ""))
    return made


def hashes(values: list[str]) -> set[str]:
    """What an attacker without the key can make of them: plain digests, and keyed ones by guessed keys."""
    guesses = (b"", b"kinfold", b"secret", b"k", bytes(32), b"harrowmere")
    made = {hashlib.sha256(v.encode()).hexdigest()[:32] for v in values}
    made |= {hashlib.md5(v.encode()).hexdigest() for v in values}
    return made | {hmac.digest(g, v.encode(), "sha256").hex()[:32] for g in guesses for v in values}


def test_an_attacker_with_every_name_birth_date_and_postcode_finds_nobody_without_the_key() -> None:
    every = candidates()
    chosen = every[:: len(every) // 500]
    records = record_ids("school-census", pl.Series(chosen), RING)
    people = pl.Series(sorted(hashes(chosen[:500]))[:500])
    given = pseudonyms(people, RING, "analysts", "council-analytics year 1")
    stolen = set(records) | set(given)
    tried = hashes([*every, *(f"school-census\x1f{v}" for v in every), *people])
    assert not stolen & tried
    with_key = set(record_ids("school-census", pl.Series(every), RING))
    assert set(records) <= with_key  # so that the attack would have found them
    assert set(given) == set(pseudonyms(people, RING, "analysts", "council-analytics year 1"))


def test_an_attacker_cannot_join_what_two_recipients_or_two_years_were_given() -> None:
    people = pl.Series([f"{n:032x}" for n in range(2000)])
    given = [
        pseudonyms(people, RING, to, year).to_list()
        for to, year in (
            ("analysts", "a year 1"),
            ("police-data", "a year 1"),
            ("analysts", "a year 2"),
            ("analysts", "b year 1"),
        )
    ]
    assert len({one for each in given for one in each}) == 8000
    for one, other in itertools.combinations(given, 2):  # nor by the order of rows, once they are sorted
        ranks = [sorted(range(2000), key=each.__getitem__) for each in (one, other)]
        assert sum(a == b for a, b in zip(*ranks, strict=True)) < 10


# -- through the gate ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "mash_director"},
        {"role": "analyst"},
        {"team": "analysts", "role": "analyst"},
        {"team": "police-data", "role": "data_owner"},
        {"reason": "service_planning"},
        {"reason": "x"},
        {"kind": "export"},
        {"kind": "subject"},
    ],
)
def test_an_attacker_cannot_claim_another_role_team_reason_or_kind(
    releaser: Releaser, log: AuditLog, place: Path, changes: dict[str, str]
) -> None:
    with pytest.raises(ReleaseRefused):
        releaser.release(replace(SUMMARY, **changes), NIGHT, NOW, SUBJECTS)
    assert not files(place) and log.frame()["action"].to_list() == ["refuse"]


@pytest.mark.parametrize("day", [date(2026, 3, 31), date(2027, 4, 1), date(2030, 1, 1)])
def test_an_attacker_cannot_ask_before_an_agreement_begins_or_after_it_ends(
    releaser: Releaser, place: Path, day: date
) -> None:
    with pytest.raises(ReleaseRefused):
        releaser.release(SUMMARY, day, NOW, SUBJECTS)
    assert not files(place)


@pytest.mark.parametrize(
    "changes",
    [{"team": name} for name in ("../mash", "mash/..", "/tmp", "mash\x00", ".", "", "MASH", "mash\n", "nobody")]
    + [{"suffix": end} for end in ("/../../x.html", "..", "", ".html/x", ".ht ml", ".html\n")],
)
def test_an_attacker_cannot_walk_out_of_a_folder_by_the_name_of_a_team_or_file(
    releaser: Releaser, place: Path, tmp_path: Path, changes: dict[str, str]
) -> None:
    with pytest.raises(ReleaseRefused):
        releaser.release(replace(REPORT, **changes), NIGHT, NOW)
    with pytest.raises(ReleaseRefused):
        releaser.index(changes.get("team", "nobody"), PAGE)
    assert not files(place) and {p.name for p in tmp_path.iterdir()} <= {"audit", "outbox"}


def test_an_attacker_cannot_lead_files_elsewhere_by_a_link_in_the_outbox(
    releaser: Releaser, place: Path, log: AuditLog, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place.mkdir()
    (place / "mash").symlink_to(elsewhere)
    with pytest.raises(ReleaseRefused, match="is a link or a file"):
        releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert not list(elsewhere.iterdir()) and log.frame().is_empty()


def test_an_attacker_cannot_have_a_file_written_over_or_swept_away_through_a_link(
    releaser: Releaser, place: Path, tmp_path: Path
) -> None:
    row = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    path, target = place / row["file"].item(), tmp_path / "target"
    path.unlink()
    target.mkdir()
    kept = target / f"{'0' * 32}_until_2020-01-01.html"
    kept.write_text("kept")
    path.symlink_to(kept)
    (place / "early-help").symlink_to(target)
    (place / "mash" / "deeper").symlink_to(target)
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    assert kept.read_text() == "kept" and not path.is_symlink()
    swept = releaser.sweep(date(2040, 1, 1), row)
    assert kept.read_text() == "kept" and swept.gone == 1
    assert {why for _, why in swept.strange} == {"a link, which is not followed"}


def test_an_attacker_cannot_replay_a_release_id(releaser: Releaser, place: Path, log: AuditLog) -> None:
    with pytest.raises(ReleaseRefused, match="claim one release"):
        releaser.release_many([REPORT, replace(REPORT, content=b"another")], NIGHT, NOW)
    assert not files(place) and log.frame()["action"].to_list() == ["refuse"]
    first = releaser.release(REPORT, NIGHT, NOW)
    path = place / first["file"].item()
    path.write_bytes(b"<p>yesterday's, under today's name</p>")
    assert releaser.sweep(NIGHT, first).strange == ((first["file"].item(), "not what was let out"),)


def test_an_attacker_cannot_hide_a_release_from_the_log(releaser: Releaser, place: Path, log: AuditLog) -> None:
    releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    before = files(place)
    log.checkpoint.unlink()
    with pytest.raises(AuditError):
        releaser.release(replace(REPORT, name="b"), NIGHT, NOW)
    assert files(place) == before


def test_an_attacker_cannot_widen_what_a_file_says_it_shows(releaser: Releaser, place: Path) -> None:
    with pytest.raises(ReleaseRefused, match="no agreement shares police: offence"):
        releaser.release(replace(SUMMARY, shared=(*SUMMARY.shared, "police: offence")), NIGHT, NOW, SUBJECTS)
    with pytest.raises(ReleaseRefused, match="does not say what it shows"):
        releaser.release(replace(SUMMARY, shared=()), NIGHT, NOW, SUBJECTS)
    assert not files(place)


# -- for one team alone ----------------------------------------------------------------------------------------------


def test_an_attacker_cannot_read_another_teams_folder(releaser: Releaser, place: Path) -> None:
    place.mkdir()
    (place / "mash").mkdir()
    (place / "mash").chmod(0o777)
    path = place / releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)["file"].item()
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


def test_an_attacker_who_is_not_in_the_teams_unix_group_reads_nothing(
    place: Path, agreements: Agreements, log: AuditLog
) -> None:
    group = next(g for g in os.getgroups() or [os.getgid()])
    import grp

    def with_group(name: str) -> Releaser:
        team = agreements.council.teams["mash"].model_copy(update={"unix_group": name})
        council = agreements.council.model_copy(update={"teams": agreements.council.teams | {"mash": team}})
        return Releaser(place, Agreements(agreements, council), log, RING)

    with pytest.raises(ReleaseRefused, match="has no group"):
        with_group("nosuchgroup").release(SUMMARY, NIGHT, NOW, SUBJECTS)
    path = place / with_group(grp.getgrgid(group).gr_name).release(SUMMARY, NIGHT, NOW, SUBJECTS)["file"].item()
    assert path.stat().st_mode & 0o777 == 0o640 and path.stat().st_gid == group
    assert path.parent.stat().st_mode & 0o777 == 0o750 and place.stat().st_mode & 0o777 == 0o711


def test_an_attacker_with_another_teams_key_opens_nothing(
    sealing: Releaser, place: Path, keys: SimpleNamespace
) -> None:
    row = sealing.release(SUMMARY, NIGHT, NOW, SUBJECTS).row(0, named=True)
    path = place / row["file"]
    assert path.name.endswith("_until_2026-12-04.html.pgp")
    content = path.read_bytes()
    assert b"Secret" not in content and hashlib.sha256(content).hexdigest() == row["sha256"]
    with pytest.raises(Exception, match="No key to decrypt"):
        pysequoia.decrypt(content, decryptor=keys.other.decryptor())
    opened = pysequoia.decrypt(content, decryptor=keys.own.decryptor()).bytes
    assert b"Secret Name" in opened and row["release_id"].encode() in opened
    sealing.index("mash", b'<html><body><a href="%s">Secret Name</a></body></html>' % path.name.encode())
    assert not any(b"Secret" in p.read_bytes() for p in files(place))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (None, "it is not there"),
        ("short", "it expired on"),
        ("revoked", "it was revoked"),
        ("private", "holds a private key"),
        ("not a key", "it is no OpenPGP key"),
    ],
)
def test_an_attacker_who_takes_a_teams_key_away_gets_nothing_in_plain(
    sealing: Releaser, place: Path, log: AuditLog, tmp_path: Path, keys: SimpleNamespace, key: str | None, why: str
) -> None:
    path = tmp_path / "keys" / "mash.asc"
    path.write_text(getattr(keys, key, key)) if key else path.unlink()
    late = datetime(2100, 1, 1)
    with pytest.raises(ReleaseRefused, match=why):
        sealing.release(SUMMARY, NIGHT, late, SUBJECTS)
    assert not files(place) and log.frame().is_empty()


def test_an_attacker_who_swaps_a_file_between_teams_folders_loses_it(releaser: Releaser, place: Path) -> None:
    row = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    (place / "early-help").mkdir()
    moved = place / "early-help" / Path(row["file"].item()).name
    moved.write_bytes((place / row["file"].item()).read_bytes())
    swept = releaser.sweep(NIGHT, row)
    assert (swept.misplaced, swept.gone) == (1, 0)
    assert not moved.exists() and (place / row["file"].item()).exists()


# -- beyond its day --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "kept.html",
        "{id}_until_2099-01-01.html",
        "{id}.html",
        "deeper/{id}.html",
        "0123456789abcdef0123456789abcdef.html",
    ],
)
def test_an_attacker_cannot_keep_a_file_beyond_its_day_by_renaming(releaser: Releaser, place: Path, name: str) -> None:
    row = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    path = place / row["file"].item()
    kept = path.parent / name.format(id=row["release_id"].item())
    kept.parent.mkdir(exist_ok=True)
    path.rename(kept)
    early = releaser.sweep(date(2026, 12, 3), row)
    assert kept.exists() and early.strange[0][1] == "a copy of a released file"
    assert releaser.sweep(date(2026, 12, 4), row).gone == 1 and not files(place)


def test_an_attacker_cannot_keep_a_second_copy_unseen(releaser: Releaser, place: Path) -> None:
    row = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    path = place / row["file"].item()
    (path.parent / "copy.html").write_bytes(path.read_bytes())
    (path.parent / "notes.docx").write_bytes(b"somebody's own")
    swept = releaser.sweep(date(2026, 12, 3), row)
    assert dict(swept.strange) == {
        "mash/copy.html": "a copy of a released file",
        "mash/notes.docx": "nobody let it out",
    }
    assert releaser.sweep(date(2026, 12, 4), row).gone == 2
    assert [p.name for p in files(place)] == ["notes.docx"]  # what is unknown is told of, not removed


@pytest.mark.parametrize("encrypted", [False, True])
def test_an_attacker_cannot_keep_the_list_of_names_beyond_the_files_that_it_lists(
    releaser: Releaser, sealing: Releaser, place: Path, encrypted: bool
) -> None:
    gate = sealing if encrypted else releaser
    row = gate.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    name = Path(row["file"].item()).name.encode()
    gate.index("mash", b'<html><body data-until="2099-01-01"><a href="%s">Secret Name</a></body></html>' % name)
    assert any(p.name.startswith("index.html") for p in files(place))
    gate.sweep(date(2026, 12, 3), row)
    assert any(p.name.startswith("index.html") for p in files(place))
    gate.sweep(date(2026, 12, 4), row)
    assert not files(place)


def test_an_attacker_finds_no_list_in_plain_once_a_teams_files_are_encrypted(
    releaser: Releaser, sealing: Releaser, place: Path
) -> None:
    for gate in (releaser, sealing):
        row = gate.release(SUMMARY, NIGHT, NOW, SUBJECTS)
        name = Path(row["file"].item()).name.encode()
        gate.index("mash", b'<html><body><a href="%s">Secret Name</a></body></html>' % name)
    listed = [path for path in files(place) if path.name.startswith("index.html")]
    assert "index.html" not in [path.name for path in listed] and any(p.name == "index.html.pgp" for p in listed)
    assert not any(b"Secret" in path.read_bytes() for path in listed)


def test_an_attacker_cannot_have_a_recall_write_over_a_file_outside_the_outbox(releaser: Releaser, place: Path) -> None:
    row = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    name = Path(row["file"].item()).name
    outside, another = place.parent / name, place / "other" / name
    another.parent.mkdir()
    for path in (outside, another):
        path.write_bytes(b"theirs")
    for file in (f"../{name}", f"{place.parent}/{name}", f"mash/../../{name}", f"mash/../other/{name}"):
        changed = row.with_columns(file=pl.lit(file), sha256=pl.lit(None, pl.String))
        assert releaser.recall(changed, lambda _: b"RECALLED", NOW) == 0
    assert outside.read_bytes() == another.read_bytes() == b"theirs"


@pytest.mark.parametrize("encrypted", [False, True])
def test_an_attacker_cannot_keep_a_recalled_file_by_renaming_or_as_it_is_encrypted(
    releaser: Releaser, sealing: Releaser, place: Path, log: AuditLog, encrypted: bool
) -> None:
    gate = sealing if encrypted else releaser
    row = gate.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    path = place / row["file"].item()
    path.rename(path.with_name("kept.html"))
    assert gate.recall(row, lambda told: f"RECALLED {Path(told['file']).suffix}".encode(), NOW) == 1
    (left,) = files(place)
    assert left.name == path.name.removesuffix(".pgp") and left.read_bytes() == b"RECALLED .html"
    recalled = log.frame().filter(pl.col("action") == "recall")["release_id"].to_list()
    assert gate.sweep(NIGHT, row, recalled).strange == ()
    assert gate.sweep(date(2026, 12, 4), row, recalled).gone == 1


# -- what it says of itself ------------------------------------------------------------------------------------------


def test_an_attacker_cannot_pass_a_file_off_as_meant_for_somebody_else(releaser: Releaser, place: Path) -> None:
    page = place / releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)["file"].item()
    sheet = place / releaser.release(replace(REPORT, suffix=".csv"), NIGHT, NOW)["file"].item()
    told = re.sub(r"<[^>]+>", " ", page.read_text())
    for said in ("Multi-Agency Safeguarding Hub", "Decide on, and act on", "multi-agency-safeguarding v3 shares[11]"):
        assert said in told
    assert "4 December 2026" in told and page.name[:32] in told and "1 kinds of record" in told
    assert page.read_bytes().endswith(b"</footer></body></html>")
    beside = sheet.with_name(sheet.name + ".about.json").read_text()
    assert sheet.name[:32] in beside and "Multi-Agency Safeguarding Hub" in beside


def test_an_attacker_cannot_plant_a_script_in_a_stamp(agreements: Agreements, log: AuditLog, place: Path) -> None:
    hostile = "</dd><script>alert(1)</script>\u202e\x1b[2J"
    changed = [one.model_copy(update={"purpose": hostile}) for one in agreements]
    row = Releaser(place, Agreements(changed, agreements.council), log, RING).release(SUMMARY, NIGHT, NOW, SUBJECTS)
    text = (place / row["file"].item()).read_text()
    assert "<script" not in text and "&lt;script&gt;" in text and "\u202e" not in text and "\x1b" not in text


def test_a_recalled_file_that_is_gone_stays_gone(releaser: Releaser, place: Path) -> None:
    row = releaser.release(SUMMARY, NIGHT, NOW, SUBJECTS)
    (place / row["file"].item()).unlink()
    assert releaser.recall(row, lambda _: b"RECALLED", NOW) == 0 and not files(place)
