"""The audit log shows every edit, deletion, swap and cut, and survives a killed append."""

import multiprocessing
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.audit import AuditError, AuditLog, Entry
from governance.checkpoints import Head
from warehouse.tables import ACCESS_LOG

KEY = b"k" * 32
NOON = datetime(2026, 11, 20, 12)


def an_entry(number: int, reason: str = "new_contact") -> Entry:
    return Entry(
        at=NOON + timedelta(seconds=number),
        actor="kinfold night",
        role="social_worker",
        action="release",
        team="mash",
        person_id=f"{number:032x}",
        reason=reason,
        agreement="multi-agency-safeguarding v3 shares[0]",
        release_id=None,
    )


def a_log(folder: Path, entries: int = 0) -> AuditLog:
    log = AuditLog(folder, KEY)
    log.append([an_entry(n) for n in range(entries)])
    return log


def test_entries_come_back_as_the_access_log_in_order(tmp_path):
    log = a_log(tmp_path, 3)
    log.append([an_entry(3, reason="Anfrage über “Ł” a\\b")])
    frame = log.frame()
    assert frame.schema == ACCESS_LOG.schema
    assert frame["sequence"].to_list() == [1, 2, 3, 4]
    assert frame["at"][0] == NOON
    assert frame["reason"][3] == "Anfrage über “Ł” a\\b"
    assert log.verify() == []


def test_an_empty_log_is_in_order(tmp_path):
    log = AuditLog(tmp_path, KEY)
    log.append([])
    assert log.verify() == []
    assert log.frame().equals(ACCESS_LOG.empty())


@pytest.fixture(scope="module")
def twelve(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    a_log(folder, 8).append([an_entry(n) for n in range(8, 12)])
    return folder


@settings(max_examples=100, deadline=None)
@given(data=st.data(), how=st.sampled_from(["edit", "delete", "swap", "cut", "repeat", "checkpoint"]))
def test_any_single_edit_deletion_swap_or_cut_is_found(twelve, data, how):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(twelve, f"{place}/audit"))
        path = folder / ("checkpoint.json" if how == "checkpoint" else "log.jsonl")
        content = bytearray(path.read_bytes())
        lines = content.splitlines(keepends=True)
        first = data.draw(st.integers(0, 11))
        if how in ("edit", "checkpoint"):
            content[data.draw(st.integers(0, len(content) - 2))] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "cut":
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        elif how == "delete":
            content = b"".join(lines[:first] + lines[first + 1 :])
        elif how == "repeat":
            content = b"".join([*lines[:first], lines[first], *lines[first:]])
        else:
            second = data.draw(st.integers(0, 11).filter(lambda n: n != first))
            lines[first], lines[second] = lines[second], lines[first]
            content = b"".join(lines)
        path.write_bytes(content)
        assert AuditLog(folder, KEY).verify() != []


def test_a_problem_names_its_line(tmp_path):
    log = a_log(tmp_path, 5)
    log.path.write_text(log.path.read_text().replace(f"{2:032x}", f"{9:032x}"))
    assert [p.split(": ")[0] for p in log.verify()] == ["log.jsonl:3"]


def test_a_log_whose_end_was_cut_takes_no_more_entries(tmp_path):
    log = a_log(tmp_path, 5)
    log.path.write_bytes(b"".join(log.path.read_bytes().splitlines(keepends=True)[:3]))
    with pytest.raises(AuditError, match="its end was cut"):
        log.append([an_entry(6)])


def test_a_log_without_its_checkpoint_is_a_problem_that_no_append_heals(tmp_path):
    log = a_log(tmp_path, 5)
    log.checkpoint.unlink()
    assert log.verify() != []
    with pytest.raises(AuditError, match="Data Protection Officer"):
        log.append([an_entry(6)])


def test_a_log_and_checkpoint_cut_together_differ_from_a_checkpoint_kept_elsewhere(tmp_path):
    log = a_log(tmp_path / "log", 3)
    early = shutil.copytree(tmp_path / "log", tmp_path / "early")
    log.append([an_entry(3)])
    shutil.copy(log.checkpoint, tmp_path / "kept.json")
    rolled_back = AuditLog(early, KEY)
    assert rolled_back.verify() == []
    assert "the end was cut" in rolled_back.verify(tmp_path / "kept.json")[0]


def test_a_rewrite_by_somebody_with_the_key_differs_from_a_checkpoint_kept_elsewhere(tmp_path):
    a_log(tmp_path / "log", 3)
    rewritten = AuditLog(tmp_path / "other", KEY)
    rewritten.append([an_entry(n, reason="other") for n in range(4)])
    assert "rewritten" in rewritten.verify(tmp_path / "log/checkpoint.json")[0]
    assert rewritten.verify(tmp_path / "nowhere.json") != []


@settings(max_examples=20, deadline=None)
@given(written=st.integers(0, 2000))
def test_an_append_killed_at_any_byte_leaves_a_log_that_goes_on(written):
    with tempfile.TemporaryDirectory() as folder:
        log = a_log(Path(folder), 3)
        before, head = log.path.read_bytes(), log.checkpoint.read_bytes()
        log.append([an_entry(n) for n in range(3, 8)])
        after = log.path.read_bytes()
        log.path.write_bytes(after[: min(len(before) + written, len(after))])
        log.checkpoint.write_bytes(head)
        assert log.verify() == []
        log.append([an_entry(99)])
        assert log.verify() == []
        assert log.frame()["person_id"].to_list()[-1] == f"{99:032x}"
        assert log.frame()["sequence"].to_list() == list(range(1, log.frame().height + 1))


def test_the_very_first_append_may_be_killed_too(tmp_path):
    AuditLog(tmp_path, KEY)._keep(Head())
    log = a_log(tmp_path / "whole", 2)
    shutil.copy(log.path, tmp_path)
    log = AuditLog(tmp_path, KEY)
    log.path.write_bytes(log.path.read_bytes()[:-20])
    assert log.verify() == []
    log.append([an_entry(5)])
    assert log.verify() == []
    assert log.frame().height == 2


def _append(folder: Path, start: int) -> None:
    for n in range(start, start + 20):
        AuditLog(folder, KEY).append([an_entry(n)])


def test_two_processes_writing_at_once_make_one_chain(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append, args=(tmp_path, start)) for start in (0, 100)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    log = AuditLog(tmp_path, KEY)
    assert log.verify() == []
    assert log.frame().height == 40
