"""A study as one file: a zip of a small database and the runs' files, written from and read into an SQLite store."""

import contextlib
import lzma
import os
import shutil
import sqlite3
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ablations.record import Kind, Tag
from ablations.strayed import Strayed, of_rows, without_plan
from runners.ledger import deleted_plan, read, strayed
from runners.store.connection import connect
from runners.store.database import reading, require_file
from runners.store.errors import StoreError
from runners.store.faults import studies
from runners.store.lock import only_driver
from runners.store.relocation import folder, recorded

# What zipfile raises for a damaged file; RuntimeError: encrypted, or of an unknown compression.
UNREADABLE = (
    OSError,
    KeyError,
    ValueError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
DATABASE, FILES = "study.db", "artifacts"
RUNS = """
SELECT run_uuid FROM main.runs
WHERE experiment_id = :experiment AND lifecycle_stage = 'active' AND status != 'RUNNING'
"""
INPUTS = f"SELECT input_uuid FROM main.inputs WHERE destination_type = 'RUN' AND destination_id IN ({RUNS})"
PARTS = {  # what of each table is of the study; a run that runs is left out
    "experiments": "experiment_id = :experiment",
    "experiment_tags": "experiment_id = :experiment",
    "runs": f"run_uuid IN ({RUNS})",
    "tags": f"run_uuid IN ({RUNS})",
    "params": f"run_uuid IN ({RUNS})",
    "metrics": f"run_uuid IN ({RUNS})",
    "latest_metrics": f"run_uuid IN ({RUNS})",
    "datasets": "experiment_id = :experiment",
    "inputs": f"input_uuid IN ({INPUTS})",
    "input_tags": f"input_uuid IN ({INPUTS})",
}
OF_RUNS = ("runs", "tags", "params", "metrics", "latest_metrics")
KEYS = f"""
SELECT k.value FROM {{0}}.runs r JOIN {{0}}.tags k ON k.run_uuid = r.run_uuid AND k.key = '{Tag.RUN_KEY}'
LEFT JOIN {{0}}.tags s ON s.run_uuid = r.run_uuid AND s.key = '{Tag.SUPERSEDED}'
WHERE r.status = 'FINISHED' AND s.value IS NULL AND r.lifecycle_stage = 'active' AND r.experiment_id = ?
"""
ELSEWHERE = """
SELECT r.run_uuid, e.name, e.experiment_id, e.lifecycle_stage
FROM main.runs r JOIN part.runs p ON p.run_uuid = r.run_uuid
JOIN main.experiments e ON e.experiment_id = r.experiment_id
WHERE r.experiment_id != ?
"""
OWN = f"SELECT run_uuid FROM {{0}}.tags WHERE key = '{Tag.KIND}' AND value IN ('{Kind.STUDY}', '{Kind.CLAIMS}')"


@dataclass(frozen=True)
class Imported:
    """How many runs of an archive were added, and how many the store had: the same, or another of the same key."""

    study: str
    added: int
    known: int


def export(uri: str, study: str, target: Path) -> int:
    """Write a study to one file; a run that runs is left out.

    Returns:
        The number of runs in it.

    Raises:
        StoreError: there is no such study, or a file cannot be read or written; then there is no new file.
    """
    path = require_file(uri)
    with reading(path) as connection:
        known = studies(connection)
    if study not in known:
        lost = "".join(f"\n{one.sentence(study)}" for one in strayed(uri, study))
        raise StoreError(f"no study '{study}' in {path}; the studies there are: {', '.join(known) or 'none yet'}{lost}")
    if not read(uri, study).study_run:
        raise StoreError(f"study '{study}': {without_plan(study, deleted_plan(uri, study))}")
    try:
        with tempfile.TemporaryDirectory(dir=target.absolute().parent) as place:
            part, new = Path(place) / DATABASE, Path(place) / target.name
            uris = _extract(path, study, part)
            with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                archive.write(part, DATABASE)
                for run_id, artifact_uri in uris:
                    for file, name in _artifacts(path, study, run_id, artifact_uri):
                        archive.write(file, f"{FILES}/{run_id}/{name}")
            new.replace(target)
    except OSError as error:
        raise StoreError(f"the study '{study}' cannot be written to {target}: {error}") from error
    return len(uris)


def _extract(path: Path, study: str, part: Path) -> list[tuple[str, str]]:
    """Copy the study's rows to a database of their own; returns id and place of each run."""
    with _joined(path, part, "part") as connection:
        query = "SELECT experiment_id FROM main.experiments WHERE name = ?"
        [(experiment,)] = connection.execute(query, [study]).fetchall()
        for table, condition in PARTS.items():
            text = f"CREATE TABLE part.{table} AS SELECT * FROM main.{table} WHERE {condition}"
            connection.execute(text, {"experiment": experiment} if ":experiment" in condition else {})
        connection.commit()
        return connection.execute("SELECT run_uuid, artifact_uri FROM part.runs ORDER BY run_uuid").fetchall()


def _artifacts(path: Path, study: str, run_id: str, uri: str) -> Iterator[tuple[Path, PurePosixPath]]:
    for place in (folder(path, study, run_id), recorded(uri)):
        if place and place.is_dir():
            for file in sorted(place.rglob("*")):
                if file.is_file():
                    yield file, PurePosixPath(file.relative_to(place).as_posix())
            return


def bring(source: Path, uri: str) -> Imported:
    """Add the runs of an archive to a store, which is created if need be; twice is as once.

    A run is added if the store has neither it nor another finished one of its key. The plan is the archive's where the
    store had no runs of the study but those in the archive; else it stays, and running the matrix again declares it.

    Raises:
        StoreError: the file is no archive, or the store cannot be used; then nothing was added.
    """
    try:
        with zipfile.ZipFile(source) as archive, tempfile.TemporaryDirectory() as place:
            part = Path(archive.extract(DATABASE, place))
            with reading(part) as connection:
                [(study,)] = connection.execute("SELECT name FROM experiments").fetchall()
            connect(uri)
            path = require_file(uri)
            with only_driver(path, study):
                return _bring(archive, part, path, str(study))
    except StoreError:
        raise
    except UNREADABLE as error:
        raise StoreError(f"{source} is no archive of a study, or cannot be read: {error}") from error


def _bring(archive: zipfile.ZipFile, part: Path, path: Path, study: str) -> Imported:
    location = path.parent / "artifacts" / study
    with _joined(path, part, "part") as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        experiment = _experiment(connection, study, location)
        new, replaced = _new(connection, experiment)
        _refuse_strayed(connection, experiment, study, new)
        total = connection.execute("SELECT count(*) FROM part.runs").fetchone()[0]
        connection.execute("CREATE TEMP TABLE new (run_uuid PRIMARY KEY)")
        connection.executemany("INSERT INTO new VALUES (?)", [(run_id,) for run_id in sorted(new)])
        for run_id in replaced:
            connection.execute("DELETE FROM main.tags WHERE run_uuid = ?", [run_id])
            connection.execute("INSERT INTO main.tags SELECT * FROM part.tags WHERE run_uuid = ?", [run_id])
        _insert(connection, experiment, location)
        # The files are there before the rows that count them: without their rows they count for nothing.
        _unpack(archive, location, new | replaced)
        connection.commit()
    return Imported(study, len(new), total - len(new))


def _experiment(connection: sqlite3.Connection, study: str, location: Path) -> int:
    """Id of the experiment in the store; made if need be, with the same id if that is free."""
    found = connection.execute("SELECT experiment_id, lifecycle_stage FROM main.experiments WHERE name = ?", [study])
    for number, stage in found:
        if stage != "active":
            raise StoreError(Strayed(study, str(number), deleted=True).sentence(study))
        return int(number)
    [(number,)] = connection.execute(
        "SELECT CASE WHEN experiment_id IN (SELECT experiment_id FROM main.experiments) "
        "THEN (SELECT max(experiment_id) + 1 FROM main.experiments) ELSE experiment_id END FROM part.experiments"
    )
    _copy(connection, "experiments", "1", {"experiment_id": number, "artifact_location": location.as_uri()})
    _copy(connection, "experiment_tags", "1", {"experiment_id": number})
    return int(number)


def _new(connection: sqlite3.Connection, experiment: int) -> tuple[set[str], set[str]]:
    """Ids of the runs to add, and of the study's own runs that the archive has in a later state."""
    ours = {
        run for (run,) in connection.execute("SELECT run_uuid FROM main.runs WHERE experiment_id = ?", [experiment])
    }
    theirs = {run for (run,) in connection.execute("SELECT run_uuid FROM part.runs")}
    done = {key for (key,) in connection.execute(KEYS.format("main"), [experiment])}
    keys = dict(connection.execute("SELECT run_uuid, value FROM part.tags WHERE key = ?", [Tag.RUN_KEY]).fetchall())
    own = {run for (run,) in connection.execute(OWN.format("part"))}
    new = {run for run in theirs - ours if keys.get(run) not in done}
    if ours:
        new -= own
    return new, own & ours if ours < theirs else set()


def _refuse_strayed(connection: sqlite3.Connection, experiment: int, study: str, new: set[str]) -> None:
    """Refuse runs that the store has already in an experiment that was renamed or deleted."""
    for run_id, *row in connection.execute(ELSEWHERE, [experiment]):
        if run_id in new:
            [lost] = of_rows([(*row, None)])
            raise StoreError(lost.sentence(study))


def _insert(connection: sqlite3.Connection, experiment: int, location: Path) -> None:
    _copy(connection, "datasets", "1", {"experiment_id": experiment})
    place = f"'{location.as_uri()}/' || run_uuid || '/artifacts'"
    for table in OF_RUNS:
        changed = {"experiment_id": str(experiment), "artifact_uri": place} if table == "runs" else {}
        _copy(connection, table, "run_uuid IN (SELECT run_uuid FROM new)", {}, changed)
    dataset = (
        "(SELECT d.dataset_uuid FROM main.datasets d JOIN part.datasets p ON p.name = d.name AND p.digest = d.digest "
        f"WHERE p.dataset_uuid = source_id AND d.experiment_id = {experiment})"
    )
    _copy(connection, "inputs", "destination_id IN (SELECT run_uuid FROM new)", {}, {"source_id": dataset})
    _copy(connection, "input_tags", "input_uuid IN (SELECT input_uuid FROM main.inputs)", {})


def _copy(
    connection: sqlite3.Connection,
    table: str,
    condition: str,
    values: dict[str, object],
    expressions: dict[str, str] | None = None,
) -> None:
    """Copy rows from the archive's table to the store's, some columns with other values or expressions."""
    columns = [row[1] for row in connection.execute(f'PRAGMA part.table_info("{table}")')]
    known = {row[1] for row in connection.execute(f'PRAGMA main.table_info("{table}")')}
    if not columns or not known >= set(columns):
        extra = ", ".join(sorted(set(columns) - known)) or "nothing"
        raise ValueError(
            f"its table '{table}' has {extra} that the store does not know; was it made by a newer MLflow?"
        )
    chosen = [(expressions or {}).get(name, f":{name}" if name in values else f'"{name}"') for name in columns]
    names = ", ".join(f'"{name}"' for name in columns)
    rows = f'SELECT {", ".join(chosen)} FROM part."{table}" WHERE {condition}'
    connection.execute(f'INSERT OR IGNORE INTO main."{table}" ({names}) {rows}', values)


def _unpack(archive: zipfile.ZipFile, location: Path, runs: set[str]) -> None:
    """Put the files of some runs where they belong."""
    location.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=location) as place:
        for name in archive.namelist():
            parts = PurePosixPath(name).parts
            if len(parts) > 2 and parts[0] == FILES and parts[1] in runs:
                archive.extract(name, place)
        for run_id in runs:
            unpacked = Path(place) / FILES / run_id
            target = location / run_id / "artifacts"
            if unpacked.is_dir():
                target.parent.mkdir(exist_ok=True)
                shutil.rmtree(target, ignore_errors=True)
                os.replace(unpacked, target)  # noqa: PTH105


@contextlib.contextmanager
def _joined(path: Path, part: Path, name: str) -> Iterator[sqlite3.Connection]:
    """The store with another database beside it."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute(f"ATTACH ? AS {name}", [str(part)])
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"the store {path} cannot be used: {error}") from error
