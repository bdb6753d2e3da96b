"""The runs that a study should have, with what the store has of each."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from ablations import sequential
from ablations.record import Outcome, Plan, Tag
from analysis.database import StoredRun

MISSING = "missing"
NOT_NEEDED = "not needed"


def counted(runs: Iterable[StoredRun]) -> dict[str, StoredRun]:
    """The run of each key that counts: the first that finished, or else the last try.

    A run that was deleted, run again and then restored is there twice.
    """
    order = sorted(runs, key=lambda run: (run.started, run.run_id))
    tries = {run.tags.get(Tag.RUN_KEY, ""): run for run in order}
    finished = {run.tags.get(Tag.RUN_KEY, ""): run for run in reversed(order) if run.status == "FINISHED"}
    return tries | finished


def planned_frame(plan: Plan, runs: Mapping[str, StoredRun]) -> pd.DataFrame:
    """A row for each planned run, as ``StudyRuns`` describes it.

    Args:
        plan: what the study should hold.
        runs: that count, by key.
    """
    rows, needed = [], _needed(plan, runs)
    for key, (cell, seed) in plan.run_keys().items():
        row: dict[str, Any] = {"cell": cell.cell_id, "name": cell.name, "seed": seed, "run_key": key}
        row |= {plan.factors[path]: label for path, label in cell.levels.items()}
        rows.append(row | (_outcome(runs.get(key), plan) if key in needed else {"run_id": None, "outcome": NOT_NEEDED}))
    return pd.DataFrame(rows)


def _needed(plan: Plan, runs: Mapping[str, StoredRun]) -> Collection[str]:
    """All planned runs, or those that the stopping rule asks for; what ran beyond a decision is not used."""
    if plan.stopping is None:
        return plan.run_keys().keys()
    ended = {key: outcome for key, run in runs.items() if (outcome := _outcome(run, plan))["outcome"] != MISSING}
    scores = {key: outcome.get(plan.metric.name) for key, outcome in ended.items()}
    return sequential.needed(plan, sequential.paths(plan, scores))


def _outcome(run: StoredRun | None, plan: Plan) -> dict[str, Any]:
    """How a run ended, and its metrics; one that has not the compared metric, as it was not finite, has diverged."""
    if run is None:
        return {"run_id": None, "outcome": MISSING}
    ended = run.status in ("FINISHED", "FAILED")
    outcome = run.tags.get(Tag.OUTCOME, MISSING) if ended else MISSING
    if outcome == Outcome.FINISHED and plan.metric.name not in run.final:
        outcome = Outcome.DIVERGED
    final = run.final if outcome == Outcome.FINISHED else {}
    seconds = run.seconds if ended else float("nan")
    versions = {k: v for k, v in run.tags.items() if k.startswith("version.") or k == "mlflow.source.git.commit"}
    return {"run_id": run.run_id, "outcome": str(outcome), "seconds": seconds, **final, **versions}
