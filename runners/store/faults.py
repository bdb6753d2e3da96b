"""What is wrong with a store: runs of dead drivers, runs finished twice, files and records that are gone."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ablations.record import (
    CONFUSION_FILE,
    ERROR_FILE,
    HISTORY_FILE,
    PLAN_FILE,
    PREDICTIONS_CSV,
    SEARCH_FILE,
    Kind,
    Outcome,
    Tag,
)
from ablations.strayed import DELETED_PLAN, Strayed, without_plan
from runners.ledger import Ledger, StoredRun, read
from runners.store.database import reading, require_file
from runners.store.errors import StoreError
from runners.store.lock import only_driver
from runners.store.relocation import folder, recorded

STUDIES = "SELECT name FROM experiments WHERE lifecycle_stage = 'active' AND experiment_id != 0 ORDER BY name"
URIS = """
SELECT r.run_uuid, r.artifact_uri FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id WHERE e.name = ?
"""
LOOSE_INPUTS = """
SELECT i.rowid FROM inputs i LEFT JOIN runs r ON r.run_uuid = i.destination_id
LEFT JOIN datasets d ON d.dataset_uuid = i.source_id
WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND (r.run_uuid IS NULL OR d.dataset_uuid IS NULL)
"""
STRAYED = """
SELECT e.name, e.experiment_id, e.lifecycle_stage != 'active', t.value, count(*)
FROM experiments e JOIN runs r ON r.experiment_id = e.experiment_id
JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'ablation.study'
JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = 'ablation.kind' AND s.value IN ('cell', 'search')
WHERE (e.lifecycle_stage != 'active' OR r.lifecycle_stage = 'active') AND NOT EXISTS (
    SELECT 1 FROM experiments o WHERE o.name = t.value AND o.lifecycle_stage = 'active'
)
GROUP BY e.experiment_id, t.value ORDER BY e.name
"""
WITHOUT_OWN_RUN = """
WITH kinds AS (
    SELECT r.experiment_id, r.lifecycle_stage, t.value AS kind, s.value AS study
    FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'ablation.kind'
    LEFT JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = 'ablation.study'
)
SELECT e.name, coalesce(max(k.study), e.name) FROM experiments e JOIN kinds k ON k.experiment_id = e.experiment_id
WHERE e.lifecycle_stage = 'active' GROUP BY e.experiment_id
HAVING sum(k.kind = 'study' AND k.lifecycle_stage = 'active') = 0
AND sum(k.kind IN ('cell', 'search') AND k.lifecycle_stage = 'active') > 0 ORDER BY e.name
"""
# Of runs that do not say what they have: they were written by an older version.
FILES = {Outcome.FINISHED: {HISTORY_FILE, PREDICTIONS_CSV, CONFUSION_FILE}, Outcome.FAILED: {ERROR_FILE}}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        where: the study, or the database.
        what: is wrong, with ids.
        remedy: what mends it.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.where}: {self.what}; {self.remedy}"


def check(uri: str) -> list[Fault]:
    """All faults of an SQLite store; nothing is written.

    Raises:
        StoreError: the store cannot be read.
    """
    path = require_file(uri)
    with reading(path) as connection:
        found = list(_records(connection))
        names = studies(connection)
        found += _of_experiments(connection, uri)
    for study in names:
        known = read(uri, study)
        found += [*_orphans(path, study, known), *_duplicates(study, known), *_missing(path, study, known)]
    return found


def studies(connection: sqlite3.Connection) -> list[str]:
    """Names of the experiments that are not deleted."""
    return [name for (name,) in connection.execute(STUDIES)]


def orphans(path: Path, study: str, known: Ledger) -> list[StoredRun]:
    """Runs that nobody runs."""
    running = [run for run in known.runs if run.status == "RUNNING"]
    if running:
        try:
            with only_driver(path, study):
                return running
        except StoreError:
            return []
    return []


def duplicates(known: Ledger) -> Mapping[str, list[StoredRun]]:
    """By run key the runs that finished more than once, the first first."""
    by_key: dict[str, list[StoredRun]] = {}
    for kind in (Kind.CELL, Kind.SEARCH):
        for run in known.complete(kind):
            by_key.setdefault(run.tags[Tag.RUN_KEY], []).append(run)
    return {key: runs for key, runs in by_key.items() if len(runs) > 1}


def loose(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Table and number of each row that belongs to nothing."""
    rows = [(table, row) for table, row, *_ in connection.execute("PRAGMA foreign_key_check")]
    return rows + [("inputs", row) for (row,) in connection.execute(LOOSE_INPUTS)]


def _records(connection: sqlite3.Connection) -> Iterator[Fault]:
    for (answer,) in connection.execute("PRAGMA integrity_check"):
        if answer != "ok":
            yield Fault("database", f"it is damaged: {answer}", "take a backup of it, or `sqlite3 FILE .recover`")
    tables = [table for table, _ in loose(connection)]
    for table in sorted(set(tables)):
        count = tables.count(table)
        yield Fault("database", f"{count} rows of '{table}' belong to no run or experiment", "gc removes them")


@dataclass(frozen=True)
class Planless:
    """An experiment with runs of a study and without its own run; ``run_id`` of that is empty if it is gone."""

    name: str
    study: str
    run_id: str


def planless(connection: sqlite3.Connection) -> list[Planless]:
    """The experiments whose study run was deleted."""
    found = []
    for name, study in connection.execute(WITHOUT_OWN_RUN).fetchall():
        row = connection.execute(DELETED_PLAN, [name]).fetchone()
        found.append(Planless(name, study, row[0] if row else ""))
    return found


def _of_experiments(connection: sqlite3.Connection, uri: str) -> Iterator[Fault]:
    """Experiments that were renamed or deleted, and those whose study run was deleted."""
    for name, number, deleted, study, runs in connection.execute(STRAYED):
        lost = Strayed(name, str(number), bool(deleted), runs)
        remove = f"; to remove it for good: mlflow gc --backend-store-uri {uri} --experiment-ids {number}"
        yield Fault(name, lost.fate(study), lost.way_back(study) + (remove if deleted else ""))
    names = studies(connection)
    for one in planless(connection):
        # A study that was run anew has its plan there; the experiment of before needs none.
        if one.study == one.name or one.study not in names:
            yield Fault(one.name, *without_plan(one.study, one.run_id).split("; "))


def _orphans(path: Path, study: str, known: Ledger) -> Iterator[Fault]:
    for run in orphans(path, study, known):
        what = f"run {run.run_id} ({run.tags.get(Tag.CELL, '')}, seed {run.tags.get(Tag.SEED, '')}) is marked running"
        yield Fault(study, f"{what}, and nobody runs it", "gc marks it killed; running the matrix again runs it")


def _duplicates(study: str, known: Ledger) -> Iterator[Fault]:
    for key, runs in duplicates(known).items():
        ids = " and ".join(run.run_id for run in runs)
        yield Fault(study, f"the run {key} finished {len(runs)} times: {ids}", "gc keeps the first if they agree")


def _missing(path: Path, study: str, known: Ledger) -> Iterator[Fault]:
    with reading(path) as connection:
        uris = dict(connection.execute(URIS, [study]).fetchall())
    for run in known.runs:
        absent = sorted(_files(run) - _present(path, study, run.run_id, uris[run.run_id]))
        if absent:
            repeat = f"repeat it: --only {run.tags[Tag.RUN_KEY]} --rerun all" if Tag.RUN_KEY in run.tags else ""
            remedy = repeat or "run the matrix again"
            yield Fault(study, f"run {run.run_id} has no {', '.join(absent)} any more", remedy)


def _files(run: StoredRun) -> set[str]:
    """Names of the files that it should have."""
    if Tag.SUPERSEDED in run.tags:
        return set()
    if run.tags.get(Tag.KIND) == Kind.STUDY:
        return {name for name, tag in ((PLAN_FILE, Tag.PLAN), (SEARCH_FILE, Tag.SEARCH)) if tag in run.tags}
    ended = run.status in ("FINISHED", "FAILED") and Tag.OUTCOME in run.tags
    if not ended:
        return set()
    if Tag.FILES in run.tags:
        return {*run.tags[Tag.FILES].split()}
    return FILES.get(Outcome(run.tags[Tag.OUTCOME]), set())


def _present(path: Path, study: str, run_id: str, uri: str) -> set[str]:
    folders = (folder(path, study, run_id), recorded(uri))
    return {file.name for place in folders if place and place.is_dir() for file in place.iterdir()}
