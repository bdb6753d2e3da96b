"""What the store already holds of a study.

An SQLite file is read directly and read-only: that takes milliseconds where importing and opening MLflow's own
reader takes seconds, and a dry run is sure to write nothing. Any other store is asked through MLflow. A test keeps
both in agreement.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ablations.record import Kind, Outcome, Plan, Tag, sqlite_path
from runners.store import StoreError, connect

QUERY = """
SELECT r.run_uuid, r.status, r.start_time, r.end_time, t.key, t.value
FROM experiments e JOIN runs r ON r.experiment_id = e.experiment_id JOIN tags t ON t.run_uuid = r.run_uuid
WHERE e.name = ? AND r.lifecycle_stage = 'active' AND t.key LIKE 'ablation.%'
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
    """The runs of a study."""

    runs: tuple[StoredRun, ...]

    def of(self, kind: Kind) -> list[StoredRun]:
        """Runs of one kind."""
        return [run for run in self.runs if run.tags.get(Tag.KIND) == kind]

    def complete(self) -> list[StoredRun]:
        """Runs of cells that are complete, diverged ones included."""
        return [run for run in self.of(Kind.CELL) if run.status == "FINISHED"]

    def done(self) -> set[str]:
        """Run keys of the complete runs."""
        return {run.tags[Tag.RUN_KEY] for run in self.complete()}

    def failed(self, plan: Plan) -> int:
        """Planned runs that failed and have not been repeated."""
        failed = {run.tags[Tag.RUN_KEY] for run in self.of(Kind.CELL) if run.tags.get(Tag.OUTCOME) == Outcome.FAILED}
        return len((failed - self.done()) & plan.run_keys().keys())

    def stale(self, plan: Plan) -> int:
        """Complete runs, by other code or data, of cells and seeds that are missing."""
        done = self.done()
        wanted = {(cell.cell_id, str(seed)): key for key, (cell, seed) in plan.run_keys().items() if key not in done}
        keys = [(run.tags[Tag.CELL], run.tags[Tag.SEED], run.tags[Tag.RUN_KEY]) for run in self.complete()]
        return sum(wanted.get((cell, seed), key) != key for cell, seed, key in keys)

    def seconds(self) -> float | None:
        """Mean duration of the complete runs; None without one."""
        known = [run.duration for run in self.complete() if run.duration is not None]
        return sum(known) / len(known) if known else None


def read(uri: str, study: str) -> Ledger:
    """Read the runs of a study; an empty ledger where there is no store yet.

    Raises:
        StoreError: the store cannot be read.
    """
    path = sqlite_path(uri)
    if path is None:
        return Ledger(tuple(_ask(uri, study)))
    if not path.exists():
        return Ledger(())
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            rows = connection.execute(QUERY, (study,)).fetchall()
        connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"the store {path} cannot be read: {error}; is it an MLflow database?") from error
    return Ledger(tuple(_group(rows)))


def _group(rows: Iterable[tuple[str, str, int, int | None, str, str]]) -> Iterable[StoredRun]:
    runs: dict[str, tuple[str, float | None, dict[str, str]]] = {}
    for run_id, status, start, end, key, value in rows:
        duration = None if end is None else (end - start) / 1000
        runs.setdefault(run_id, (status, duration, {}))[2][key] = value
    return [StoredRun(run_id, status, duration, tags) for run_id, (status, duration, tags) in runs.items()]


def _ask(uri: str, study: str) -> Iterable[StoredRun]:
    client = connect(uri)
    experiment = client.get_experiment_by_name(study)
    token: str | None = "" if experiment else None
    while token is not None and experiment is not None:
        page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token or None)
        for run in page:
            duration = (run.info.end_time - run.info.start_time) / 1000 if run.info.end_time else None
            tags = {key: value for key, value in run.data.tags.items() if key.startswith("ablation.")}
            yield StoredRun(run.info.run_id, run.info.status, duration, tags)
        token = page.token or None
