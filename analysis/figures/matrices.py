"""Matrices of numbers between -1 and 1, one for each cell."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ablations.record import COUNTS
from analysis.course import Course
from analysis.figures.panels import Panels

COSINE, GRADIENT = "train/cosine/", "train/gradient/"


def cosines(course: Course) -> dict[str, pd.DataFrame]:
    """For each cell the mean cosine between the gradients of two terms; NaN where they share no parameter."""
    pairs = [column for column in map(str, course.frame) if column.startswith(COSINE)]
    mean = course.frame.groupby("name", sort=False)[pairs].mean()
    rows = {name: dict(zip(pairs, mean.loc[name].to_numpy(), strict=True)) for name in course.names if pairs}
    return {name: _symmetric(row, course.terms) for name, row in rows.items()}


def _symmetric(mean: Mapping[str, float], terms: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(np.nan, pd.Index(terms), pd.Index(terms))
    for pair, value in mean.items():
        first, second = pair.removeprefix(COSINE).split("/")
        table.loc[first, second] = table.loc[second, first] = value
    return table


def module_shares(course: Course) -> dict[str, pd.DataFrame]:
    """For each cell, of all that the terms push a module (rows: terms, columns: modules), the part of each term.

    Lengths of the weighted terms' gradients, mean over epochs and seeds, divided by their sum in the module.
    """
    columns = [column for column in map(str, course.frame) if column.startswith(GRADIENT) and column.count("/") == 3]
    mean = course.frame.groupby("name", sort=False)[columns].mean()
    modules = list(dict.fromkeys(column.split("/")[3] for column in columns))
    tables = {}
    for name in course.names if columns else []:
        length = pd.DataFrame(np.nan, pd.Index(course.terms), pd.Index(modules))
        for column, value in mean.loc[name].items():
            length.loc[*str(column).split("/")[2:]] = value
        tables[name] = length / length.sum()
    return tables


def confusions(counts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """For each cell, of a class what it was taken for: the counts of its runs, summed, as parts of the row.

    Of several labels, of the utterances without and with a label those that were given it and those that were not.
    """
    return {name: _parts(table) for name, table in counts.items()}


def _parts(table: pd.DataFrame) -> pd.DataFrame:
    if tuple(table.columns) == COUNTS:
        without, having = table[list(COUNTS[:2])], table[list(COUNTS[2:])]
        return pd.concat([_of_row(without), _of_row(having)], axis=1)
    return _of_row(table)


def _of_row(table: pd.DataFrame) -> pd.DataFrame:
    return table.div(table.sum(axis=1).clip(lower=1), axis=0)


def draw(tables: Mapping[str, pd.DataFrame], label: str, left_out: int, lowest: float = 0.0) -> Figure | None:
    """Heatmaps on one scale, from ``lowest`` to 1; None if there are none."""
    if not tables:
        return None
    rows, columns = next(iter(tables.values())).shape
    panels = Panels(list(tables), 0.7 + 0.36 * columns, 0.7 + 0.26 * rows)
    for name, ax in panels:
        sns.heatmap(
            tables[name].astype(float), annot=True, fmt=".2f", vmin=lowest, vmax=1, cbar=False, ax=ax, linewidths=0.5,
            cmap="vlag" if lowest < 0 else "cividis", annot_kws={"size": 5}, linecolor="white",
        )  # fmt: skip
        ax.tick_params(length=0, labelsize=6)
        ax.tick_params(axis="x", rotation=90)
        ax.tick_params(axis="y", rotation=0)
    panels.figure.colorbar(panels.axes[0].collections[0], ax=panels.axes, shrink=0.8)
    return panels.label(label, "", left_out)
