"""Studies whose experiment was renamed or deleted in MLflow, or whose own run was deleted.

Standard library only: the side that runs and the side that concludes say alike how to get back.
"""

from dataclasses import dataclass
from typing import Any

from ablations.record import Kind, Tag

# Of a study: name, id and stage of each other experiment that has runs of it, and how many.
QUERY = """
SELECT e.name, e.experiment_id, e.lifecycle_stage, count(*)
FROM experiments e JOIN runs r ON r.experiment_id = e.experiment_id
JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'ablation.study' AND t.value = ?
JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = 'ablation.kind' AND s.value IN ('cell', 'search')
WHERE e.name != ? OR e.lifecycle_stage != 'active' GROUP BY e.experiment_id ORDER BY e.experiment_id
"""
# Of an experiment, by name: its own run that was deleted last.
DELETED_PLAN = """
SELECT r.run_uuid FROM experiments e JOIN runs r ON r.experiment_id = e.experiment_id
JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'ablation.kind' AND t.value = 'study'
WHERE e.name = ? AND r.lifecycle_stage = 'deleted' ORDER BY r.start_time DESC, r.run_uuid LIMIT 1
"""

WITH = "with MLFLOW_TRACKING_URI set to this store"


@dataclass(frozen=True)
class Strayed:
    """An experiment with runs of a study that is not found under the study's name.

    Attributes:
        name: of the experiment.
        experiment_id: MLflow's.
        deleted: whether it was deleted; else it was renamed.
        runs: of the study; None where they were not counted.
    """

    name: str
    experiment_id: str
    deleted: bool
    runs: int | None = None

    def fate(self, study: str) -> str:
        """What became of it."""
        runs = "runs" if self.runs is None else f"{self.runs} runs"
        if self.deleted:
            return f"the experiment '{self.name}' with {runs} of '{study}' was deleted"
        return f"{runs} of '{study}' are in the experiment '{self.name}', which was renamed"

    def way_back(self, study: str) -> str:
        """The commands that bring it back; MLflow renames no experiment that is deleted."""
        restore = f"mlflow experiments restore --experiment-id {self.experiment_id}"
        rename = f"mlflow experiments rename --experiment-id {self.experiment_id} --new-name {study}"
        commands = [restore] * self.deleted + [rename] * (self.name != study)
        return f"to {'restore it' if self.deleted else 'name it back'}, {WITH}: {' && '.join(commands)}"

    def sentence(self, study: str) -> str:
        """What became of it, and how to get it back."""
        return f"{self.fate(study)}; {self.way_back(study)}"


def of_rows(rows: list[tuple[str, int, str, int | None]]) -> list[Strayed]:
    """What the query gives."""
    return [Strayed(name, str(number), stage != "active", runs) for name, number, stage, runs in rows]


def without_plan(study: str, run_id: str, again: bool = True) -> str:
    """What to do about an experiment that has no run of its own, which holds the plan.

    Args:
        study: its name.
        run_id: of the run that was deleted; empty if there is none to restore.
        again: whether running the matrix makes another.
    """
    matrix = "run the matrix again, which repeats no finished run"
    ways = [f"restore it in the UI or, {WITH}: mlflow runs restore --run-id {run_id}"] * bool(run_id)
    ways += [matrix] * again or ["rename the experiment in the UI, or the study"] * (not run_id)
    reason = "was deleted" if run_id else "was removed for good, or the experiment was not made by runners.ablate"
    return f"its run 'study {study}', which holds the plan, {reason}; {', or '.join(ways)}"


def deleted_plan_on_server(client: Any, deleted: Any, experiment_id: str) -> str:
    """Id of an experiment's own run that was deleted last, by MLflow's client; empty if there is none.

    Args:
        client: of MLflow.
        deleted: MLflow's view of what was deleted alone.
        experiment_id: MLflow's.
    """
    found = client.search_runs([experiment_id], f"tags.`{Tag.KIND}` = '{Kind.STUDY}'", deleted, max_results=1)
    return str(found[0].info.run_id) if found else ""


def of_server(client: Any, everything: Any, study: str) -> list[Strayed]:
    """The same by MLflow's client, without the counts: a study has one run of its own in each experiment.

    Args:
        client: of MLflow.
        everything: MLflow's view of what is there and what was deleted.
        study: its name.
    """
    experiments = {found.experiment_id: found for found in client.search_experiments(everything)}
    own = f"tags.`{Tag.STUDY}` = '{study}' AND tags.`{Tag.KIND}` = '{Kind.STUDY}'"
    runs = client.search_runs([*experiments], own, everything)
    found = [experiments[number] for number in dict.fromkeys(run.info.experiment_id for run in runs)]
    stages = [(one, one.lifecycle_stage != "active") for one in found]
    return [Strayed(one.name, one.experiment_id, gone) for one, gone in stages if gone or one.name != study]
