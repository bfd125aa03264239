"""The process that holds the delivery key while it opens one OpenPGP message, from its input to its output.

What belongs here: only what must run apart, for the library decrypts without pause, in one go and without a limit. Run
by path, with nothing of Kinfold imported; it says how it went by its exit code and prints nothing.
"""

from __future__ import annotations

import os
import resource
import sys

OPENED, NOT_OURS, DAMAGED, WEAK = 0, 10, 11, 12
MEMORY = 1 << 30  # bytes of address space


def main(handle: int, seconds: int) -> int:
    """Open the message on stdin with the key that the pipe `handle` holds, in at most `seconds` of work."""
    for limit, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, seconds)):
        resource.setrlimit(limit, (most, most))
    import pysequoia

    with os.fdopen(handle, "rb") as pipe:
        key = pysequoia.Tsk.from_bytes(pipe.read())
    try:
        pysequoia.decrypt_file("/dev/stdin", "/dev/stdout", decryptor=key.decryptor())
    except BaseException as error:  # noqa: BLE001 - the library's panics are no Exception; its words go nowhere
        said = str(error)
        if "No key to decrypt" in said:
            return NOT_OURS
        return WEAK if "Policy rejected" in said else DAMAGED
    return OPENED


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
