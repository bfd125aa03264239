"""Keys never show themselves; a vault file that is not the one written is refused by name."""

import base64
import hashlib
import hmac
import json
import pickle
import shutil
from pathlib import Path

import polars as pl
import pysequoia
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.keys import (
    KeyProblem,
    KeyRing,
    create,
    create_delivery_key,
    delivery_certificate,
    delivery_key_file,
    delivery_keys,
)
from governance.vault import Vault, VaultError

NAME = "vault/person/2026-11-20/part"
FRAME = pl.DataFrame(
    {
        "person_id": [f"{n:032x}" for n in range(500)],
        "surname": ["ARKWRIGHT-SECRET"] * 500,
        "other_names": [[{"kind": "alias", "surname": "PEMBERTON-SECRET"}]] * 500,
    }
)


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    for name in ("KINFOLD_KEY", "KINFOLD_KEY_FILE", "KINFOLD_KEY_COMMAND", "KINFOLD_NEW_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def vault() -> Vault:
    return Vault(KeyRing(bytes(range(32))))


def test_without_a_key_nothing_starts_and_the_message_says_how_to_make_one(tmp_path):
    with pytest.raises(KeyProblem, match="kinfold keys init"):
        KeyRing.load(tmp_path / ".kinfold")


def test_a_key_file_beside_the_data_opens_the_same_ring_every_time(tmp_path):
    home = tmp_path / ".kinfold"
    create(tmp_path / ".kinfold.key")
    assert KeyRing.load(home).key("record") == KeyRing.load(home).key("record")
    assert KeyRing.load(home).key("record") != KeyRing.load(home).key("person")


def test_an_existing_key_file_is_never_overwritten(tmp_path):
    create(tmp_path / "k")
    before = (tmp_path / "k").read_bytes()
    with pytest.raises(KeyProblem, match="is kept"):
        create(tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == before


def test_a_key_file_that_others_may_read_is_refused(tmp_path):
    create(tmp_path / ".kinfold.key")
    (tmp_path / ".kinfold.key").chmod(0o640)
    with pytest.raises(KeyProblem, match="chmod 600"):
        KeyRing.load(tmp_path / ".kinfold")


@pytest.mark.parametrize(("given", "expected"), [("c2hvcnQ=", "5 bytes"), ("not base64!", "not base64")])
def test_a_short_or_garbled_key_is_refused_without_showing_it(tmp_path, monkeypatch, given, expected):
    monkeypatch.setenv("KINFOLD_KEY", given)
    with pytest.raises(KeyProblem, match=expected) as caught:
        KeyRing.load(tmp_path)
    assert given not in str(caught.value)


def test_a_ring_shows_no_key_and_cannot_be_pickled(tmp_path):
    ring = KeyRing(b"m" * 32)
    assert "mmm" not in repr(ring) + str(vars(ring))
    with pytest.raises(KeyProblem):
        pickle.dumps(ring)


def test_a_vault_shows_no_key_either(vault):
    assert "KeyRing(...)" in str(vars(vault))
    with pytest.raises(KeyProblem):
        pickle.dumps(vault)


def test_keys_follow_the_published_derivation():
    prk = hmac.digest(b"\0" * 32, b"m" * 32, hashlib.sha256)
    expected = hmac.digest(prk, b"kinfold/v1/record\x01", hashlib.sha256)
    assert KeyRing(b"m" * 32).key("record") == expected


def test_a_vault_file_reads_back_whole_with_nested_columns(vault, tmp_path):
    vault.write(FRAME, tmp_path / "a.parquet", NAME)
    assert vault.scan(tmp_path / "a.parquet", NAME).collect().equals(FRAME)
    assert vault.scan(tmp_path / "a.parquet", NAME).select("person_id").head(1).collect().item() == "0" * 32


def test_a_vault_file_holds_no_name_and_no_column_name_in_the_clear(vault, tmp_path):
    vault.write(FRAME, tmp_path / "a.parquet", NAME)
    kept = (tmp_path / "a.parquet").read_bytes() + (tmp_path / "a.parquet.key").read_bytes()
    assert not any(word in kept for word in (b"ARKWRIGHT", b"PEMBERTON", b"surname", b"person_id"))
    assert {p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {0o600}


def test_a_file_moved_to_another_place_or_another_night_is_refused(vault, tmp_path):
    vault.write(FRAME, tmp_path / "a.parquet", NAME)
    with pytest.raises(VaultError, match=r"a\.parquet is refused"):
        vault.scan(tmp_path / "a.parquet", NAME.replace("20", "21"))


def test_an_older_file_put_back_is_refused(vault, tmp_path):
    path = tmp_path / "a.parquet"
    vault.write(FRAME, path, NAME)
    shutil.copy(path, tmp_path / "old")
    vault.write(FRAME.head(3), path, NAME)
    assert vault.scan(path, NAME).collect().height == 3
    (tmp_path / "old").replace(path)
    with pytest.raises(VaultError, match=r"a\.parquet is refused"):
        vault.scan(path, NAME)


def test_a_file_under_another_councils_key_is_refused(vault, tmp_path):
    vault.write(FRAME, tmp_path / "a.parquet", NAME)
    with pytest.raises(VaultError, match="another key"):
        Vault(KeyRing(b"o" * 32)).scan(tmp_path / "a.parquet", NAME)


def test_a_missing_sidecar_or_file_is_refused(vault, tmp_path):
    path = tmp_path / "a.parquet"
    vault.write(FRAME, path, NAME)
    path.unlink()
    with pytest.raises(VaultError, match="cannot be read"):
        vault.scan(path, NAME)
    Path(f"{path}.key").unlink()
    with pytest.raises(VaultError, match="sidecar"):
        vault.scan(path, NAME)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A Parquet file, its sidecar and a sealed file, with their bytes."""
    vault, folder = Vault(KeyRing(bytes(range(32)))), tmp_path_factory.mktemp("vault")
    vault.write(FRAME, folder / "a.parquet", NAME)
    (folder / "plain").write_bytes(b"landed file " * 200_000)
    vault.seal(folder / "plain", folder / "sealed", "landing/x")
    return folder, {n: (folder / n).read_bytes() for n in ("a.parquet", "sealed")}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), which=st.sampled_from(["a.parquet", "sealed"]), cut=st.booleans())
def test_any_flipped_bit_and_any_cut_is_refused(written, data, which, cut):
    folder, content = written
    spot = data.draw(st.integers(0, len(content[which]) - 1))
    spoilt = bytearray(content[which])
    if cut:
        del spoilt[spot:]
    else:
        spoilt[spot] ^= 1 << data.draw(st.integers(0, 7))
    (folder / which).write_bytes(spoilt)
    vault = Vault(KeyRing(bytes(range(32))))
    with pytest.raises(VaultError, match=which.replace(".", r"\.")):
        if which == "sealed":
            vault.unseal(folder / which, "landing/x")
        else:
            vault.scan(folder / which, NAME).collect()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_sealed_file_opens_to_what_it_was_whatever_its_size(vault, tmp_path, size):
    (tmp_path / "plain").write_bytes(bytes(n % 251 for n in range(min(size, 4096))) * (size // 4096 + 1))
    vault.seal(tmp_path / "plain", tmp_path / "sealed", "landing/x")
    assert vault.unseal(tmp_path / "sealed", "landing/x") == (tmp_path / "plain").read_bytes()
    with pytest.raises(VaultError):
        vault.unseal(tmp_path / "sealed", "landing/y")


def test_whole_chunks_dropped_from_the_end_of_a_sealed_file_are_noticed(vault, tmp_path):
    (tmp_path / "plain").write_bytes(b"x" * (3 << 20))
    vault.seal(tmp_path / "plain", tmp_path / "sealed", "n")
    kept = (tmp_path / "sealed").read_bytes()
    (tmp_path / "sealed").write_bytes(kept[: -((1 << 20) + 16)])
    with pytest.raises(VaultError):
        vault.unseal(tmp_path / "sealed", "n")


def test_a_sealed_file_can_be_read_as_a_stream_and_a_bad_chunk_ends_it_for_good(vault, tmp_path):
    (tmp_path / "plain").write_bytes(bytes(n % 251 for n in range(4096)) * 1000)
    vault.seal(tmp_path / "plain", tmp_path / "sealed", "n")
    with vault.opened(tmp_path / "sealed", "n") as stream:
        assert stream.read(5000) + stream.read() == (tmp_path / "plain").read_bytes()
    kept = bytearray((tmp_path / "sealed").read_bytes())
    kept[(2 << 20) + 500] ^= 1
    (tmp_path / "sealed").write_bytes(kept)
    with vault.opened(tmp_path / "sealed", "n") as stream:
        assert len(stream.read(1 << 20)) == 1 << 20
        for _ in range(3):
            with pytest.raises(VaultError, match="damaged"):
                stream.read()


def test_sealing_says_what_was_sealed(vault, tmp_path):
    (tmp_path / "plain").write_bytes(b"abc" * 1_000_000)
    said = vault.seal(tmp_path / "plain", tmp_path / "sealed", "n")
    assert said == hashlib.sha256(b"abc" * 1_000_000).hexdigest()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A data folder with a master key and a delivery key."""
    home = tmp_path_factory.mktemp("council") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KINFOLD_KEY", raising=False)
        patch.delenv("KINFOLD_KEY_FILE", raising=False)
        create(home.with_name("home.key"))
        create_delivery_key(home, "Harrowmere Council")
    return home


def test_the_delivery_key_is_kept_under_the_master_key_for_its_owner_alone(keyed):
    (private,) = delivery_keys(keyed)
    kept = delivery_key_file(keyed).read_bytes()
    assert base64.b64encode(private)[40:80] not in kept and b"PRIVATE" not in kept
    assert delivery_key_file(keyed).stat().st_mode & 0o777 == 0o600
    assert delivery_key_file(keyed).parent.stat().st_mode & 0o777 == 0o700
    assert {p.name for p in delivery_key_file(keyed).parent.iterdir()} == {".lock", "delivery.json", "store.json"}


def test_the_certificate_is_public_names_the_council_and_does_not_expire(keyed):
    certificate = pysequoia.Cert.from_bytes(delivery_certificate(keyed).encode())
    assert "PUBLIC KEY" in delivery_certificate(keyed) and not certificate.has_secret_keys
    assert [str(u) for u in certificate.user_ids] == ["Harrowmere Council"]
    assert certificate.expiration is None


def test_a_delivery_key_is_not_made_twice_unless_that_is_said(keyed):
    before = delivery_certificate(keyed)
    with pytest.raises(KeyProblem, match="--renew"):
        create_delivery_key(keyed)
    assert delivery_certificate(keyed) == before


def test_without_a_delivery_key_there_is_no_certificate(tmp_path):
    create(tmp_path / "home.key")
    with pytest.raises(KeyProblem, match="kinfold keys delivery"):
        delivery_certificate(tmp_path / "home")
    assert delivery_keys(tmp_path / "home") == ()


@pytest.mark.parametrize("spoil", ["swapped name", "cut", "not JSON", "empty", "other JSON"])
def test_delivery_keys_that_are_not_those_that_were_kept_are_refused(keyed, tmp_path, spoil):
    home = tmp_path / "home"
    shutil.copytree(keyed, home)
    shutil.copy(keyed.with_name("home.key"), tmp_path / "home.key")
    path = delivery_key_file(home)
    said = json.loads(path.read_text())
    if spoil == "swapped name":
        path.write_text(json.dumps([{**said[0], "fingerprint": "0" * 40}]))
    elif spoil == "cut":
        path.write_text(json.dumps([{**said[0], "wrapped": said[0]["wrapped"][:-8]}]))
    else:
        path.write_text({"not JSON": "{", "empty": "", "other JSON": '{"a": 1}'}[spoil])
    with pytest.raises(KeyProblem, match="damaged or were kept under another"):
        delivery_certificate(home)
