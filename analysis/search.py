"""The trials of a search: what was tried, and how it scored on dev."""

from statistics import fmean
from typing import Any

import pandas as pd

from ablations.record import Outcome, Plan, PlannedCell
from analysis.planned_runs import MISSING
from analysis.runs import StudyRuns
from analysis.tables import Table, interval, number

SEVERITY = [MISSING, Outcome.FAILED, Outcome.DIVERGED, Outcome.FINISHED]


def search_table(trials: StudyRuns, chosen: Plan) -> Table:
    """Every trial with its settings, best first: mean of the dev score over the seeds of the search, and its range.

    Args:
        trials: of the search.
        chosen: plan of the study, with the baseline and the winner.
    """
    plan, score = trials.plan, trials.score
    groups = trials.frame.assign(score=score).groupby("cell", sort=False)
    numbers = pd.DataFrame(
        {
            "name": groups["name"].first(),
            **{short: _settings(plan, path) for path, short in plan.factors.items()},
            "mean": groups["score"].agg(fmean),  # the same bits as when the winner was chosen
            "low": groups["score"].min(),
            "high": groups["score"].max(),
            "outcome": groups["outcome"].agg(lambda outcomes: min(outcomes, key=SEVERITY.index)),
        }
    )
    # The mean of the seeds that are left is no score of the trial.
    numbers.loc[numbers["outcome"] != Outcome.FINISHED, ["mean", "low", "high"]] = float("nan")
    numbers["winner"] = numbers.index == winner(chosen)
    # Of equals the baseline is first, then the first by id, as when the winner was chosen.
    numbers["other"] = numbers.index != plan.baseline
    order = numbers.rename_axis("id").sort_values(["mean", "other", "id"], ascending=[False, True, True]).index
    numbers = numbers.loc[order].drop(columns="other").rename_axis("cell")
    return Table("search", numbers, _readable(numbers, plan), _caption(numbers, plan))


def winner(chosen: Plan) -> str:
    """Id of the cell that was chosen: the one beside the baseline, or the baseline."""
    return next((cell.cell_id for cell in chosen.cells if cell.cell_id != chosen.baseline), chosen.baseline)


def _settings(plan: Plan, path: str) -> pd.Series:
    """By cell: a number in full, anything else by its label."""
    return pd.Series({cell.cell_id: _setting(cell, path) for cell in plan.cells})


def _setting(cell: PlannedCell, path: str) -> Any:
    value: Any = cell.config
    for key in path.split("."):
        value = value[key]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else cell.levels[path]


def _readable(numbers: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    levels = {cell.cell_id: cell.levels for cell in plan.cells}
    rows = []
    for cell, row in numbers.iterrows():
        marks = [word for word, holds in (("winner", row["winner"]), ("baseline", cell == plan.baseline)) if holds]
        rows.append(
            {short: levels[str(cell)][path] for path, short in plan.factors.items()}
            | {"mean": number(row["mean"]), "range": interval(row["low"], row["high"])}
            | {"outcome": row["outcome"], "": ", ".join(marks)}
        )
    return pd.DataFrame(rows)


def _caption(numbers: pd.DataFrame, plan: Plan) -> str:
    lost = (numbers["outcome"] != Outcome.FINISHED).sum()
    changed = "" if numbers["winner"].iloc[0] else " INCOMPLETE: the search went on after this winner was chosen."
    return (
        f"Study {plan.study}: the search, {len(numbers)} trials, best first. Mean and range of "
        f"{plan.metric.name.removeprefix('best/')} at the chosen epoch over {len(plan.seeds)} seeds. The winner was "
        f"chosen by this mean, so its score here is optimistic; the table of cells has it on test and fresh seeds."
        f"{f' {lost} trials did not finish with every seed; they rank last.' if lost else ''}{changed}"
    )
