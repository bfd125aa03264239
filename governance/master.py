"""The council's master key: where it comes from, whether it is fit to be used, and putting a new one in its place.

What belongs here: finding, checking and making the one secret that Kinfold cannot keep itself. What lies under it
belongs in `keystore`.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import shlex
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Timer

from warehouse.store import sync

SHORTEST = 32  # bytes
LONGEST = 4096  # bytes that a command may print, or a key file hold
PATIENCE = 30.0  # seconds that a command may take
KEY, FILE, COMMAND, NEW = "KINFOLD_KEY", "KINFOLD_KEY_FILE", "KINFOLD_KEY_COMMAND", "KINFOLD_NEW_KEY"


class KeyProblem(Exception):
    """There is no usable key; the message says how to get one and never shows any part of it."""


@dataclass(frozen=True)
class Source:
    """Where the master key comes from.

    Attributes:
        kind: `environment`, `command` or `file`.
        name: what to call it in a message; never a key, nor the arguments of a command.
        path: of the file, where it is one.
    """

    kind: str
    name: str
    path: Path | None = None


def source(home: Path) -> Source:
    """Where the master key of a data folder comes from: one of three variables, else the file beside the folder.

    Raises:
        KeyProblem: more than one variable is set, so that it is not clear which key is meant.
    """
    named = [name for name in (KEY, COMMAND, FILE) if os.environ.get(name)]
    if len(named) > 1:
        raise KeyProblem(f"{' and '.join(named)} are both set, and only one can be meant. Unset the others.")
    if named == [KEY]:
        return Source("environment", f"the variable {KEY}")
    if named == [COMMAND]:
        return Source("command", f"the command that {COMMAND} names")
    path = key_file(home)
    return Source("file", f"the key file {path.name}", path)


def key_file(home: Path) -> Path:
    """Where the key file of a data folder lies: beside it, never inside, so that a copy of the data has no key."""
    named = os.environ.get(FILE)
    return Path(named) if named else home.parent / f"{home.name}.key"


def read(home: Path) -> bytes:
    """The master key of a data folder.

    Raises:
        KeyProblem: none is there, it is too short or not base64, others than its owner may read the file, the file
            lies inside the data, or the command does not give a key.
    """
    found = source(home)
    if found.kind == "environment":
        return decoded(os.environ[KEY], found.name)
    if found.kind == "command":
        return decoded(_printed(os.environ[COMMAND]), found.name)
    assert found.path
    if not found.path.is_file():
        raise KeyProblem(
            f"no key: {KEY} is not set and {found.path.name} is not there. Make one with `kinfold keys init`, "
            f"or name an existing one by {FILE}, or a command that prints it by {COMMAND}."
        )
    return read_file(found.path, home)


def read_file(path: Path, home: Path) -> bytes:
    """A key from a file of base64 that its owner alone may read, outside the data.

    Raises:
        KeyProblem: it is not such a file.
    """
    if wrong := misplaced(path, home):
        raise KeyProblem(wrong)
    with path.open("rb") as file:
        return decoded(file.read(LONGEST).decode("ascii", errors="replace"), f"the key file {path.name}")


def misplaced(path: Path, home: Path) -> str | None:
    """What is wrong with a key file's place, owner and mode, and the remedy; None where all is well."""
    if not path.is_file():
        return f"there is no key file {path.name}. Check the path."
    found = path.stat()
    if found.st_mode & 0o077:
        return f"others may read the key file {path.name}. Close it with `chmod 600 {path.name}`."
    if found.st_uid not in (os.geteuid(), 0):
        return f"the key file {path.name} belongs to another user, who can change it. Give it to the user of Kinfold."
    if path.resolve().is_relative_to(home.resolve()):
        return f"the key file {path.name} lies inside the data, so that a copy of the data has its key. Move it out."
    return None


def decoded(text: str, where: str) -> bytes:
    """A key out of base64; white space does not matter.

    Raises:
        KeyProblem: it is not base64, or too short.
    """
    try:
        key = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise KeyProblem(f"{where} is not base64. Make a key with `kinfold keys init`.") from None
    return long_enough(key)


def long_enough(key: bytes) -> bytes:
    """The key.

    Raises:
        KeyProblem: it is too short.
    """
    if len(key) < SHORTEST:
        raise KeyProblem(
            f"the key has {len(key)} bytes, at least {SHORTEST} are needed. Make one with `kinfold keys init`."
        )
    return key


def create(path: Path, key: bytes | None = None) -> None:
    """Write a new random key, or the one given, to `path`, readable by its owner alone.

    Raises:
        KeyProblem: a file is there already; nothing is ever overwritten, for what it protects would be lost.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}~*"):
        left.unlink()
    fresh = path.with_name(f".{path.name}~{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(key or secrets.token_bytes(SHORTEST)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise KeyProblem(
            f"{path.name} is there already and is kept: what it protects cannot be read with another key."
        ) from None
    finally:
        fresh.unlink()
    sync(path.parent)


def successor(path: Path) -> Path:
    """Where the next master key lies while a rotation is under way: beside the present one."""
    return path.with_name(f"{path.name}.next")


def predecessor(path: Path, on: date) -> Path:
    """Where the master key that a rotation replaced on a day is kept, for the backups that were made under it."""
    named, number = path.with_name(f"{path.name}.until-{on}"), 1
    while named.exists() and not (path.exists() and named.samefile(path)):
        number += 1
        named = path.with_name(f"{path.name}.until-{on}.{number}")
    return named


def succeed(path: Path, on: date) -> Path | None:
    """Put the next master key where the present one is, which is kept under another name; give that name.

    Killed in between and called again, it does what is left. None where there is no next key.
    """
    following = successor(path)
    if not following.exists():
        return None
    kept = predecessor(path, on)
    if path.exists() and not kept.exists():
        os.link(path, kept)
    following.replace(path)
    sync(path.parent)
    return kept


def _printed(command: str) -> str:
    """What the key command prints. No shell reads it, it is given no key, and nothing that it says is repeated.

    Raises:
        KeyProblem: it cannot be run, fails, takes too long, or prints too much.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise KeyProblem(f"{COMMAND} is not a command line. Write a program and its arguments, as for a shell.")
    program = Path(words[0]).name
    around = {name: value for name, value in os.environ.items() if name not in (KEY, NEW, COMMAND)}
    nothing = subprocess.DEVNULL
    try:
        running = subprocess.Popen(
            words, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing, env=around, start_new_session=True
        )
    except OSError:
        raise KeyProblem(f"the key command {program} cannot be started. Check {COMMAND}, with its full path.") from None
    assert running.stdout
    watch = Timer(PATIENCE, _end, [running])
    watch.start()
    with running.stdout:
        said = running.stdout.read(LONGEST + 1)
    late = not watch.is_alive()
    if len(said) > LONGEST:
        watch.cancel()
        _end(running)
        running.wait()
        raise KeyProblem(f"the key command {program} prints more than a key. It should print base64 and nothing else.")
    running.wait()
    late |= not watch.is_alive()
    watch.cancel()
    if late:
        raise KeyProblem(
            f"the key command {program} gave no key within {PATIENCE:.0f} s. Check that the vault product answers, "
            "and that it asks nobody for a password."
        )
    if running.returncode:
        raise KeyProblem(
            f"the key command {program} ended with exit code {running.returncode}. Run it by hand as the same user; "
            "what it says is not shown here, as it may be a secret."
        )
    return said.decode("ascii", errors="replace")


def _end(running: subprocess.Popen[bytes]) -> None:
    """End a command that has not ended, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
