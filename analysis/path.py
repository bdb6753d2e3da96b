"""The way from the baseline to another configuration: which setting helps most, step by step, and over all orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import factorial

import pandas as pd

from ablations.record import Plan
from analysis.choice import candidates
from analysis.runs import StudyRuns
from analysis.statistics.intervals import means
from analysis.tables import Table, holes_sentence, interval, number

FEWEST, MOST = 2, 8  # settings
Flipped = frozenset[str]


@dataclass(frozen=True)
class Ways:
    """All ways between two configurations that differ in k settings.

    Attributes:
        settings: what is flipped, in words, by path.
        cells: id of the cell in which these settings are flipped; 2 ** k of them.
    """

    settings: Mapping[str, str]
    cells: Mapping[Flipped, str]


def ways(plan: Plan) -> Ways | None:
    """Those of a plan; None if its cells are not all combinations of 2 to 8 factors with two levels each."""
    start = next(cell for cell in plan.cells if cell.cell_id == plan.baseline).levels
    other: dict[str, set[str]] = {path: set() for path in plan.factors}
    cells: dict[Flipped, str] = {}
    for cell in plan.cells:
        flipped = frozenset(path for path in plan.factors if cell.levels.get(path) != start[path])
        cells[flipped] = cell.cell_id
        for path in flipped:
            other[path].add(cell.levels.get(path, ""))
    complete = len(cells) == len(plan.cells) == 2 ** len(other) and all(len(levels) == 1 for levels in other.values())
    if not (complete and FEWEST <= len(other) <= MOST):
        return None
    return Ways({path: _words(plan.factors[path], *levels) for path, levels in other.items()}, cells)


def _words(factor: str, level: str) -> str:
    return f"{factor}: {level}"


def steps(found: Ways, dev: pd.DataFrame, direction: str) -> list[str]:
    """Settings in the order in which they are flipped: each time the one with the best mean on dev.

    A greedy ablation path (Fawcett and Hoos, Journal of Heuristics 2016, section 3), from the baseline.

    Args:
        found: the ways.
        dev: scores, seeds by cells.
        direction: ``max`` or ``min``.
    """
    sign, order = (-1 if direction == "min" else 1), list[str]()
    while len(order) < len(found.settings):
        left = [path for path in found.settings if path not in order]
        order.append(max(left, key=lambda path: sign * dev[found.cells[frozenset([*order, path])]].mean()))
    return order


def over_all_orders(found: Ways, test: pd.DataFrame, path: str) -> pd.Series:
    """What flipping a setting changes, mean over all orders of flipping, by seed.

    The Shapley value: ``sum over S without the setting of |S|! (k - |S| - 1)! / k! (v(S + setting) - v(S))`` (Shapley
    1953). Those of all settings add up to the difference between the two ends.

    Args:
        found: the ways.
        test: scores, seeds by cells.
        path: of the setting.
    """
    k = len(found.settings)
    total = pd.Series(0.0, test.index)
    for flipped, cell in found.cells.items():
        if path not in flipped:
            weight = factorial(len(flipped)) * factorial(k - len(flipped) - 1) / factorial(k)
            total += weight * (test[found.cells[flipped | {path}]] - test[cell])
    return total


def path_table(study: StudyRuns, found: Ways) -> Table:
    """A row for each setting, in the order of the greedy path."""
    plan = study.plan
    column = plan.metric.name.replace("test/", "best/dev/", 1)
    dev, test = candidates(study, column)
    if len(dev.columns) < len(found.cells):
        nothing = pd.DataFrame(columns=["step"])
        text = f"Study {plan.study}. No path: not every cell between the two configurations finished with equal seeds."
        return Table("path", nothing, nothing, f"{text}{holes_sentence(study)}")
    order = steps(found, dev, plan.metric.direction)
    rows = [_row(found, dev, test, order[: i + 1]) for i in range(len(order))]
    numbers = pd.DataFrame(rows, pd.RangeIndex(1, len(rows) + 1, name="step"))
    return Table("path", numbers, _readable(numbers), _caption(study, column))


def _row(found: Ways, dev: pd.DataFrame, test: pd.DataFrame, order: Sequence[str]) -> dict[str, object]:
    *before, path = order
    last, now = found.cells[frozenset(before)], found.cells[frozenset(order)]
    step, mean = _mean(test[now] - test[last]), _mean(over_all_orders(found, test, path))
    return {
        "setting": found.settings[path],
        "cell": now,
        "dev": dev[now].mean(),
        "test": test[now].mean(),
        **{f"step_{key}": step[key] for key in ("mean", "low", "high")},
        **{f"orders_{key}": mean[key] for key in ("mean", "low", "high")},
    }


def _mean(values: pd.Series) -> pd.Series:
    return means(values, pd.Series("all", values.index)).iloc[0]


def _readable(numbers: pd.DataFrame) -> pd.DataFrame:
    def both(row: pd.Series, what: str) -> str:
        return f"{number(row[f'{what}_mean'], '+z.3f')} {interval(row[f'{what}_low'], row[f'{what}_high'], '+z.3f')}"

    return pd.DataFrame(
        {
            "step": [f"{step}" for step in numbers.index],
            "flipped": numbers["setting"].to_list(),
            "dev": [number(value) for value in numbers["dev"]],
            "test": [number(value) for value in numbers["test"]],
            "step on test": [both(row, "step") for _, row in numbers.iterrows()],
            "mean over all orders": [both(row, "orders") for _, row in numbers.iterrows()],
        }
    )


def _caption(study: StudyRuns, column: str) -> str:
    return (
        f"Study {study.plan.study}: from the baseline to the cell with every setting flipped. At each step the setting "
        f"is flipped that is best by mean {column} over the seeds; the difference that it makes on "
        f"{study.plan.metric.name} is paired by seed. Dev and test are of the same runs, so that the first steps "
        f"look a little better than they are. Mean over all orders (Shapley): what the setting changes on average over "
        f"all ways between the two; these are not chosen and add up to the whole difference. 95 % t intervals over "
        f"seeds, not adjusted for the number of settings.{holes_sentence(study)}"
    )
