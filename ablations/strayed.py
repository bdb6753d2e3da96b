"""Studies whose experiment was renamed or deleted in MLflow. Standard library only: both sides say how to get back."""

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

    def sentence(self, study: str) -> str:
        """What became of it, and how to get it back."""
        runs = "runs" if self.runs is None else f"{self.runs} runs"
        if self.deleted:
            back = f"mlflow experiments restore --experiment-id {self.experiment_id}"
            return f"the experiment '{self.name}' with {runs} of '{study}' was deleted; to restore it, {WITH}: {back}"
        back = f"mlflow experiments rename --experiment-id {self.experiment_id} --new-name {study}"
        there = f"{runs} of '{study}' are in the experiment '{self.name}', which was renamed"
        return f"{there}; to name it back, {WITH}: {back}"


def of_rows(rows: list[tuple[str, int, str, int]]) -> list[Strayed]:
    """What the query gives."""
    return [Strayed(name, str(number), stage != "active", runs) for name, number, stage, runs in rows]


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
