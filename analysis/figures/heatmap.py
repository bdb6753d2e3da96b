"""Means over a grid of two factors, one panel for each combination of the others."""

import itertools
import operator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ablations.record import Plan
from analysis.tables import Table

MOST, NUMBERED = 16, 400  # panels, and cells in them with their numbers
MARK = {"better": " +", "worse": " −", "equivalent": " ="}


@dataclass(frozen=True)
class Panel:
    """One heatmap: means, annotations and ids (levels of y, levels of x), and the baseline's (row, column), if here."""

    title: str
    mean: pd.DataFrame
    annotation: pd.DataFrame
    cell: pd.DataFrame
    baseline: tuple[int, int] | None


def axes_of(plan: Plan) -> tuple[str, str] | None:
    """The two factors of the axes, those with numbers for levels first; None if there are not two."""
    names = list(plan.factors.values())
    levels = {plan.factors[path]: [cell.levels[path] for cell in plan.cells] for path in plan.factors}
    numeric = [name for name in names if all(_is_number(level) for level in levels[name])]
    chosen = (numeric + [name for name in names if name not in numeric])[:2]
    return (chosen[0], chosen[1]) if len(chosen) == 2 else None


def panels(plan: Plan, cells: Table, y: str, x: str) -> tuple[list[Panel], int]:
    """Compute the heatmaps: of many the 16 whose other factors differ least from the baseline's.

    Args:
        plan: the study's.
        cells: its table of cells.
        y: factor of the rows.
        x: factor of the columns.

    Returns:
        The heatmaps, and how many there are besides.
    """
    annotations = [_annotate(row) for _, row in cells.numbers.iterrows()]
    numbers = cells.numbers.assign(annotation=annotations, cell=cells.numbers.index).rename_axis(index=None)
    rest = [name for name in plan.factors.values() if name not in (x, y)]
    levels = {name: list(dict.fromkeys(numbers[name])) for name in plan.factors.values()}
    result = []
    every = list(itertools.product(*(levels[name] for name in rest)))
    baseline = numbers.loc[[plan.baseline], rest].to_numpy(object)[0]
    differing = [sum(map(operator.ne, combination, baseline)) for combination in every]
    nearest = sorted(np.argsort(differing, kind="stable")[:MOST])
    for combination in (every[i] for i in nearest):
        here = numbers[(numbers[rest] == list(combination)).all(axis=1)] if rest else numbers
        mean, annotation, cell = (
            here.pivot(index=y, columns=x, values=value).reindex(levels[y], columns=levels[x])
            for value in ("mean", "annotation", "cell")
        )
        place = None
        if plan.baseline in here.index:
            row = here.loc[plan.baseline]
            place = levels[y].index(row[y]), levels[x].index(row[x])
        result.append(Panel(", ".join(combination), mean, annotation, cell, place))
    return result, len(every) - len(result)


def _annotate(row: pd.Series) -> str:
    """The mean, with a mark of the verdict against the baseline; none where it is undecided."""
    if pd.isna(row["mean"]):
        return "–"
    return f"{row['mean']:.3f}{MARK.get(row['verdict'], '')}"


def draw(panels: list[Panel], left_out: int, metric: str) -> Figure:
    """Draw the heatmaps side by side on one colour scale, with the means written in if there are at most 400.

    Args:
        panels: the heatmaps.
        left_out: how many heatmaps are not drawn.
        metric: what they show.
    """
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    height, width = panels[0].mean.shape
    numbered = len(panels) * height * width <= NUMBERED
    size = (max(2.4, 0.68 * width), max(1.6, 0.42 * height + 0.7))
    if not numbered:
        size = (min(8.0, max(2.4, 0.28 * width)), min(8.0, max(1.6, 0.14 * height + 0.7)))
    figure = Figure(figsize=(1.2 + columns * size[0], 0.5 + rows * size[1]))
    # Seaborn measures labels, panel by panel: on one canvas, and laid out when all are there.
    FigureCanvasAgg(figure)
    figure.set_layout_engine("none")
    every = np.stack([panel.mean.to_numpy(float) for panel in panels])
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, panel in itertools.zip_longest(axes.flat, panels):
        if panel is None:
            ax.remove()
            continue
        _draw_panel(ax, panel, (low, high), numbered)
    figure.set_layout_engine("constrained")
    figure.colorbar(axes.flat[0].collections[0], ax=list(axes.flat)[: len(panels)], label=f"mean {metric}", shrink=0.8)
    marks = "+, −, =: better, worse than it, equivalent" if numbered else "numbers are in the table of cells"
    hidden = f"\n{left_out} panels not shown, no nearer to the baseline" if left_out else ""
    figure.supxlabel(f"box: baseline; {marks}{hidden}", fontsize=7)
    return figure


def _draw_panel(ax: Axes, panel: Panel, limits: tuple[float, float], numbered: bool) -> None:
    annotation = panel.annotation if numbered else None
    sns.heatmap(
        panel.mean, annot=annotation, fmt="", vmin=limits[0], vmax=limits[1], cmap="cividis", cbar=False, ax=ax,
        annot_kws={"size": 7}, linewidths=0.5, linecolor="white",
    )  # fmt: skip
    ax.set_title(panel.title)
    ax.tick_params(length=0)
    ax.tick_params(axis="y", rotation=0)
    if panel.baseline:
        y, x = panel.baseline
        ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor="black", linewidth=2))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
