"""Loss curves with the breakdown into weighted terms, and the score on dev."""

import textwrap
from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablations.record import Plan
from analysis.figures.heatmap import axes_of

WEIGHTED = "train/weighted/"
MOST = 6
TITLE = 22  # characters a line


def drawn_cells(plan: Plan) -> list[str]:
    """Cells whose curves are shown: the baseline, then those at its place on the axes of the heatmaps."""
    levels = {cell.cell_id: {plan.factors[path]: level for path, level in cell.levels.items()} for cell in plan.cells}
    axes = axes_of(plan) or ()
    rest = set(plan.factors.values()) - set(axes)
    place = [levels[plan.baseline][axis] for axis in axes] if rest else None
    alike = [cell for cell in levels if place is None or [levels[cell][axis] for axis in axes] == place]
    return [plan.baseline, *(cell for cell in alike if cell != plan.baseline)][:MOST]


def curves(history: pd.DataFrame, runs: pd.DataFrame, score: str) -> pd.DataFrame:
    """Long frame of what is drawn.

    Args:
        history: a row for each run and epoch.
        runs: ``run_id``, ``name``, ``seed`` of the runs.
        score: the dev metric.

    Returns:
        ``name``, ``seed``, ``epoch``, ``part`` (loss or score), ``series`` and ``value``.
    """
    terms = [column for column in map(str, history) if column.startswith(WEIGHTED)]
    long = history.merge(runs[["run_id", "name", "seed"]], on="run_id").melt(
        ["name", "seed", "epoch"], [*terms, "train/loss/total", score], "series", "value"
    )
    part = (long["series"] == score).map({True: "score", False: "loss"})
    return long.assign(part=part, series=long["series"].str.removeprefix(WEIGHTED).replace("train/loss/total", "total"))


def draw(long: pd.DataFrame, names: Sequence[str], score: str) -> Figure:
    """A column for each cell: weighted terms and their total above, the dev score below; mean and range over seeds."""
    figure = Figure(figsize=(0.8 + 2.1 * len(names), 3.6))
    axes = figure.subplots(2, len(names), sharex=True, sharey="row", squeeze=False)
    for column, name in enumerate(names):
        for row, part in enumerate(("loss", "score")):
            ax = axes[row, column]
            data = long[(long["name"] == name) & (long["part"] == part)]
            last = column == len(names) - 1
            sns.lineplot(
                data, x="epoch", y="value", hue="series", style="series", ax=ax, palette="colorblind",
                errorbar=lambda x: (x.min(), x.max()), legend="full" if last and part == "loss" else False,
            )  # fmt: skip
            ax.set_ylabel("weighted term" if part == "loss" else score)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            if part == "loss":
                # A term of weight 0 has no place on a logarithmic axis.
                ax.set_yscale("log", nonpositive="mask")
                ax.set_title(textwrap.fill(name, TITLE))
    sns.move_legend(axes[0, -1], "upper left", bbox_to_anchor=(1, 1), title=None)
    return figure
