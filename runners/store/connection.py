"""The results database: where it is, and that it exists."""

import contextlib
import logging
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from ablations.credentials import redact, told
from ablations.record import SQLITE, Tag, sqlite_path
from ablations.uri import UriError, check_uri
from runners.store.database import changing
from runners.store.errors import StoreError
from runners.store.relocation import relocate
from runners.store.schema import upgrade

if TYPE_CHECKING:
    from mlflow import MlflowClient

CREATION_SECONDS = 120
CREATION_PAUSE = 1.0

log = logging.getLogger(__name__)


def absolute(uri: str) -> str:
    """The URI with a relative SQLite path made absolute: a worker's folder is not the driver's.

    Raises:
        StoreError: it names no store.
    """
    try:
        check_uri(uri)
    except UriError as error:
        raise StoreError(str(error)) from error
    path = sqlite_path(uri)
    return f"{SQLITE}{path}" if path else uri


def artifact_location(uri: str, study: str) -> str | None:
    """Where a study's artifacts lie: beside an SQLite file; a server decides for itself."""
    path = sqlite_path(uri)
    return (path.parent / "artifacts" / study).as_uri() if path else None


def connect(uri: str) -> "MlflowClient":
    """A client of the store, which is created if need be.

    Raises:
        StoreError: it cannot be created, opened or reached.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it logs, it raises as well
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    path = sqlite_path(uri)
    if path:
        _create(path)
        _require_writable(path)
        upgrade(path)
        relocate(path)
    with refusals(uri):
        return _open(uri)


def _open(uri: str) -> "MlflowClient":
    from sqlalchemy.exc import DatabaseError, OperationalError

    from runners.store.client import SharedClient

    deadline = time.monotonic() + CREATION_SECONDS
    while True:
        try:
            client = SharedClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
        except DatabaseError as error:
            # Of drivers that find an empty database at the same time, all but one fail to make the tables; pg8000
            # has no error of its own for that. A server that does not answer is another matter.
            if isinstance(error, OperationalError) or time.monotonic() > deadline:
                raise
            time.sleep(CREATION_PAUSE)
        else:
            return client


@contextlib.contextmanager
def refusals(uri: str) -> Iterator[None]:
    """What a store answers when it cannot be used, as one message."""
    try:
        with failures(uri):
            yield
    except (ImportError, OSError) as error:
        raise _unusable(uri, error) from error


@contextlib.contextmanager
def failures(uri: str) -> Iterator[None]:
    """The same of a store that was there, in a block that also does other things."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise _unusable(uri, error) from error


def _unusable(uri: str, error: Exception) -> StoreError:
    return StoreError(f"the store {redact(uri)} cannot be used: {told(error)}")


def supersede(client: "MlflowClient", run_id: str) -> None:
    """Mark a run as one that does not count any more: another takes its place.

    The tag decides: whoever was about to finish the run may do so, and it stays.
    """
    client.set_tag(run_id, str(Tag.SUPERSEDED), "true")
    client.set_terminated(run_id, "KILLED", client.get_run(run_id).info.end_time)


def _require_writable(path: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=60)) as connection:
            # The lock alone is given for a file that may only be read; the write is never committed.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE ablation_probe (x)")
            connection.rollback()
    except sqlite3.Error as error:
        raise StoreError(f"the store {path} cannot be written: {error}; choose another with --tracking-uri") from error


def _create(path: Path) -> None:
    """Make an SQLite store that does not exist yet.

    Several processes that open a new one at once destroy it. So it is made under a lock, in another file, and
    appears whole.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.create.lock", timeout=CREATION_SECONDS):
            if not path.exists():
                with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                    new = Path(folder) / path.name
                    _initialise(new, path.parent / "artifacts")
                    new.rename(path)
    except OSError as error:
        raise StoreError(f"the store {path} cannot be created: {error}; choose another with --tracking-uri") from error


def _initialise(path: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"{SQLITE}{path}", artifacts.as_uri())
    store.engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def analyze(uri: str) -> None:
    """Gather the statistics with which SQLite plans queries: at 10,000 runs the UI sorts in 0.4 s instead of 7 s."""
    path = sqlite_path(uri)
    if path:
        try:
            with changing(path) as connection:
                connection.execute("ANALYZE")
        except StoreError as error:
            log.warning("no statistics were gathered: %s", error)  # nothing depends on them
