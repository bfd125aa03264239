"""What is encrypted to the council opens as a stream, and nothing else does; no plaintext reaches a disk."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pysequoia
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from feedhouse import HEADER, NOW, House, Make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pysequoia.packet import PacketPile

from feeds.deliveries import Landed, find_deliveries, land, opened
from feeds.envelopes import FREE
from feeds.readers import Rejected
from governance.keys import create_delivery_key, delivery_certificate, delivery_keys

ROWS = HEADER + "1,GERTRUDE,PEMBERTON,,,2026-01-01\n"
TEXT = ROWS.encode()


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A council with a delivery key, which takes a second to make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KINFOLD_KEY", raising=False)
        patch.delenv("KINFOLD_KEY_FILE", raising=False)
        house = House(tmp_path_factory.mktemp("council") / "home")
        create_delivery_key(house.store.home, "Harrowmere Council")
        yield house


@pytest.fixture
def certificate(council: House) -> pysequoia.Cert:
    return pysequoia.Cert.from_bytes(delivery_certificate(council.store.home).encode())


def drop(council: House, make: Make, content: bytes, name: str = "in/a_2026-11-20.csv.pgp") -> Landed:
    """Send one file and land it."""
    council.put(name, content)
    (found,) = find_deliveries(council.drop, {"one": make()}, council.store, NOW, timedelta(0))
    return land(found, council.store, council.vault)


@pytest.fixture
def send(council: House, make: Make) -> Iterator[Callable[..., bytes]]:
    """Lands one file and reads its plaintext back."""
    feed = council.store.home / "landing" / "one"

    def sent(content: bytes, name: str = "in/a_2026-11-20.csv.pgp") -> bytes:
        landed = drop(council, make, content, name)
        with opened(landed, name, council.vault, council.ring) as plain:
            return plain.read()

    yield sent
    shutil.rmtree(feed, ignore_errors=True)


@pytest.mark.parametrize("armour", [True, False])
@pytest.mark.parametrize("ending", ["pgp", "gpg", "asc", "PGP"])
def test_a_message_to_the_council_opens_whatever_its_ending_and_form(
    send: Callable[..., bytes], certificate: pysequoia.Cert, armour: bool, ending: str
) -> None:
    message = pysequoia.encrypt(TEXT, recipients=[certificate], armor=armour)
    assert send(message, f"in/a_2026-11-20.csv.{ending}") == TEXT


def test_a_message_that_is_also_signed_opens_and_one_of_two_recipients_too(
    send: Callable[..., bytes], certificate: pysequoia.Cert
) -> None:
    partner = pysequoia.Tsk.generate("A partner", profile=pysequoia.Profile.RFC4880)
    both = [partner.extract_certificate(), certificate]
    assert send(pysequoia.encrypt(TEXT, recipients=both, signer=partner.signer())) == TEXT


def test_armour_may_have_windows_line_ends_and_lines_before_it(
    send: Callable[..., bytes], certificate: pysequoia.Cert
) -> None:
    message = pysequoia.encrypt(TEXT, recipients=[certificate])
    assert send(b"Sent by the transfer service\r\n\r\n" + message.replace(b"\n", b"\r\n")) == TEXT


def test_what_was_packed_before_it_was_encrypted_is_given_out_packed(
    send: Callable[..., bytes], certificate: pysequoia.Cert
) -> None:
    packed = gzip.compress(TEXT)
    assert send(pysequoia.encrypt(packed, recipients=[certificate]), "in/a_2026-11-20.csv.gz.gpg") == packed


def test_an_encrypted_delivery_loads_as_a_plain_one_does(
    council: House, make: Make, certificate: pysequoia.Cert
) -> None:
    contract = make(id="two")
    load = council.load(contract, "in/b_2026-11-21.csv.pgp", pysequoia.encrypt(TEXT, recipients=[certificate]))
    assert (load.status, load.received, load.accepted) == ("accepted", 1, 1), load.reason


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 255]) + len(body).to_bytes(4, "big") + body


def _number(data: bytes) -> tuple[int, bytes]:
    size = (int.from_bytes(data[:2], "big") + 7) // 8
    return int.from_bytes(data[2 : 2 + size], "big"), data[2 + size :]


def _message(certificate: pysequoia.Cert, packets: bytes, protected: bool) -> bytes:
    """An encrypted message that holds these packets (RFC 4880, 5.13); unprotected (5.7) as PGP wrote it before 2000."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cryptography.hazmat.primitives.ciphers.modes import CFB
    recipient = next(iter(PacketPile.from_bytes(pysequoia.encrypt(b"", recipients=[certificate], armor=False))))
    keys = [p for p in PacketPile.from_bytes(bytes(certificate)) if p.key_id]
    subkey = next(p for p in keys if bytes.fromhex(str(p.key_id)) in recipient.body)
    key_id = bytes.fromhex(str(subkey.key_id))
    modulus, rest = _number(subkey.body[6:])
    public = RSAPublicNumbers(_number(rest)[0], modulus).public_key()
    key, prefix = os.urandom(16), os.urandom(16)
    prefix += prefix[-2:]
    coded = int.from_bytes(public.encrypt(b"\7" + key + (sum(key) % 65536).to_bytes(2, "big"), PKCS1v15()), "big")
    size = coded.bit_length()
    session = b"\3" + key_id + b"\1" + size.to_bytes(2, "big")
    session = _packet(1, session + coded.to_bytes((size + 7) // 8, "big"))
    if protected:
        plain = prefix + packets + b"\xd3\x14"
        plain += hashlib.sha1(plain, usedforsecurity=False).digest()
        return session + _packet(18, b"\1" + Cipher(AES(key), CFB(bytes(16))).encryptor().update(plain))
    first = Cipher(AES(key), CFB(bytes(16))).encryptor().update(prefix)
    return session + _packet(9, first + Cipher(AES(key), CFB(first[2:])).encryptor().update(packets))


def _literal(text: bytes) -> bytes:
    return _packet(11, b"b\0\0\0\0\0" + text)


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


Wrong = Callable[[pysequoia.Cert, bytes], bytes]
PARTNER = pysequoia.Tsk.generate("A partner", profile=pysequoia.Profile.RFC4880)
WRONG: dict[str, tuple[Wrong, str]] = {
    "to another key": (lambda _, m: pysequoia.encrypt(TEXT, recipients=[PARTNER.extract_certificate()]), "the council"),
    "to a password": (lambda _, m: pysequoia.encrypt(TEXT, passwords=["secret"]), "the council's public key"),
    "signed only": (lambda _, m: pysequoia.sign(PARTNER.signer(), TEXT), "only signed"),
    "signed only, not armoured": (lambda _, m: pysequoia.sign(PARTNER.signer(), TEXT, armor=False), "only signed"),
    "signed in the clear": (
        lambda _, m: pysequoia.sign(PARTNER.signer(), TEXT, mode=pysequoia.SignatureMode.CLEAR),
        "only signed",
    ),
    "only packed": (lambda _, m: _packet(8, b"\1" + zlib.compress(TEXT, wbits=-15)), "only signed"),
    "literal": (lambda _, m: _literal(TEXT), "only signed"),
    "a public key": (lambda c, m: bytes(c), "only signed, packed or a key"),
    "an armoured public key": (lambda c, m: str(c).encode(), "only signed, packed or a key"),
    "a plain file": (lambda _, m: TEXT, "it is none"),
    "empty": (lambda _, m: b"", "it is none"),
    "nulls": (lambda _, m: bytes(5000), "it is none"),
    "armour of nothing": (lambda _, m: b"-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----\n", "only signed"),
    "cut": (lambda _, m: m[:-30], "damaged or was cut"),
    "cut early": (lambda _, m: m[:50], "damaged or was cut"),
    "a bit changed": (lambda _, m: _flipped(m, len(m) - 40), "damaged or was cut"),
    "two messages": (lambda _, m: m + m, "damaged or was cut"),
    "more behind it": (lambda _, m: m + b"more", "damaged or was cut"),
    "without integrity protection": (
        lambda c, _: _message(c, _literal(TEXT), protected=False),
        "protect its integrity",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_a_whole_protected_message_to_the_council_is_refused(
    send: Callable[..., bytes], certificate: pysequoia.Cert, case: str
) -> None:
    make_wrong, expectation = WRONG[case]
    message = pysequoia.encrypt(TEXT, recipients=[certificate], armor=False)
    with pytest.raises(Rejected, match=expectation) as refused:
        send(make_wrong(certificate, message))
    assert str(refused.value).startswith("in/a_2026-11-20.csv.pgp: ") and len(refused.value.remedy) > 20
    assert "GERTRUDE" not in str(refused.value)


def test_a_refused_message_is_a_rejected_load_with_its_reason_in_the_ledger(council: House, make: Make) -> None:
    load = council.load(make(id="three"), "in/c_2026-11-21.csv.pgp", pysequoia.sign(PARTNER.signer(), TEXT))
    assert load.status == "rejected" and "only signed" in (load.reason or "") and "GERTRUDE" not in (load.reason or "")


def test_a_large_message_whose_end_is_damaged_is_refused_at_its_end(
    council: House, make: Make, certificate: pysequoia.Cert
) -> None:
    message = pysequoia.encrypt(os.urandom(40 << 20), recipients=[certificate], armor=False)
    landed = drop(council, make, _flipped(message, len(message) - 10), "in/big_2026-11-23.csv.pgp")
    with opened(landed, "in/big_2026-11-23.csv.pgp", council.vault) as plain:
        for _ in range(2):  # and whoever reads on is refused again
            with pytest.raises(Rejected, match="damaged or was cut"):
                while plain.read(1 << 20):
                    pass


def _bomb(layers: int) -> bytes:
    """A quarter of a gigabyte of one letter, packed into kilobytes or, packed again, into fewer."""
    body = _literal(b"x" * (256 << 20))
    for _ in range(layers):
        packer = zlib.compressobj(9, wbits=-15)
        body = _packet(8, b"\1" + packer.compress(body) + packer.flush())
    return body


def test_a_message_put_together_here_opens_where_it_is_protected(
    send: Callable[..., bytes], certificate: pysequoia.Cert
) -> None:
    assert send(_message(certificate, _literal(TEXT), protected=True)) == TEXT


@pytest.mark.parametrize("layers", [1, 2])
def test_a_message_that_unpacks_to_far_more_than_its_size_is_refused(
    council: House, make: Make, certificate: pysequoia.Cert, layers: int
) -> None:
    name = f"in/bomb{layers}_2026-11-24.csv.pgp"
    landed = drop(council, make, _message(certificate, _bomb(layers), protected=True), name)
    read = 0
    with opened(landed, name, council.vault) as plain, pytest.raises(Rejected, match="200 times its size"):
        while part := plain.read(1 << 20):
            read += len(part)
    assert read <= max(FREE, 200 * landed.bytes)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), armour=st.booleans())
def test_a_mangled_message_is_refused_or_reads_as_it_was(
    council: House, make: Make, data: st.DataObject, armour: bool
) -> None:
    certificate = pysequoia.Cert.from_bytes(delivery_certificate(council.store.home).encode())
    message = bytearray(pysequoia.encrypt(TEXT, recipients=[certificate], armor=armour))
    at = data.draw(st.integers(0, 9_999)) * len(message) // 10_000  # a message is never twice of one length
    match data.draw(st.sampled_from(["flip", "cut", "insert"])):
        case "flip":
            message[at] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            del message[at : at + data.draw(st.integers(1, 40))]
        case _:
            message[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    landed = drop(council, make, bytes(message), "in/m_2026-11-25.csv.asc")
    try:
        with opened(landed, landed.names[0], council.vault) as plain:
            assert plain.read() == TEXT
    except Rejected as refusal:
        assert "GERTRUDE" not in str(refusal)
    shutil.rmtree(landed.folder)


def test_after_a_new_key_is_made_what_came_under_the_old_one_still_opens(house: House, make: Make) -> None:
    home = house.store.home
    messages = []
    for renew in (False, True):
        create_delivery_key(home, renew=renew)
        newest = pysequoia.Cert.from_bytes(delivery_certificate(home).encode())
        messages.append(pysequoia.encrypt(TEXT, recipients=[newest]))
    assert len(delivery_keys(home)) == 2
    for number, message in enumerate(messages):
        name = f"in/a_2026-11-2{number}.csv.asc"
        assert opened(drop(house, make, message, name), name, house.vault).read() == TEXT


def test_no_plaintext_and_no_private_key_reaches_a_disk(
    council: House, make: Make, certificate: pysequoia.Cert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    message = pysequoia.encrypt(TEXT, recipients=[certificate])
    load = council.load(make(id="four"), "in/d_2026-11-26.csv.pgp", message)
    assert load.accepted == 1
    private = delivery_keys(council.store.home)[0]
    for folder in (council.store.home, tmp_path):
        for path in folder.rglob("*"):
            kept = path.read_bytes() if path.is_file() else b""
            assert b"GERTRUDE" not in kept and private[40:80] not in kept and b"PRIVATE KEY" not in kept


def test_who_stops_reading_leaves_no_process_behind(council: House, make: Make, certificate: pysequoia.Cert) -> None:
    def children() -> set[str]:
        return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

    before = children()
    message = pysequoia.encrypt(os.urandom(8 << 20), recipients=[certificate], armor=False)
    landed = drop(council, make, message, "in/left_2026-11-27.csv.pgp")
    with opened(landed, landed.names[0], council.vault) as plain:
        assert plain.read(10)
        assert children() - before
    assert not children() - before


def test_a_council_without_a_delivery_key_refuses_what_is_encrypted_and_says_how_to_make_one(
    house: House, make: Make
) -> None:
    load = house.load(make(), "in/a_2026-11-20.csv.pgp", pysequoia.sign(PARTNER.signer(), TEXT))
    assert load.status == "rejected" and "kinfold keys delivery" in (load.reason or "")


@pytest.mark.skipif(not shutil.which("gpg"), reason="gpg is not installed here")
def test_the_commands_of_the_guide_work_with_gnupg(council: House, make: Make, tmp_path: Path) -> None:
    home = Path(tempfile.mkdtemp())  # gpg's agent needs a short path
    try:
        (tmp_path / "council.asc").write_text(delivery_certificate(council.store.home))
        (tmp_path / "extract_2026-11-22.csv").write_bytes(TEXT)

        def gpg(*args: str) -> str:
            command = ["gpg", "--homedir", str(home), "--batch", *args]
            return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout

        gpg("--import", "council.asc")
        mark = next(
            line.split(":")[9]
            for line in gpg("--with-colons", "--fingerprint", "Harrowmere Council").splitlines()
            if line.startswith("fpr:")
        )
        guide = ["--trust-model", "always", "--recipient", mark, "--encrypt", "extract_2026-11-22.csv"]
        gpg(*guide)
        gpg("--armor", *guide)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
    for number, ending in enumerate(("gpg", "asc")):
        sent = (tmp_path / f"extract_2026-11-22.csv.{ending}").read_bytes()
        load = council.load(make(id=f"gnupg{number}"), f"in/extract_2026-11-22.csv.{ending}", sent)
        assert (load.status, load.accepted) == ("accepted", 1), load.reason
