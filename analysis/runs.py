"""Reads a study from MLflow into a tidy frame. The only file that reads it."""

import contextlib
import functools
import io
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ablations import sequential
from ablations.record import (
    CONFUSION_FILE,
    HISTORY_FILE,
    PLAN_FILE,
    SCHEMA,
    SEARCH_FILE,
    Kind,
    Outcome,
    Plan,
    SchemaError,
    Tag,
    sqlite_path,
)

if TYPE_CHECKING:
    from mlflow.entities import Run

MISSING = "missing"
NOT_NEEDED = "not needed"
PAGE = 1000


class StudyError(ValueError):
    """A study that cannot be read; the message says what there is."""


@dataclass(frozen=True)
class StudyRuns:
    """A study as it was planned and as it is.

    Attributes:
        plan: what it should hold.
        frame: one row for each planned run, in the order of the plan, whether it is there or not: ``cell``,
            ``name``, ``seed``, one column of level labels for each factor (by short name), ``run_key``, ``run_id``
            (NA if missing), ``outcome`` (finished, diverged, failed, missing; not needed after its contrast was
            decided), one column for each final metric (NaN unless finished), ``seconds``, and the versions.
    """

    plan: Plan
    frame: pd.DataFrame

    @property
    def score(self) -> pd.Series:
        """The compared metric of each row; NaN where there is none."""
        name = self.plan.metric.name
        return self.frame[name] if name in self.frame else pd.Series(float("nan"), self.frame.index)

    def holes(self) -> pd.DataFrame:
        """The planned runs that did not finish, without those that were not needed."""
        return self.frame[~self.frame["outcome"].isin([Outcome.FINISHED, NOT_NEEDED])]


class Store:
    """An MLflow store that exists; nothing is created in it."""

    def __init__(self, uri: str) -> None:
        """Open.

        Raises:
            StudyError: there is no store, or it cannot be read.
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        path = sqlite_path(uri)
        if path:
            _require_store(path)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            self.client: MlflowClient = MlflowClient(f"sqlite:///{path}" if path else uri)
            self.studies = {e.name: e.experiment_id for e in self.client.search_experiments()}
        except MlflowException as error:
            raise StudyError(f"the store {uri} cannot be read: {error}") from error

    def load(self, study: str) -> StudyRuns:
        """Plan and runs of a study.

        Raises:
            StudyError: there is no such study, or it has no plan that this version reads.
        """
        run = self._study_run(study)
        if Tag.PLAN not in run.data.tags and Tag.SEARCH in run.data.tags:
            raise StudyError(f"the search of the study '{study}' has no winner yet: run its matrix again")
        return self._planned(study, run, PLAN_FILE, Kind.CELL)

    def search(self, study: str) -> StudyRuns | None:
        """The trials of a study's search, as they were scored on dev; None if it has none.

        Raises:
            StudyError: there is no such study, or it has no plan that this version reads.
        """
        run = self._study_run(study)
        if Tag.SEARCH not in run.data.tags:
            return None
        trials = self._planned(study, run, SEARCH_FILE, Kind.SEARCH)
        kept = [column for column in trials.frame if not str(column).startswith("test/")]
        return StudyRuns(trials.plan, trials.frame[kept])

    def history(self, run_ids: Sequence[str]) -> pd.DataFrame:
        """Metrics of each epoch of some runs: ``run_id``, ``epoch`` and a column for each metric."""
        parts = [pd.read_csv(io.StringIO(self._text(run_id, HISTORY_FILE))).assign(run_id=run_id) for run_id in run_ids]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def confusions(self, frame: pd.DataFrame, names: Sequence[str]) -> dict[str, pd.DataFrame]:
        """Counts of the true (rows) and predicted classes on test, summed over the finished runs of each cell."""
        finished = frame[frame["outcome"] == Outcome.FINISHED]
        return {
            name: functools.reduce(
                pd.DataFrame.add, map(self._confusion, finished.loc[finished["name"] == name, "run_id"])
            )
            for name in names
        }

    def _confusion(self, run_id: str) -> pd.DataFrame:
        return pd.read_csv(io.StringIO(self._text(run_id, CONFUSION_FILE)), index_col=0)

    def _study_run(self, study: str) -> "Run":
        if study not in self.studies:
            known = ", ".join(sorted(set(self.studies) - {"Default"})) or "none yet"
            raise StudyError(f"no study '{study}' in the store; the studies there are: {known}")
        runs = self.client.search_runs([self.studies[study]], f"tags.`{Tag.KIND}` = '{Kind.STUDY}'", max_results=1)
        if not runs:
            raise StudyError(f"the experiment '{study}' has no plan: it was not made by runners.ablate")
        return runs[0]

    def _planned(self, study: str, run: "Run", file: str, kind: Kind) -> StudyRuns:
        plan = self._plan(study, run, file)
        return StudyRuns(plan, _frame(plan, {r.data.tags.get(Tag.RUN_KEY, ""): r for r in self._runs(study, kind)}))

    def _plan(self, study: str, run: "Run", file: str) -> Plan:
        try:
            return Plan.decode(self._text(run.info.run_id, file))
        except OSError as error:
            raise StudyError(f"study '{study}': its plan is gone ({error}); was the store's folder moved?") from error
        except SchemaError as error:
            raise StudyError(f"study '{study}': {error}; this is schema {SCHEMA}") from error

    def _runs(self, study: str, kind: Kind) -> Iterator["Run"]:
        """Runs of a kind, complete ones last, so that they win over failed tries of the same run."""
        token, found = "", []
        while True:
            condition = f"tags.`{Tag.KIND}` = '{kind}'"
            page = self.client.search_runs([self.studies[study]], condition, max_results=PAGE, page_token=token or None)
            found += page
            token = page.token
            if not token:
                break
        _refuse_duplicates([run for run in found if run.info.status == "FINISHED"])
        yield from sorted(found, key=lambda run: (run.info.status == "FINISHED", run.info.start_time))

    def _text(self, run_id: str, name: str) -> str:
        return Path(self.client.download_artifacts(run_id, name)).read_text(encoding="utf-8")


def _refuse_duplicates(finished: "Sequence[Run]") -> None:
    by_key: dict[str, str] = {}
    for run in finished:
        other = by_key.setdefault(run.data.tags[Tag.RUN_KEY], run.info.run_id)
        if other != run.info.run_id:
            raise StudyError(
                f"the runs {other} and {run.info.run_id} are the same run, finished twice: delete one of them"
            )


def _require_store(path: Path) -> None:
    """MLflow would make a store of any file, or of none."""
    if not path.is_file():
        raise StudyError(f"no store at {path}; run a study first, or name another with --tracking-uri")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM experiments")
    except sqlite3.Error as error:
        raise StudyError(f"{path} is no MLflow store: {error}") from error


def _frame(plan: Plan, runs: Mapping[str, "Run"]) -> pd.DataFrame:
    rows, needed = [], _needed(plan, runs)
    for key, (cell, seed) in plan.run_keys().items():
        row: dict[str, Any] = {"cell": cell.cell_id, "name": cell.name, "seed": seed, "run_key": key}
        row |= {plan.factors[path]: label for path, label in cell.levels.items()}
        rows.append(row | (_outcome(runs.get(key)) if key in needed else {"run_id": None, "outcome": NOT_NEEDED}))
    return pd.DataFrame(rows)


def _needed(plan: Plan, runs: "Mapping[str, Run]") -> Collection[str]:
    """All planned runs, or those that the stopping rule asks for; what ran beyond a decision is not used."""
    if plan.stopping is None:
        return plan.run_keys().keys()
    ended = {key: outcome for key, run in runs.items() if (outcome := _outcome(run))["outcome"] != MISSING}
    scores = {key: outcome.get(plan.metric.name) for key, outcome in ended.items()}
    return sequential.needed(plan, sequential.paths(plan, scores))


def _outcome(run: "Run | None") -> dict[str, Any]:
    if run is None:
        return {"run_id": None, "outcome": MISSING}
    ended = run.info.status in ("FINISHED", "FAILED")
    outcome = run.data.tags.get(Tag.OUTCOME, MISSING) if ended else MISSING
    final = (
        {k: v for k, v in run.data.metrics.items() if k.startswith(("test/", "best/"))}
        if outcome == Outcome.FINISHED
        else {}
    )
    seconds = (run.info.end_time - run.info.start_time) / 1000 if ended else float("nan")
    versions = {k: v for k, v in run.data.tags.items() if k.startswith("version.") or k == "mlflow.source.git.commit"}
    return {"run_id": run.info.run_id, "outcome": str(outcome), "seconds": seconds, **final, **versions}
