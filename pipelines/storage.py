"""Where Dagster keeps its own state: PostgreSQL when `KINFOLD_POSTGRES_URL` is set, else SQLite under `.dagster/`.

Named in dagster.yaml; each class hands back one of Dagster's own. Rests on `dagster._core`, so dagster is pinned to its
minor version and both branches are tested.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine, text

from warehouse.site import PROJECT

POSTGRES_URL = "KINFOLD_POSTGRES_URL"


def state() -> Path:
    """The folder of Dagster's run history and logs: `KINFOLD_STATE`, else `.dagster` in the project."""
    return Path(os.environ.get("KINFOLD_STATE") or PROJECT / ".dagster").absolute()


class _Chosen(ConfigurableClass):
    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return {}


class OpenEventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite with its files kept open, as opening one for each event costs more than the event.

    The index and the last run's file stay open. Dagster holds a lock while it has a connection, so one a file will do.
    """

    def __init__(self, base_dir: str) -> None:
        self._open: dict[str, Engine] = {}
        self._blank = b""
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._open or not Path(self.path_for_shard(shard)).exists():
                for other in {*self._open} - {INDEX_SHARD_NAME} | {*self._open} & {shard}:
                    self._open.pop(other).dispose()
                wait = {"timeout": 60, "check_same_thread": False}
                engine = create_engine(self.conn_string_for_shard(shard), poolclass=StaticPool, connect_args=wait)
                if shard not in self._initialized_dbs:
                    self._prepare(shard, engine)
                    self._initialized_dbs.add(shard)
                with engine.connect() as connection:  # a power cut may cost the last events, never the file
                    connection.execute(text("PRAGMA synchronous=NORMAL"))
                self._open[shard] = engine
            with self._open[shard].begin() as connection:
                yield connection

    def _prepare(self, shard: str, engine: Engine) -> None:
        """Make a file of events; for a run as it was made for the run before, for Dagster takes longer than the run."""
        path = Path(self.path_for_shard(shard))
        if self._blank and shard != INDEX_SHARD_NAME and not path.exists():
            path.write_bytes(self._blank)
            return
        fresh = not path.exists()
        self._initdb(engine)
        if fresh and shard != INDEX_SHARD_NAME:
            engine.dispose()  # what waited beside the file is in it then
            self._blank = path.read_bytes()


class PostgresOrSqliteStorage(_Chosen, DagsterStorage):
    """Runs, events and schedules."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """Dagster's PostgreSQL storage where a URL is set, else its SQLite storage."""
        url = os.environ.get(POSTGRES_URL)
        if not url:
            storage = DagsterSqliteStorage.from_local(str(state()), inst_data=inst_data)
            storage._event_log_storage = OpenEventLog(storage._event_log_storage._base_dir)
            return storage
        from dagster_postgres import DagsterPostgresStorage

        scheme, _, rest = url.partition("://")
        if scheme in ("postgres", "postgresql"):  # SQLAlchemy 2.1 would look for psycopg 3
            url = f"postgresql+psycopg2://{rest}"
        return DagsterPostgresStorage(postgres_url=url, should_autocreate_tables=True, inst_data=inst_data)


class ArtifactStorage(_Chosen, LocalArtifactStorage):
    """Dagster's scratch folder."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """A local folder under the state folder."""
        return LocalArtifactStorage(base_dir=str(state()), inst_data=inst_data)
