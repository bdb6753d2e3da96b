"""An SQLite store as a file: opened to be read, or changed as a whole."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ablations.record import sqlite_path
from ablations.uri import to_read
from runners.store.errors import StoreError

WAIT = 60.0  # seconds for others that write


def require_file(uri: str) -> Path:
    """Path of the SQLite file.

    Raises:
        StoreError: the store is a server, or there is none.
    """
    path = sqlite_path(uri)
    if path is None:
        raise StoreError(
            "this works on the SQLite file of a store (--tracking-uri sqlite:///...); "
            "a server's runs are kept, deleted and copied with the means of MLflow and of its database"
        )
    if not path.is_file():
        raise StoreError(f"no store at {path}; run a study first, or name another with --tracking-uri")
    return path


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The store at one moment; nothing can be written.

    Raises:
        StoreError: it cannot be read.
    """
    with _opened(path, to_read(path), "read") as connection:
        connection.execute("BEGIN")
        yield connection


@contextlib.contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """One change of the store: all of it at the end of the block, or nothing of it.

    Raises:
        StoreError: it cannot be written, or the change breaks a rule of the database.
    """
    with _opened(path, f"{path.as_uri()}?mode=rw", "written") as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


@contextlib.contextmanager
def _opened(path: Path, uri: str, done: str) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=WAIT, isolation_level=None)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"the store {path} cannot be {done}: {error}") from error
