"""The runs of an SQLite store, read directly and read-only.

MLflow's own reader takes a minute for 10,000 runs, and seconds to open; this takes one, and nothing can be written by
it. A test keeps both in agreement.
"""

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ablations.strayed import DELETED_PLAN, Strayed, of_rows
from ablations.strayed import QUERY as STRAYED
from ablations.uri import to_read

STUDIES = "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active'"
RUNS = """
SELECT run_uuid, status, start_time, end_time FROM runs WHERE experiment_id = ? AND lifecycle_stage = 'active'
"""
TAGS = """
SELECT r.run_uuid, t.key, t.value FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid
WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active'
"""
FINAL = """
SELECT r.run_uuid, m.key, m.value FROM runs r JOIN latest_metrics m ON m.run_uuid = r.run_uuid
WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active' AND NOT m.is_nan
AND (m.key LIKE 'test/%' OR m.key LIKE 'best/%')
"""
ARTIFACTS = """
SELECT e.name, r.artifact_uri FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id WHERE r.run_uuid = ?
"""


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it.

    Attributes:
        run_id: MLflow's.
        status: MLflow's: FINISHED, FAILED, KILLED, RUNNING.
        started: milliseconds since 1970.
        ended: the same; None while it runs.
        tags: by name.
        final: the metrics ``test/...`` and ``best/...``.
    """

    run_id: str
    status: str
    started: int
    ended: int | None
    tags: Mapping[str, str]
    final: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """How long it ran; NaN while it runs."""
        return float("nan") if self.ended is None else (self.ended - self.started) / 1000


class Database:
    """An SQLite file that MLflow made."""

    def __init__(self, path: Path) -> None:
        """It is opened for each question, so that a study that runs meanwhile is not in the way."""
        self.path = path

    def studies(self) -> dict[str, str]:
        """Id of each experiment by name."""
        return {name: str(number) for name, number in self._select(STUDIES)}

    def strayed(self, study: str) -> list[Strayed]:
        """Other experiments, renamed or deleted ones, that have runs of a study."""
        return of_rows(self._select(STRAYED, study, study))

    def deleted_plan(self, study: str) -> str:
        """Id of the study's own run that was deleted last; empty if there is none."""
        return next((str(run_id) for (run_id,) in self._select(DELETED_PLAN, study)), "")

    def runs(self, experiment: str) -> list[StoredRun]:
        """All runs of an experiment that are not deleted."""
        tags: dict[str, dict[str, str]] = {}
        final: dict[str, dict[str, float]] = {}
        for run_id, key, value in self._select(TAGS, experiment):
            tags.setdefault(run_id, {})[key] = value
        for run_id, key, value in self._select(FINAL, experiment):
            final.setdefault(run_id, {})[key] = value
        return [
            StoredRun(run_id, status, started, ended, tags.get(run_id, {}), final.get(run_id, {}))
            for run_id, status, started, ended in self._select(RUNS, experiment)
        ]

    def contents(self, run_id: str, name: str) -> list[bytes]:
        """Content of a run's file, the likeliest copy first: the one beside the database, or where it was written.

        MLflow keeps absolute paths. Of a store that was moved or copied, the files that came with it are meant.
        """
        rows = self._select(ARTIFACTS, run_id)
        if not rows:
            return []
        [(study, uri)] = rows
        beside = self.path.parent / "artifacts" / study / run_id / "artifacts" / name
        recorded = urlsplit(uri)
        written = [Path(url2pathname(recorded.path)) / name] if recorded.scheme in ("", "file") else []
        return [path.read_bytes() for path in (beside, *written) if path.is_file()]

    def _select(self, query: str, *values: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(to_read(self.path), uri=True)) as connection:
            return connection.execute(query, values).fetchall()
