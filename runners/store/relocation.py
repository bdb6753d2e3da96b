"""A store whose folder was moved or copied: MLflow keeps absolute paths, and would write into the old folder."""

import shutil
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ablations.record import Kind, Tag
from runners.store.database import changing, reading

MOVED = """
SELECT experiment_id, name FROM experiments
WHERE artifact_location LIKE '%/artifacts/' || name AND artifact_location != ? || replace(name, ' ', '%20')
"""
RUNS = "SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = ?"
OWN = f"""
SELECT r.run_uuid FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid
WHERE r.experiment_id = ? AND t.key = '{Tag.KIND}' AND t.value = '{Kind.STUDY}'
"""


def folder(path: Path, study: str, run_id: str) -> Path:
    """Where the files of a run lie beside the database."""
    return path.parent / "artifacts" / study / run_id / "artifacts"


def recorded(uri: str) -> Path | None:
    """Where they were written, if that was a folder."""
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)) if parts.scheme in ("", "file") else None


def relocate(path: Path) -> None:
    """Let what is written from now on lie beside the database, and what came with it be read there.

    Files of runs that were not copied with the database stay where they are; those of the study's own run, which is
    written to again, are copied.

    Raises:
        StoreError: the store cannot be read or written.
    """
    root = f"{(path.parent / 'artifacts').as_uri()}/"
    with reading(path) as connection:
        moved = connection.execute(MOVED, [root]).fetchall()
    if moved:
        with changing(path) as connection:
            for experiment, study in moved:
                _relocate(connection, path, experiment, study)


def _relocate(connection: sqlite3.Connection, path: Path, experiment: int, study: str) -> None:
    own = {run_id for (run_id,) in connection.execute(OWN, [experiment])}
    for run_id, uri in connection.execute(RUNS, [experiment]).fetchall():
        here, there = folder(path, study, run_id), recorded(uri)
        if run_id in own and not here.exists() and there and there.is_dir():
            shutil.copytree(there, here)
        if here.exists() or run_id in own:
            connection.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", [here.as_uri(), run_id])
    location = (path.parent / "artifacts" / study).as_uri()
    connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", [location, experiment])
