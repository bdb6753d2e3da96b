"""F1 of each class."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis.tables import Table

MOST = 6


def draw(classes: Table, cells: list[str]) -> Figure | None:
    """Mean and 95 % interval of each class, a colour for each cell; None if no run has them.

    Args:
        classes: the table of the classes.
        cells: that are shown, in order; at most six of them.
    """
    numbers = classes.numbers[classes.numbers["cell"].isin(cells[:MOST])].dropna(subset=["mean"])
    if numbers.empty:
        return None
    names = list(dict.fromkeys(numbers["class"]))
    shown = list(dict.fromkeys(numbers["name"]))
    figure = Figure(figsize=(5.2, 0.6 + len(names) * (0.16 + 0.11 * len(shown))))
    ax = figure.subplots()
    for index, (name, colour) in enumerate(zip(shown, sns.color_palette("colorblind", len(shown)), strict=True)):
        here = numbers[numbers["name"] == name].set_index("class").reindex(names)
        place = pd.Series(range(len(names)), names) + (index + 1) / (len(shown) + 1) - 0.5
        half = [here["mean"] - here["low"], here["high"] - here["mean"]]
        ax.errorbar(here["mean"], place, xerr=half, fmt="o", markersize=3, linewidth=1, color=colour, label=name)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    hidden = classes.numbers["cell"].nunique() - len(shown)
    note = f" ({hidden} cells not shown)" if hidden else ""
    ax.set_xlabel(f"F1 on test, mean and 95 % interval over seeds{note}")
    figure.legend(loc="outside right upper")
    return figure
