"""The schema of an SQLite store follows MLflow's; before it is upgraded, the store is backed up."""

import contextlib
import importlib.util
import logging
import sqlite3
from functools import cache
from pathlib import Path

from filelock import FileLock

from ablations.credentials import told
from ablations.record import SQLITE
from ablations.uri import to_read
from runners.store.errors import StoreError

log = logging.getLogger(__name__)


def upgrade(path: Path) -> Path | None:
    """Bring a store that an older MLflow made to the schema of this one.

    Returns:
        The backup that was made of it before; None where the schema is this one's.

    Raises:
        StoreError: the file is no MLflow store or one of a newer MLflow, or the upgrade failed: then it is as before.
    """
    if _revision(path) == _head():
        return None
    with FileLock(f"{path}.upgrade.lock"):
        revision = _revision(path)
        if revision == _head():
            return None
        _require_known(path, revision)
        backup = path.with_name(f"{path.name}.{revision}.backup")
        _copy(path, backup)
        log.warning("the store %s is upgraded to the schema of this MLflow; what it was is kept as %s", path, backup)
        try:
            _migrate(path)
        except Exception as error:
            # Whatever a migration may raise: it is not transactional.
            _copy(backup, path)
            raise StoreError(f"the store {path} cannot be upgraded, and is as before: {told(error)}") from error
    return backup


def _migrate(path: Path) -> None:
    from mlflow.db import upgrade as command

    logging.getLogger("alembic").setLevel(logging.WARNING)
    assert command.callback
    command.callback(url=f"{SQLITE}{path}")


def _revision(path: Path) -> str:
    try:
        with contextlib.closing(sqlite3.connect(to_read(path), uri=True)) as connection:
            [(revision,)] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(f"{path} is no MLflow store: {error}; choose another with --tracking-uri") from error
    return str(revision)


def _require_known(path: Path, revision: str) -> None:
    known = (_migrations() / "versions").glob(f"{revision}_*.py")
    if not any(known):
        raise StoreError(
            f"the store {path} has schema {revision}, which this MLflow does not know: a newer one has made it; "
            f"install that, or choose another store with --tracking-uri"
        )


@cache
def _head() -> str:
    """The revision that no other follows; read from the text of the migrations: to import them takes a second."""
    revised, revisions = set(), set()
    for file in (_migrations() / "versions").glob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(" = ")
            if name == "revision":
                revisions.add(value.strip("\"'"))
            if name == "down_revision":
                revised.add(value.strip("\"'"))
    [head] = revisions - revised
    return head


def _migrations() -> Path:
    spec = importlib.util.find_spec("mlflow")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / "store" / "db_migrations"


def _copy(source: Path, target: Path) -> None:
    """A database whole, also while others use it."""
    try:
        with (
            contextlib.closing(sqlite3.connect(source)) as old,
            contextlib.closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise StoreError(f"the store {source} cannot be backed up as {target}: {error}; it is as before") from error
