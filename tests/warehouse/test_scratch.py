"""What lies on the disk for a while goes with the process that put it there, also when that is killed."""

import os
import signal
from pathlib import Path

from governance.keys import KeyRing
from governance.vault import Vault
from warehouse.scratch import scratch, sweep
from warehouse.store import Store


def killed_at_work(tmp: Path) -> Path:
    """A process puts something into a folder of its own and is killed; gives that folder."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with scratch(tmp, "join") as folder:
            (folder / "spilt").write_text("ARKWRIGHT")
            os.write(writing, str(folder).encode())
            signal.pause()
    left = Path(os.read(reading, 1000).decode())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    return left


def test_a_folder_goes_when_its_block_ends_however_it_ends(tmp_path):
    for fails in (False, True):
        try:
            with scratch(tmp_path / "tmp", "join") as folder:
                (folder / "spilt").write_text("ARKWRIGHT")
                assert folder.stat().st_mode & 0o777 == 0o700
                if fails:
                    raise ValueError
        except ValueError:
            pass
        assert list((tmp_path / "tmp").iterdir()) == []


def test_what_a_killed_process_left_goes_at_the_next_start_and_what_is_in_use_stays(tmp_path):
    left = killed_at_work(tmp_path / "tmp")
    assert (left / "spilt").exists()
    (tmp_path / "tmp" / "duckdb_temp_storage_DEFAULT-0.tmp").write_text("ARKWRIGHT")
    with scratch(tmp_path / "tmp", "join") as folder:
        Store(tmp_path, Vault(KeyRing(b"k" * 32)))
        assert sorted(p.name for p in (tmp_path / "tmp").iterdir()) == [folder.name, f"{folder.name}.lock"]
        assert folder.is_dir()
    sweep(tmp_path / "tmp")
    assert list((tmp_path / "tmp").iterdir()) == []
