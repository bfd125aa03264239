"""What the landing zone holds under the vault's keys, file by file, for those who have to go through all of it.

What belongs here: names. What landed and how belongs in `deliveries`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from feeds.deliveries import MANIFEST, delivered
from warehouse.store import Store


def sealed(store: Store) -> Iterator[tuple[Path, str]]:
    """Every encrypted file of every landed delivery, with the name that its content is bound to.

    Raises:
        StoreError: a delivery's manifest is gone while it is being read.
    """
    for folder in sorted(p.parent for p in (store.home / "landing").glob(f"*/*/{MANIFEST}")):
        if folder.name.startswith("."):
            continue
        landed = delivered(folder.parent.name, folder.name, store)
        below = f"landing/{landed.feed}/{landed.delivery}"
        for path in sorted(folder.iterdir()):
            number, *inner = path.name.removesuffix(".sealed").split(".")
            if path.suffix == ".parquet":
                yield path, f"{below}/{path.name}"
            elif path.suffix == ".sealed" and not path.name.startswith("."):
                yield path, "/".join([below, landed.names[int(number)], *inner])
