"""The way from the baseline to another configuration: which setting helps most, step by step, and over all orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablations.record import Plan
from analysis.choice import candidates
from analysis.runs import StudyRuns
from analysis.statistics.joint_test import joint_test
from analysis.tables import Table, holes_sentence, interval, number, p_value

FEWEST, MOST = 2, 8  # settings
CONFIDENCE = 0.95
Array = NDArray[np.float64]
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


def shapley_weights(found: Ways, order: Sequence[str]) -> Array:
    """(k, 2^k) what flipping each setting changes, mean over all orders of flipping, as weights of the cells.

    The Shapley value: ``sum over S without the setting of |S|! (k - |S| - 1)! / k! (v(S + setting) - v(S))`` (Shapley
    1953). Those of all settings add up to the difference between the two ends.

    Args:
        found: the ways; the cells are in their order.
        order: the settings, one a row.
    """
    k, place = len(found.settings), {flipped: i for i, flipped in enumerate(found.cells)}
    weights = np.zeros((len(order), len(place)))
    for row, path in zip(weights, order, strict=True):
        for flipped, i in place.items():
            if path not in flipped:
                weight = factorial(len(flipped)) * factorial(k - len(flipped) - 1) / factorial(k)
                row[place[flipped | {path}]] += weight
                row[i] -= weight
    return weights


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
    numbers = _numbers(found, dev, test, order)
    return Table("path", numbers, _readable(numbers), _caption(study, column))


def _numbers(found: Ways, dev: pd.DataFrame, test: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """A row for each step: where it leads, its difference, and the mean over all orders of its setting."""
    cells = [found.cells[frozenset(order[:i])] for i in range(len(order) + 1)]
    numbers = pd.DataFrame(
        {
            "setting": [found.settings[path] for path in order],
            "cell": cells[1:],
            "dev": dev[cells[1:]].mean().to_numpy(),
            "test": test[cells[1:]].mean().to_numpy(),
        },
        pd.RangeIndex(1, len(order) + 1, name="step"),
    )
    consecutive = np.eye(len(order), len(cells), 1) - np.eye(len(order), len(cells))
    flips = shapley_weights(found, order)
    for what, scores, weights in (
        ("step", test[cells], consecutive),
        ("orders", test[list(found.cells.values())], flips),
    ):
        grid = scores.to_numpy(float)
        tested = joint_test(grid @ weights.T, weights, float(np.sqrt((grid**2).mean())))
        low, high = tested.interval(CONFIDENCE)
        numbers = numbers.assign(
            **{f"{what}_mean": tested.estimate, f"{what}_low": low, f"{what}_high": high, f"{what}_p": tested.p()}
        )
    return numbers


def _readable(numbers: pd.DataFrame) -> pd.DataFrame:
    columns = {
        "step": [f"{step}" for step in numbers.index],
        "flipped": numbers["setting"].to_list(),
        "dev": [number(value) for value in numbers["dev"]],
        "test": [number(value) for value in numbers["test"]],
    }
    for what, title in (("step", "step on test"), ("orders", "mean over all orders")):
        parts = zip(*(numbers[f"{what}_{part}"] for part in ("mean", "low", "high")), strict=True)
        columns[title] = [f"{number(mean, '+z.3f')} {interval(low, high, '+z.3f')}" for mean, low, high in parts]
        columns[f"p ({'steps' if what == 'step' else 'orders'})"] = [p_value(p) for p in numbers[f"{what}_p"]]
    return pd.DataFrame(columns)


def _caption(study: StudyRuns, column: str) -> str:
    return (
        f"Study {study.plan.study}: from the baseline to the cell with every setting flipped. At each step the setting "
        f"is flipped that is best by mean {column} over the seeds; the difference that it makes on "
        f"{study.plan.metric.name} is paired by seed. Dev and test are of the same runs, so that the first steps "
        f"look a little better than they are. Mean over all orders (Shapley): what the setting changes on average over "
        f"all ways between the two; these are not chosen and add up to the whole difference. Intervals and p-values "
        f"over seeds, adjusted for all steps, and for all settings (largest moderated |t|).{holes_sentence(study)}"
    )
