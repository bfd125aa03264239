"""What somebody tries who wants the audit log to say otherwise, or not to say it: none of it goes unnoticed."""

from __future__ import annotations

import json
import multiprocessing
import os
import pwd
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from governance import audit, checkpoints
from governance.audit import AuditError, AuditLog, Entry, account, login
from governance.checkpoints import CheckpointError, Head, canonical, outside
from warehouse.site import PROJECT

KEY, OTHER = b"k" * 32, b"o" * 32
DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12)
ENTRY = Entry(
    NOON, "ann", "social_worker", "reveal", "mash", "7" * 32, "section_47", "multi-agency-safeguarding v3 shares[0]"
)


def entries(many: int, start: int = 0, **changes: object) -> list[Entry]:
    return [
        replace(ENTRY, at=NOON + timedelta(minutes=n), person_id=f"{n:032x}", **changes)
        for n in range(start, start + many)
    ]


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve entries, a folder of checkpoints of the first four and the first eight, and yesterday's copy of eight."""
    place = tmp_path_factory.mktemp("audit")
    (place / "kept").mkdir()
    log = AuditLog(place / "log", KEY)
    for day in range(3):
        log.append(entries(4, 4 * day))
        if day < 2:
            log.keep_copy(place / "kept", NOON + timedelta(days=day))
        if day == 1:
            shutil.copytree(place / "log", place / "yesterday")
    return place


@pytest.fixture
def place(twelve: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(twelve, tmp_path / "audit"))


def lines(place: Path) -> list[bytes]:
    return (place / "log" / "log.jsonl").read_bytes().splitlines(keepends=True)


def put(place: Path, kept: list[bytes]) -> AuditLog:
    (place / "log" / "log.jsonl").write_bytes(b"".join(kept))
    return AuditLog(place / "log", KEY)


def rewritten(line: bytes, change: Callable[[bytes], bytes], before: bytes, key: bytes = KEY) -> bytes:
    """A line whose body was changed and authenticated anew, as somebody with the key can."""
    body = change(line[:-75] + b"}")
    mac = AuditLog(Path(tempfile.mkdtemp()), key)._mac(before, body)
    return body[:-1] + b',"mac":"' + mac.encode() + b'"}\n'


def test_the_log_that_is_attacked_here_is_in_order(place):
    verdict = AuditLog(place / "log", KEY).examine([place / "kept"])
    assert (verdict.entries, verdict.against, verdict.problems) == (12, 3, ())


# -- changing what it says ---------------------------------------------------------------------------------------------


def test_an_attacker_cannot_say_that_somebody_else_looked(place):
    was = lines(place)
    log = put(place, [*was[:4], was[4].replace(b'"actor":"ann"', b'"actor":"bob"'), *was[5:]])
    assert log.verify() == [
        "log.jsonl:5: entry 5 is not as it was written: it was changed, or put in by somebody without the key."
    ]


def test_an_attacker_cannot_take_a_look_out(place):
    was = lines(place)
    problems = put(place, [*was[:4], *was[6:]]).verify()
    assert problems[0].startswith("log.jsonl:5: entry 7 stands where entry 5 belongs: 2 before it were taken out")


def test_an_attacker_cannot_change_the_order_of_two_looks(place):
    was = lines(place)
    problems = put(place, [*was[:4], was[5], was[4], *was[6:]]).verify()
    assert [p.split(": ")[0] for p in problems] == ["log.jsonl:5", "log.jsonl:6", "log.jsonl:7"]


def test_an_attacker_cannot_put_a_look_in(place):
    was = lines(place)
    problems = put(place, [*was[:4], was[4].replace(b'"ann"', b'"bob"'), *was[4:]]).verify()
    assert "put in" in problems[0] and "put in again" in problems[1]


def test_an_attacker_cannot_tell_a_look_twice(place):
    was = lines(place)
    assert "put in again" in put(place, [*was[:5], was[4], *was[5:]]).verify()[0]


def test_an_attacker_cannot_put_the_log_of_another_council_behind_this_one(place, tmp_path):
    AuditLog(tmp_path / "other", OTHER).append(entries(3))
    theirs = (tmp_path / "other" / "log.jsonl").read_bytes().splitlines(keepends=True)
    log = put(place, lines(place) + theirs)
    assert log.verify()[0].startswith("log.jsonl:13:")
    with pytest.raises(AuditError, match="Data Protection Officer"):
        log.append([ENTRY])


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-1] + b',"actor":"bob"}',
        lambda body: body.replace(b'{"account"', b'{"actor":"bob","account"'),
        lambda body: body.replace(b'"ann"', b'"\\u0061nn"'),
        lambda body: body.replace(b'":"', b'": "', 1),
        lambda body: body.replace(b'"ann"', b'"ann\\n"'),
        lambda body: body.replace(b'"sequence":12', b'"sequence":12.0'),
        lambda body: body.replace(b'"ann"', b'["ann"]'),
        lambda body: body.replace(b'"sequence":12', b'"sequence":13'),
    ],
    ids=[
        "a field twice, the last counts",
        "twice, the first counts",
        "escaped",
        "spaced",
        "two lines",
        "1.0",
        "a list",
        "another number",
    ],
)
def test_an_attacker_with_the_key_cannot_write_an_entry_that_two_readers_read_differently(place, change):
    was = lines(place)
    problems = put(place, [*was[:11], rewritten(was[11], change, was[10][-67:-3])]).verify()
    assert problems[0].startswith("log.jsonl:12: entry 1") or problems[0].startswith("log.jsonl:12: this is no entry")
    assert "the log was rewritten" not in problems[0], "without any checkpoint, too"


def test_an_attacker_cannot_hide_changes_behind_a_flood_of_others(place):
    was = [line.replace(b'"ann"', b'"bob"') for line in lines(place) * 4]
    verdict = put(place, was).examine()
    assert len(verdict.problems) == audit.TOLD and verdict.more > 0
    assert verdict.problems[0].startswith("log.jsonl:1:")


# -- cutting it off, putting it back, writing it anew ------------------------------------------------------------------


def test_an_attacker_cannot_cut_off_the_last_looks(place):
    log = put(place, lines(place)[:9])
    assert "its own checkpoint counts 12 entries, and 9 are left" in log.verify()[0]
    with pytest.raises(AuditError, match="its end was cut"):
        log.append([ENTRY])


def test_an_attacker_cannot_empty_the_log_or_lead_it_elsewhere(place, tmp_path):
    log = AuditLog(place / "log", KEY)
    was = log.path.read_bytes()
    log.path.write_bytes(b"")
    with pytest.raises(AuditError, match="its end was cut"):
        log.append([ENTRY])
    log.path.unlink()
    with pytest.raises(AuditError, match="its end was cut"):
        log.append([ENTRY])
    assert "12 entries, and 0 are left" in log.verify()[0]
    (tmp_path / "elsewhere").write_bytes(was)
    log.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError, match="could not be written"):
        log.append([ENTRY])


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]"], ids=["gone", "empty", "says nothing", "no object"])
def test_an_attacker_cannot_cut_off_the_end_and_the_checkpoint(place, content):
    log = put(place, lines(place)[:9])
    log.checkpoint.unlink()
    if content is not None:
        log.checkpoint.write_bytes(content)
    assert "checkpoint is missing" in log.verify()[0]
    with pytest.raises(AuditError, match="checkpoint is missing"):
        log.append([ENTRY])


def test_an_attacker_cannot_start_the_log_afresh(place):
    shutil.rmtree(place / "log")
    log = AuditLog(place / "log", KEY)
    log.append(entries(1))
    assert log.verify() == [], "alone it looks like a new one"
    assert len(log.verify(place / "kept")) == 2


def test_an_attacker_cannot_put_log_and_checkpoint_back_to_yesterday(place):
    log = AuditLog(place / "log", KEY)
    log.keep_copy(place / "kept")
    shutil.rmtree(place / "log")
    shutil.copytree(place / "yesterday", place / "log")
    assert log.verify() == [], "alone it is in order"
    assert "counts 12 entries, and 8 are left: the end was cut off" in log.verify(place / "kept")[0]


def test_an_attacker_who_looks_again_after_putting_it_back_is_found_as_well(place):
    log = AuditLog(place / "log", KEY)
    log.keep_copy(place / "kept")
    shutil.rmtree(place / "log")
    shutil.copytree(place / "yesterday", place / "log")
    log.append(entries(4, 50))
    assert log.verify() == []
    assert "somewhere from entry 9 to entry 12" in log.verify(place / "kept")[0]


def test_an_attacker_with_the_key_cannot_write_the_whole_log_anew(place, tmp_path):
    log = AuditLog(tmp_path / "anew", KEY)
    log.append(entries(4))
    log.append(entries(8, 4, actor="bob"))
    assert log.verify() == [], "alone it is in order"
    (problem,) = log.verify(place / "kept")
    assert "the log was rewritten, somewhere from entry 5 to entry 8" in problem


# -- checkpoints -------------------------------------------------------------------------------------------------------


def test_an_attacker_cannot_forge_a_kept_checkpoint(place, tmp_path):
    made = checkpoints.keep(tmp_path, Head(12, 5, "0" * 64), NOON, OTHER)
    real = sorted((place / "kept").iterdir())[0]
    for forged in (
        made.read_bytes(),
        real.read_bytes().replace(b'"entries":4', b'"entries":1'),
        real.read_bytes()[:-20],
        real.read_bytes().splitlines(keepends=True)[0],
        b"nothing of the kind\n\n",
    ):
        (tmp_path / "forged.checkpoint").write_bytes(forged)
        with pytest.raises(CheckpointError):
            checkpoints.opened(tmp_path / "forged.checkpoint", KEY)
        assert "was not made by this log" in AuditLog(place / "log", KEY).verify(tmp_path / "forged.checkpoint")[0]


def test_an_attacker_cannot_pass_what_was_sealed_for_one_use_for_another(place):
    log = AuditLog(place / "log", KEY)
    log.look(DAY)
    shutil.copy(log.folder / "verified.json", log.checkpoint)
    assert "checkpoint is missing" in log.verify()[0]
    with pytest.raises(CheckpointError):
        checkpoints.unsealed(log.checkpoint, KEY, b"checkpoint")
    assert checkpoints.unsealed(log.checkpoint, KEY, b"verified")["entries"] == 12


def test_a_file_that_a_killed_checkpoint_left_empty_is_passed_over(place):
    (place / "kept" / "kinfold-audit-20261122T120000Z-000000012.checkpoint").touch()
    assert AuditLog(place / "log", KEY).examine([place / "kept"]) == audit.Verdict(12, 12, 3)


def test_an_attacker_cannot_have_a_kept_checkpoint_overwritten(tmp_path):
    log = AuditLog(tmp_path / "log", KEY)
    log.append(entries(1))
    first = log.keep_copy(tmp_path, NOON)
    was = first.read_bytes()
    assert log.keep_copy(tmp_path, NOON) == first, "the same again is the same"
    first.chmod(0o600)
    first.write_bytes(b"somebody else's")
    with pytest.raises(AuditError, match="exists"):
        log.keep_copy(tmp_path, NOON)
    assert first.read_bytes() == b"somebody else's" != was


def test_an_attacker_cannot_lead_a_checkpoint_elsewhere_by_a_link(tmp_path):
    log = AuditLog(tmp_path / "log", KEY)
    log.append(entries(1))
    target = log.keep_copy(tmp_path, NOON)
    name = target.name
    target.unlink()
    (tmp_path / name).symlink_to(tmp_path / "log" / "log.jsonl")
    with pytest.raises(AuditError):
        log.keep_copy(tmp_path, NOON)
    assert log.verify() == []


def test_whoever_has_the_public_key_alone_can_tell_a_genuine_checkpoint(place, tmp_path):
    genuine = sorted((place / "kept").iterdir())[0]
    said, signature = genuine.read_bytes().splitlines()
    pem = AuditLog(place / "log", KEY).public_key
    (tmp_path / "key.pem").write_text(pem)
    (tmp_path / "said").write_bytes(said)
    import base64

    (tmp_path / "signature").write_bytes(base64.b64decode(signature))
    load_pem_public_key(pem.encode()).verify(base64.b64decode(signature), said)  # type: ignore[union-attr, call-arg]
    if shutil.which("openssl"):
        asked = ["pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "said", "-sigfile", "signature"]
        assert subprocess.run(["openssl", *asked], cwd=tmp_path, capture_output=True).returncode == 0
    assert json.loads(said).keys() == {"at", "entries", "mac", "of", "size"}, "nothing of any entry"


def test_a_folder_for_checkpoints_inside_the_data_or_nowhere_is_refused(tmp_path, monkeypatch):
    (tmp_path / "home" / "kept").mkdir(parents=True)
    for named in (tmp_path / "home" / "kept", tmp_path / "home", tmp_path / "nowhere"):
        monkeypatch.setenv("KINFOLD_AUDIT_COPY", str(named))
        with pytest.raises(CheckpointError, match="KINFOLD_AUDIT_COPY"):
            outside(tmp_path / "home")
    monkeypatch.delenv("KINFOLD_AUDIT_COPY")
    assert outside(tmp_path / "home") is None


def test_a_checkpoint_goes_outside_each_so_many_entries(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "EVERY", 5)
    (tmp_path / "kept").mkdir()
    log = AuditLog(tmp_path / "log", KEY, copies=tmp_path / "kept")
    for n in range(4):
        log.append(entries(3, 3 * n))
    assert [path.stem.rpartition("-")[2] for path in checkpoints.kept([tmp_path / "kept"])] == [
        "000000006",
        "000000012",
    ]
    assert log.examine([tmp_path / "kept"]).against == 3


# -- the daily look ----------------------------------------------------------------------------------------------------


def test_an_old_look_that_is_changed_after_it_was_looked_at_is_found_within_a_week(place):
    log = AuditLog(place / "log", KEY)
    assert log.look(DAY).checked == 12
    log.append(entries(2, 12))
    was = lines(place)
    put(place, [was[0].replace(b'"ann"', b'"bob"'), *was[1:]])
    assert log.look(DAY + timedelta(days=1)) == audit.Verdict(14, 2, 1)
    assert log.look(DAY + timedelta(days=7)).problems[0].startswith("log.jsonl:1:")
    assert log.look(DAY + timedelta(days=2)).problems == (), "the look that found it has not made it good"
    assert log.look(DAY + timedelta(days=8)).problems


def test_an_attacker_cannot_say_that_it_was_looked_at(place):
    log = AuditLog(place / "log", KEY)
    log.look(DAY)
    was = lines(place)
    put(place, [was[0].replace(b'"ann"', b'"bob"'), *was[1:]])
    seen = log.folder / "verified.json"
    said = json.loads(seen.read_bytes())
    for content in (
        canonical({**said, "whole": "2036-01-01"}),
        checkpoints.sealed({"entries": 12, "whole": "2026-11-20"}, KEY, b"verified"),
        b"",
        b"null",
    ):
        seen.write_bytes(content)
        assert log.look(DAY + timedelta(days=1)).problems


def test_a_clock_that_was_set_back_has_everything_looked_at(place):
    log = AuditLog(place / "log", KEY)
    log.look(DAY)
    assert log.look(DAY - timedelta(days=1)).checked == 12


def test_the_daily_look_finds_a_log_put_back_by_the_checkpoints_outside(place):
    log = AuditLog(place / "log", KEY, copies=place / "kept")
    log.keep_copy(place / "kept")
    assert log.look(DAY).problems == ()
    shutil.rmtree(place / "log")
    shutil.copytree(place / "yesterday", place / "log")
    assert "8 are left" in AuditLog(place / "log", KEY, copies=place / "kept").look(DAY).problems[0]


def test_the_daily_look_holds_what_it_saw_last_against_a_checkpoint_of_the_same_day(place, tmp_path):
    AuditLog(place / "log", KEY).keep_copy(place / "kept")
    log = AuditLog(tmp_path / "anew", KEY)
    log.append(entries(12, actor="bob"))
    assert log.look(DAY).problems == (), "alone it is in order"
    log.copies = place / "kept"
    assert "rewritten" in log.look(DAY).problems[0]


def test_the_daily_look_finds_a_log_that_is_shorter_than_it_was(place):
    log = AuditLog(place / "log", KEY)
    log.look(DAY)
    put(place, lines(place)[:8])
    shutil.copy(place / "yesterday" / "checkpoint.json", log.checkpoint)
    assert "shorter than when it was last looked at" in log.look(DAY).problems[0]


# -- hiding a look, or naming somebody ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "x" * 1_000_000},
        {"actor": "ann\n"},
        {"actor": "ann\u202egro"},
        {"actor": "an\u2028n"},
        {"reason": "a\x00b"},
        {"case": "\ud800"},
        {"agreement": "x" * 2001},
        {"person_id": "Amelia O'Brien"},
        {"person_id": "7" * 31},
        {"person_id": "7" * 32 + "\n"},
        {"person_id": "A" * 32},
        {"release_id": "../../etc"},
    ],
    ids=str,
)
def test_an_attacker_cannot_hide_a_look_in_what_they_type_nor_name_anybody(place, changes):
    log = AuditLog(place / "log", KEY)
    with pytest.raises(AuditError, match="Nothing was shown or released") as refused:
        log.append([ENTRY, replace(ENTRY, **changes)])
    assert "Amelia" not in str(refused.value)
    assert log.examine().entries == 12, "all of it or nothing"


def test_an_attacker_cannot_pass_for_another_by_a_second_spelling_of_a_name(place):
    log = AuditLog(place / "log", KEY)
    log.append([replace(ENTRY, actor="Jose\u0301")])
    assert log.frame()["actor"][-1] == "José"


def signed_in(monkeypatch, tmp_path, uid):
    """Have the kernel say, where it says so and nowhere else, who signed in; 2^32 - 1: nobody did."""
    (tmp_path / "loginuid").write_text(str(uid))
    told = {"/proc/self/loginuid": tmp_path / "loginuid"}
    monkeypatch.setattr("governance.audit.Path", lambda path: told[path])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act for another")
def test_an_attacker_cannot_hide_behind_the_account_that_they_became(monkeypatch, tmp_path):
    nobody = pwd.getpwnam("nobody")
    signed_in(monkeypatch, tmp_path, 0xFFFFFFFF)
    monkeypatch.setenv("SUDO_UID", str(nobody.pw_uid))
    assert (login(), account()) == ("nobody", "nobody as root")
    monkeypatch.setenv("SUDO_UID", "whoever")
    assert account() == "root"
    monkeypatch.setattr(os, "getuid", lambda: nobody.pw_uid)
    monkeypatch.setenv("SUDO_UID", "0")
    assert (login(), account()) == ("nobody", "nobody"), "who is not root cannot say for whom they act"


def test_an_attacker_cannot_tell_the_log_otherwise_than_the_kernel_who_signed_in(monkeypatch, tmp_path):
    signed_in(monkeypatch, tmp_path, pwd.getpwnam("nobody").pw_uid)
    monkeypatch.setenv("SUDO_UID", "1")
    assert login() == "nobody"


def test_an_attacker_cannot_claim_another_account_of_the_machine(monkeypatch, place):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "boss")
    assert "boss" not in account() and "boss" not in login()
    log = AuditLog(place / "log", KEY)
    log.append([replace(ENTRY, actor="boss")])
    last = log.frame().row(-1, named=True)
    assert last["actor"] == "boss" and last["account"] == account()
    assert pwd.getpwuid(os.getuid()).pw_name in account()


def test_an_attacker_cannot_exhaust_the_memory_of_whoever_checks(place):
    path = place / "log" / "log.jsonl"
    with path.open("ab") as file:
        file.write(b"x" * 30_000_000)
        file.write(lines(place)[0][:200] + b"\n")
    code = (
        "import resource, sys; from pathlib import Path; from governance.audit import AuditLog\n"
        f"log = AuditLog(Path({str(place / 'log')!r}), b'k' * 32)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(len(log.verify()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    problems, grown = map(int, done.stdout.split())
    assert problems == 1 and grown < 5_000, "kilobytes"


def test_an_attacker_cannot_pass_off_an_entry_at_the_end_of_a_line_that_is_too_long(place):
    was = lines(place)
    problems = put(place, [*was[:11], b"x" * (2 * audit.LONGEST) + was[11]]).verify()
    assert "log.jsonl:12: entry 12 is not as it was written" in problems[0]


# -- two at once, no room, no leave ------------------------------------------------------------------------------------


def test_threads_and_processes_that_write_at_once_make_one_chain(tmp_path):
    def write(start: int) -> None:
        for n in range(start, start + 10):
            AuditLog(tmp_path, KEY).append(entries(1, n))

    processes = [multiprocessing.get_context("fork").Process(target=write, args=(100 * n,)) for n in range(2)]
    threads = [threading.Thread(target=write, args=(100 * n,)) for n in range(2, 4)]
    for one in (*processes, *threads):
        one.start()
    for one in (*processes, *threads):
        one.join()
    log = AuditLog(tmp_path, KEY)
    assert log.verify() == [] and log.frame()["person_id"].n_unique() == 40


def test_whoever_checks_does_not_wait_for_writers_and_they_not_for_it(place, monkeypatch):
    log, seen = AuditLog(place / "log", KEY), []
    through = audit._Walk.through

    def and_meanwhile(self: audit._Walk, *args: object) -> None:
        if not seen:
            seen.append(True)
            AuditLog(place / "log", KEY).append(entries(2, 20))
        through(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(audit._Walk, "through", and_meanwhile)
    assert log.examine() == audit.Verdict(12, 12, 1)
    assert log.examine().entries == 14


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """As on a full disk: no file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def no_leave(folder: Path) -> Iterator[None]:
    """As a user who may read a folder and not write to it."""
    folder.chmod(0o555)
    for path in folder.iterdir():
        path.chmod(0o444)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was == 0:
            os.seteuid(0)
        folder.chmod(0o700)
        for path in folder.iterdir():
            path.chmod(0o600)


def test_a_full_disk_lets_nothing_out_and_the_log_goes_on_once_there_is_room(place):
    log = AuditLog(place / "log", KEY)
    size = log.path.stat().st_size
    for room in (size, size + 100, size + 500):
        with little_room(room), pytest.raises(AuditError, match="nothing may be shown or released"):
            log.append(entries(3, 12))
        assert log.verify() == []
    log.append([ENTRY])
    assert log.verify() == []
    assert log.frame()["sequence"].to_list() == list(range(1, log.frame().height + 1))


def test_a_disk_that_may_not_be_written_lets_nothing_out():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        log = AuditLog(Path(folder) / "log", KEY)
        log.append(entries(2))
        with no_leave(log.folder), pytest.raises(AuditError, match="nothing may be shown or released"):
            log.append([ENTRY])
        assert log.examine().entries == 2


def test_a_kill_between_the_entry_and_its_checkpoint_loses_nothing(place):
    log = AuditLog(place / "log", KEY)
    before = log.checkpoint.read_bytes()
    log.append(entries(3, 12))
    log.checkpoint.write_bytes(before)
    (log.folder / ".checkpoint.json~").write_bytes(b"half")
    assert log.verify() == []
    log.append([ENTRY])
    assert log.examine().entries == 16 and log.verify() == []


def test_an_entry_is_on_the_disk_before_the_checkpoint_that_counts_it_and_nobody_else_may_read_either(
    tmp_path, monkeypatch
):
    synced, fsync = [], os.fsync

    def and_note(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", and_note)
    log = AuditLog(tmp_path / "log", KEY)
    log.append([ENTRY])
    assert synced == [".checkpoint.json~", "log.jsonl", "log", ".checkpoint.json~"]
    assert log.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in log.folder.iterdir()} == {0o600}
