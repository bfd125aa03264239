"""Whatever a partner sends: rows accounted for, or the delivery refused with its reason; no value in any message."""

from __future__ import annotations

import logging
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import FrameType

import pytest
from feedhouse import HEAD, NOW, House
from hostile import CANARY, DAY, FIXED, GOOD, JSON, LINES, XML, Case, cases, contracts, parquet, workbook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.contracts import Contract
from feeds.deliveries import find_deliveries, land, strangers
from feeds.dialect import load_contract
from feeds.intake import check
from feeds.ledger import Load

SECONDS = 10  # of work that any one delivery may take


class Hung(BaseException):
    """It took too long; not an Exception, so that nobody catches it on its way."""


@contextmanager
def in_time() -> Iterator[None]:
    def ring(signum: int, at: FrameType | None) -> None:
        raise Hung(f"more than {SECONDS} s of work, or it waits for something")

    clocks = {signal.SIGPROF: (signal.ITIMER_PROF, SECONDS), signal.SIGALRM: (signal.ITIMER_REAL, 6 * SECONDS)}
    before = {number: signal.signal(number, ring) for number in clocks}
    for clock, seconds in clocks.values():
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for clock, _ in clocks.values():
            signal.setitimer(clock, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


class Council:
    """One house for all; every delivery is that of a feed of its own."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder / "home")
        (folder / "feeds").mkdir()
        self.contracts: dict[str, Contract] = {}
        for name, (form, server, schema, delivery) in contracts().items():
            path = folder / "feeds" / f"{name}.odcs.yaml"
            custom = f"  - {{property: delivery, value: {delivery}}}\n"
            path.write_text(HEAD.format(id=name, format=form, server=server, custom=custom, schema=schema))
            self.contracts[name] = load_contract(path)
        self.sent = 0

    def send(self, name: str, files: dict[str, bytes], timed: bool = True) -> Load:
        """Drop, land and check, as the night does."""
        house, self.sent = self.house, self.sent + 1
        feed = f"{name}-{self.sent}"
        contract = self.contracts[name].model_copy(update={"id": feed, "keys_of": feed})
        for file, data in files.items():
            house.put(f"in/{file}", data)
        try:
            with in_time() if timed else nullcontext():
                assert not strangers(house.drop, {feed: contract})
                (found,) = find_deliveries(house.drop, {feed: contract}, house.store, NOW, timedelta(0))
                landed = land(found, house.store, house.vault)
                return check(contract, landed, house.store, house.vault, house.ring, NOW)
        finally:
            shutil.rmtree(house.drop)
            shutil.rmtree(house.store.home / "landing" / feed, ignore_errors=True)


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KINFOLD_KEY", raising=False)
        patch.delenv("KINFOLD_KEY_FILE", raising=False)
        made = Council(tmp_path_factory.mktemp("council"))
        made.send("csv", {f"a_{DAY}.csv": GOOD.encode()}, timed=False)  # what is imported late is no delivery's work
        yield made


def reconciled(load: Load, files: list[str], patterns: tuple[str, ...]) -> None:
    """Every row is somewhere, and a refusal names the file, says what was expected and what to do."""
    assert load.received == load.accepted + load.quarantined + load.withdrawn
    assert all(count >= 0 for count in (load.received, load.accepted, load.quarantined, load.withdrawn))
    if load.status == "accepted":
        assert load.reason is None
        return
    assert load.status == "rejected"
    assert load.accepted == load.withdrawn == 0
    reason = load.reason or ""
    assert reason.startswith((*files, *patterns)), reason
    said = max((reason.removeprefix(name) for name in (*files, *patterns)), key=lambda x: len(reason) - len(x))
    assert len([sentence for sentence in said.split(". ") if len(sentence) > 8]) >= 2, reason


@pytest.mark.parametrize("case", cases(), ids=str)
def test_hostile(
    council: Council, case: Case, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    files = {name: make() for name, make in case.files.items()}
    load = council.send(case.contract, files)
    reconciled(load, [f"in/{name}" for name in files], council.contracts[case.contract].globs)
    if case.fate:
        assert load.status == case.fate, load.reason
    if case.rows is not None and load.received:
        assert load.received == case.rows
    if case.good is not None and load.status == "accepted":
        assert load.accepted == case.good, load.rules
    out, err = capfd.readouterr()
    for said in (load.reason or "", out, err, caplog.text, *(rule.rule for rule in load.rules)):
        assert CANARY.casefold() not in said.casefold()


WHOLE: dict[str, Callable[[], bytes]] = {
    "csv": GOOD.encode,
    "detect": GOOD.encode,
    "utf16": lambda: GOOD.encode("utf-16"),
    "fixed": FIXED.encode,
    "xlsx": workbook,
    "xml": XML.encode,
    "json": JSON.encode,
    "jsonl": LINES.encode,
    "parquet": parquet,
}
ENDINGS = {"csv": "csv", "detect": "csv", "utf16": "csv", "fixed": "txt"}


@cache
def whole(contract: str) -> bytes:
    return WHOLE[contract]()


@pytest.mark.parametrize("contract", WHOLE)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mangled_file_is_accounted_for_or_refused_in_words(
    council: Council, contract: str, data: st.DataObject
) -> None:
    mangled = bytearray(whole(contract))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(len(mangled) - 1, 0)))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "double"])):
            case "flip" if mangled:
                mangled[at] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del mangled[at : at + data.draw(st.integers(1, 60))]
            case "insert":
                mangled[at:at] = data.draw(st.binary(min_size=1, max_size=6))
            case _:
                mangled[at:at] = mangled[at : at + data.draw(st.integers(1, 200))]
    name = f"a_{DAY}.{ENDINGS.get(contract, contract)}"
    load = council.send(contract, {name: bytes(mangled)})
    reconciled(load, [f"in/{name}"], council.contracts[contract].globs)
    assert CANARY not in (load.reason or "")
