"""F1 of each class."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis.tables import Table

MARKS = "os^vDX"  # one for each cell: read in grey, too
MOST = len(MARKS)


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
    looks = zip(shown, sns.color_palette("colorblind", len(shown)), MARKS, strict=False)
    for index, (name, colour, mark) in enumerate(looks):
        here = numbers[numbers["name"] == name].set_index("class").reindex(names)
        place = pd.Series(range(len(names)), names) + (index + 1) / (len(shown) + 1) - 0.5
        half = [here["mean"] - here["low"], here["high"] - here["mean"]]
        ax.errorbar(here["mean"], place, xerr=half, fmt=mark, markersize=3.5, linewidth=1, color=colour, label=name)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    hidden = classes.numbers["cell"].nunique() - len(shown)
    note = f"\n{hidden} cells not shown" if hidden else ""
    ax.set_xlabel(f"F1 on test, mean and 95 % interval over seeds{note}")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
