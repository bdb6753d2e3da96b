"""The trials of a search: dev score against each setting."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablations.record import Plan
from analysis.tables import Table

COLUMNS = 3
WIDE = 20.0  # ratio of the largest to the smallest setting from which the axis is logarithmic
LOOK: dict[str, dict[str, Any]] = {
    "trial": {"marker": "o", "color": "0.55", "markersize": 4},
    "baseline": {"marker": "s", "color": "black", "markersize": 6},
    "winner": {"marker": "*", "color": "tab:orange", "markersize": 11},
}


def points(plan: Plan, table: Table) -> pd.DataFrame:
    """Long frame of what is drawn.

    Args:
        plan: of the search.
        table: its trials.

    Returns:
        ``factor``, ``setting``, ``mean``, ``low``, ``high`` and ``kind`` (trial, baseline, winner) of each trial that
        finished.
    """
    numbers = table.numbers.dropna(subset="mean").iloc[::-1]
    kind = pd.Series("trial", numbers.index).mask(numbers.index == plan.baseline, "baseline")
    kind = kind.mask(numbers["winner"], "winner")
    parts = [
        numbers[["mean", "low", "high"]].assign(factor=short, setting=numbers[short].astype(object), kind=kind)
        for short in plan.factors.values()
    ]
    return pd.concat(parts, ignore_index=True)


def draw(points: pd.DataFrame, score: str) -> Figure:
    """A panel for each factor; a trial is its mean with the range over the seeds of the search."""
    factors = list(points["factor"].unique())
    columns = min(COLUMNS, len(factors))
    rows = -(-len(factors) // columns)
    figure = Figure(figsize=(0.9 + 2.1 * columns, 0.5 + 2.0 * rows))
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for ax in list(axes.flat)[len(factors) :]:
        ax.remove()
    for ax, factor in zip(axes.flat, factors, strict=False):
        _panel(ax, points[points["factor"] == factor])
        ax.set_xlabel(factor)
    for ax in axes[:, 0]:
        ax.set_ylabel(score.removeprefix("best/"))
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(LOOK))
    return figure


def _panel(ax: Axes, points: pd.DataFrame) -> None:
    settings = points["setting"].to_list()
    numeric = all(isinstance(setting, int | float) for setting in settings)
    if numeric and _is_wide(settings):
        ax.set_xscale("log")
    levels = {level: place for place, level in enumerate(sorted(map(str, dict.fromkeys(settings))))}
    if not numeric:
        ax.set_xticks(list(levels.values()), list(levels))
    for kind, drawn in points.groupby("kind", sort=False):
        x = drawn["setting"].astype(float) if numeric else drawn["setting"].map(lambda level: levels[str(level)])
        error = [drawn["mean"] - drawn["low"], drawn["high"] - drawn["mean"]]
        ax.errorbar(x, drawn["mean"], error, linestyle="none", elinewidth=0.6, label=kind, **LOOK[str(kind)])


def _is_wide(settings: Sequence[float]) -> bool:
    return min(settings) > 0 and max(settings) > WIDE * min(settings)
