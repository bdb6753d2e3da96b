"""What the store already holds of a study.

An SQLite file is read directly and read-only: that takes milliseconds where importing and opening MLflow's own
reader takes seconds, and a dry run is sure to write nothing. Any other store is asked through MLflow. A test keeps
both in agreement.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.record import Kind, Outcome, Plan, Tag, sqlite_path
from ablations.strayed import DELETED_PLAN, Strayed, deleted_plan_on_server, of_rows, of_server
from ablations.strayed import QUERY as QUERY_STRAYED
from ablations.uri import to_read
from runners.store import StoreError, artifact_bytes, connect, failures
from runners.store.relocation import folder, recorded

if TYPE_CHECKING:
    from mlflow.entities import Run

QUERY = """
SELECT r.run_uuid, r.status, r.start_time, r.end_time, t.key, t.value
FROM experiments e JOIN runs r ON r.experiment_id = e.experiment_id JOIN tags t ON t.run_uuid = r.run_uuid
WHERE e.name = ? AND r.lifecycle_stage = 'active' AND t.key LIKE 'ablation.%'
ORDER BY r.start_time, r.run_uuid
"""
STUDIES = """
SELECT e.name, count(t.key)
FROM experiments e LEFT JOIN runs r ON r.experiment_id = e.experiment_id AND r.lifecycle_stage = 'active'
LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'ablation.seed'
WHERE e.lifecycle_stage = 'active' AND e.name != 'Default' GROUP BY e.experiment_id ORDER BY e.name
"""
METRIC = """
SELECT r.run_uuid, m.value
FROM experiments e JOIN runs r ON r.experiment_id = e.experiment_id JOIN latest_metrics m ON m.run_uuid = r.run_uuid
WHERE e.name = ? AND m.key = ?
"""
ARTIFACTS = """
SELECT e.name, r.artifact_uri FROM experiments e JOIN runs r ON r.experiment_id = e.experiment_id WHERE r.run_uuid = ?
"""


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it; ``duration`` in seconds, None while it runs."""

    run_id: str
    status: str
    duration: float | None
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Ledger:
    """The runs of a study, in the order in which they started."""

    runs: tuple[StoredRun, ...]

    def of(self, kind: Kind) -> list[StoredRun]:
        """Runs of one kind."""
        return [run for run in self.runs if run.tags.get(Tag.KIND) == kind]

    @property
    def study_run(self) -> StoredRun | None:
        """The study's own run; of several, as after a deleted one was restored, the last."""
        own = self.of(Kind.STUDY)
        return own[-1] if own else None

    def complete(self, kind: Kind = Kind.CELL) -> list[StoredRun]:
        """Runs of one kind that are complete, diverged ones included."""
        return [run for run in self.of(kind) if run.status == "FINISHED" and Tag.SUPERSEDED not in run.tags]

    def done(self, kind: Kind = Kind.CELL) -> set[str]:
        """Run keys of the complete runs."""
        return {run.tags[Tag.RUN_KEY] for run in self.complete(kind)}

    def failed(self, plan: Plan) -> set[str]:
        """Keys of planned runs that failed and have not been repeated."""
        failed = {run.tags[Tag.RUN_KEY] for run in self.of(Kind.CELL) if run.tags.get(Tag.OUTCOME) == Outcome.FAILED}
        return (failed - self.done()) & plan.run_keys().keys()

    def stale(self, plan: Plan) -> list[str]:
        """For each complete run by other code or data the key of the planned one, if that is missing."""
        done = self.done()
        wanted = {(cell.cell_id, str(seed)): key for key, (cell, seed) in plan.run_keys().items() if key not in done}
        found = [(run.tags[Tag.CELL], run.tags[Tag.SEED]) for run in self.complete()]
        return [wanted[place] for place in found if place in wanted]

    def seconds(self, kind: Kind = Kind.CELL) -> float | None:
        """Mean duration of the complete runs; None without one."""
        known = [run.duration for run in self.complete(kind) if run.duration is not None]
        return sum(known) / len(known) if known else None


def read(uri: str, study: str) -> Ledger:
    """Read the runs of a study; an empty ledger where there is no store yet.

    Raises:
        StoreError: the store cannot be read.
    """
    path = sqlite_path(uri)
    return Ledger(tuple(_ask(uri, study) if path is None else _group(_select(path, QUERY, study))))


def studies(uri: str) -> dict[str, int]:
    """How many runs each study of a store has, by name; 0 where a server would have to be asked for every run.

    Raises:
        StoreError: the store cannot be read.
    """
    path = sqlite_path(uri)
    if path is not None:
        return dict(_select(path, STUDIES))
    client = connect(uri)
    with failures(uri):
        return {experiment.name: 0 for experiment in client.search_experiments() if experiment.name != "Default"}


def strayed(uri: str, study: str) -> list[Strayed]:
    """Other experiments of a store, renamed or deleted ones, that have runs of a study.

    Raises:
        StoreError: the store cannot be read.
    """
    path = sqlite_path(uri)
    if path is not None:
        return of_rows(_select(path, QUERY_STRAYED, study, study))
    from mlflow.entities import ViewType

    client = connect(uri)
    with failures(uri):
        return of_server(client, ViewType.ALL, study)


def deleted_plan(uri: str, study: str) -> str:
    """Id of the study's own run that was deleted last; empty if there is none.

    Raises:
        StoreError: the store cannot be read.
    """
    path = sqlite_path(uri)
    if path is not None:
        return next((str(run_id) for (run_id,) in _select(path, DELETED_PLAN, study)), "")
    from mlflow.entities import ViewType

    client = connect(uri)
    with failures(uri):
        experiment = client.get_experiment_by_name(study)
        return deleted_plan_on_server(client, ViewType.DELETED_ONLY, experiment.experiment_id) if experiment else ""


def metric(uri: str, study: str, name: str) -> dict[str, float]:
    """The last value of a metric of each run that has it, by run id.

    Raises:
        StoreError: the store cannot be read.
    """
    path = sqlite_path(uri)
    if path is None:
        found = ((run.info.run_id, run.data.metrics) for run in _search(uri, study))
        return {run_id: metrics[name] for run_id, metrics in found if name in metrics}
    return dict(_select(path, METRIC, study, name))


def files(uri: str, run_ids: Iterable[str], name: str) -> list[bytes]:
    """Contents of a file of some runs, in their order; a run that does not have it is left out.

    Raises:
        StoreError: the store cannot be read.
    """
    path = sqlite_path(uri)
    if path is None:
        return list(_fetch(uri, run_ids, name))
    contents = []
    for run_id in run_ids:
        for study, written in _select(path, ARTIFACTS, run_id):
            # MLflow keeps absolute paths; of a store that was moved or copied, the files beside the database are meant.
            places = [place / name for place in (folder(path, study, run_id), recorded(written)) if place]
            contents += [place.read_bytes() for place in places if place.is_file()][:1]
    return contents


def _fetch(uri: str, run_ids: Iterable[str], name: str) -> Iterable[bytes]:
    client = connect(uri)
    with failures(uri):
        for run_id in run_ids:
            if name in {file.path for file in client.list_artifacts(run_id)}:
                yield artifact_bytes(client, run_id, name)


def _select(path: Path, query: str, *values: str) -> list[Any]:
    try:
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(to_read(path), uri=True)) as connection:
            return connection.execute(query, values).fetchall()
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the store {path} cannot be read: {error}; is it an MLflow database?") from error


def _group(rows: Iterable[tuple[str, str, int, int | None, str, str]]) -> Iterable[StoredRun]:
    runs: dict[str, tuple[str, float | None, dict[str, str]]] = {}
    for run_id, status, start, end, key, value in rows:
        duration = None if end is None else (end - start) / 1000
        runs.setdefault(run_id, (status, duration, {}))[2][key] = value
    return [StoredRun(run_id, status, duration, tags) for run_id, (status, duration, tags) in runs.items()]


def _ask(uri: str, study: str) -> Iterable[StoredRun]:
    for run in _search(uri, study):
        duration = (run.info.end_time - run.info.start_time) / 1000 if run.info.end_time else None
        tags = {key: value for key, value in run.data.tags.items() if key.startswith("ablation.")}
        yield StoredRun(run.info.run_id, run.info.status, duration, tags)


def _search(uri: str, study: str) -> Iterable["Run"]:
    client = connect(uri)
    with failures(uri):
        experiment = client.get_experiment_by_name(study)
    token: str | None = "" if experiment else None
    order = ["attributes.start_time ASC", "attributes.run_id ASC"]
    while token is not None and experiment is not None:
        with failures(uri):
            page = client.search_runs(
                [experiment.experiment_id], max_results=1000, page_token=token or None, order_by=order
            )
        yield from page
        token = page.token or None
