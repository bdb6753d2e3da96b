"""What the runs of some cells did, epoch by epoch."""

from dataclasses import dataclass

import pandas as pd

from ablations.record import Outcome, Plan
from analysis.figures.heatmap import axes_of
from analysis.runs import Store, StudyRuns

MOST = 16
LOSS, TOTAL = "train/loss/", "total"


@dataclass(frozen=True)
class Course:
    """The course of the cells that are drawn.

    Attributes:
        names: of the cells, the baseline first.
        frame: a row for each run and epoch: ``name``, ``seed``, ``epoch``, ``best`` (whether it is the chosen epoch),
            and a column for each metric.
        left_out: number of cells that are not drawn: there are many, or none of their runs finished.
    """

    names: list[str]
    frame: pd.DataFrame
    left_out: int

    @property
    def normalised(self) -> bool:
        """Whether the terms were normalised before they were weighted."""
        return any(column.startswith("train/normalised/") for column in map(str, self.frame))

    @property
    def terms(self) -> list[str]:
        """Names of the terms of the loss, in order."""
        columns = [column.removeprefix(LOSS) for column in map(str, self.frame) if column.startswith(LOSS)]
        return [column for column in columns if column != TOTAL]

    def long(self, prefix: str) -> pd.DataFrame:
        """A row for each run, epoch and term that has the metric ``prefix`` + term: the course's columns, ``value``."""
        own = ["name", "seed", "epoch", "best"]
        columns = [f"{prefix}{term}" for term in self.terms if f"{prefix}{term}" in self.frame]
        long = self.frame[[*own, *columns]].melt(own, var_name="term").dropna(subset=["value"])
        # Not before: a term may be called as a column is.
        return long.assign(term=long["term"].str.removeprefix(prefix))


def read(store: Store, runs: StudyRuns) -> Course | None:
    """The course of the drawn cells; None if no run of them finished."""
    cells = drawn_cells(runs.plan)
    finished = runs.frame["outcome"] == Outcome.FINISHED
    drawn = runs.frame[runs.frame["cell"].isin(cells) & finished].set_index("run_id")
    if drawn.empty:
        return None
    history = store.history(list(drawn.index))
    frame = history.join(drawn[["name", "seed", "best/epoch"]], on="run_id")
    # One by one, columns of a wide frame would be copied again and again.
    frame = pd.concat([frame, (frame["epoch"] == frame["best/epoch"]).rename("best")], axis=1)
    names = [name for cell in cells for name in drawn.loc[drawn["cell"] == cell, "name"].unique()]
    return Course(names, frame, len(runs.plan.cells) - len(names))


def drawn_cells(plan: Plan) -> list[str]:
    """Cells whose course is shown: the baseline, then those at its place on the axes of the heatmaps."""
    levels = {cell.cell_id: {plan.factors[path]: level for path, level in cell.levels.items()} for cell in plan.cells}
    axes = axes_of(plan) or ()
    rest = set(plan.factors.values()) - set(axes)
    place = [levels[plan.baseline][axis] for axis in axes] if rest else None
    alike = [cell for cell in levels if place is None or [levels[cell][axis] for axis in axes] == place]
    return [plan.baseline, *(cell for cell in alike if cell != plan.baseline)][:MOST]
