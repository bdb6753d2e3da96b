"""Removes from an SQLite store what nobody can use, and mends what can be mended without a choice."""

import contextlib
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ablations.record import Tag
from runners.ledger import StoredRun, read
from runners.store.database import changing, reading, require_file
from runners.store.errors import StoreError
from runners.store.faults import duplicates, loose, orphans, planless, studies
from runners.store.lock import only_driver

DELETED = """
SELECT r.run_uuid, e.name FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id
WHERE r.lifecycle_stage = 'deleted' AND e.lifecycle_stage = 'active'
"""
SCORES = "SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ? ORDER BY key"
OWNED = """
SELECT DISTINCT m.name FROM sqlite_master m, pragma_foreign_key_list(m.name) f
WHERE m.type = 'table' AND f."table" = 'runs'
"""
RUN_ID = re.compile("[0-9a-f]{32}")


def collect(uri: str, dry_run: bool = False) -> list[str]:
    """Mark runs of dead drivers killed and second copies superseded; remove deleted runs, loose rows and stray files.

    Runs that failed or were killed are kept: they are a part of what the study took. So is the deleted run of a study
    that has no other with its plan.

    Args:
        uri: of an SQLite store.
        dry_run: only say what would be done.

    Returns:
        What was done, a line each.

    Raises:
        StoreError: the store cannot be used, or a study is being run; then nothing was done.
    """
    path = require_file(uri)
    with reading(path) as connection:
        names = studies(connection)
    with contextlib.ExitStack() as stack:
        marks = [mark for study in names for mark in _marks(path, uri, study)]
        for study in names:
            stack.enter_context(only_driver(path, study))
        with reading(path) as connection:
            needed = {one.run_id for one in planless(connection)}
            deleted = [row for row in connection.execute(DELETED) if row[0] not in needed]
            rows = loose(connection)
        strays = list(_strays(path))
        if not dry_run:
            _change(path, marks, [run_id for run_id, _ in deleted])
            for place in [*strays, *(path.parent / "artifacts" / name / run_id for run_id, name in deleted)]:
                shutil.rmtree(place, ignore_errors=True)
    done = [
        f"{study}: run {run.run_id} {'is marked killed' if tag is None else 'is superseded by its first copy'}"
        for study, run, tag in marks
    ]
    done += [f"{name}: run {run_id}, which was deleted, is removed" for run_id, name in deleted]
    done += [f"database: {len(rows)} rows that belong to nothing are removed"] if rows else []
    return done + [f"artifacts: {place.relative_to(path.parent)} belongs to no run and is removed" for place in strays]


def _marks(path: Path, uri: str, study: str) -> Iterator[tuple[str, StoredRun, Tag | None]]:
    """Study, run, and the tag that it gets; None for the mark of being killed."""
    known = read(uri, study)
    for run in orphans(path, study, known):
        yield study, run, None
    for first, *others in duplicates(known).values():
        for other in others:
            if _scores(path, first.run_id) == _scores(path, other.run_id):
                yield study, other, Tag.SUPERSEDED


def _scores(path: Path, run_id: str) -> list[tuple[str, float, bool]]:
    with reading(path) as connection:
        return connection.execute(SCORES, [run_id]).fetchall()


def _change(path: Path, marks: list[tuple[str, StoredRun, Tag | None]], deleted: list[str]) -> None:
    with changing(path) as connection:
        for _, run, tag in marks:
            ended = "UPDATE runs SET status = 'KILLED', end_time = coalesce(end_time, ?) WHERE run_uuid = ?"
            connection.execute(ended, [round(1000 * time.time()), run.run_id])
            if tag:
                connection.execute(
                    "INSERT OR REPLACE INTO tags (key, value, run_uuid) VALUES (?, 'true', ?)", [tag, run.run_id]
                )
        for run_id in deleted:
            _remove(connection, run_id)
        while rows := loose(connection):
            for table, row in rows:
                connection.execute(f'DELETE FROM "{table}" WHERE rowid = ?', [row])
        connection.execute("DELETE FROM input_tags WHERE input_uuid NOT IN (SELECT input_uuid FROM inputs)")
    if deleted:
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection:
            connection.execute("VACUUM")


def _remove(connection: sqlite3.Connection, run_id: str) -> None:
    for (table,) in connection.execute(OWNED).fetchall():
        for _, _, parent, column, *_ in connection.execute(f'PRAGMA foreign_key_list("{table}")').fetchall():
            if parent == "runs":
                connection.execute(f'DELETE FROM "{table}" WHERE "{column}" = ?', [run_id])
    connection.execute("DELETE FROM inputs WHERE destination_id = ?", [run_id])
    connection.execute("DELETE FROM runs WHERE run_uuid = ?", [run_id])


def _strays(path: Path) -> Iterator[Path]:
    """Folders of artifacts of no run; another database beside this one may have runs of the same study."""
    known = set[str]()
    for file in path.parent.iterdir():
        if file.is_file() and not file.name.endswith((".lock", "-wal", "-shm")):
            with contextlib.suppress(StoreError), reading(file) as connection:
                known |= {run_id for (run_id,) in connection.execute("SELECT run_uuid FROM runs")}
    for place in sorted((path.parent / "artifacts").glob("*/*")):
        if RUN_ID.fullmatch(place.name) and place.name not in known:
            yield place
