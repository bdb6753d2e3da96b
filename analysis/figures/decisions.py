"""The evidence on each contrast as seeds were added."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOURS = {"better": "tab:green", "worse": "tab:red", "equivalent": "tab:blue", "undecided": "0.6"}
MARKERS = {"better": "^", "worse": "v", "equivalent": "s", "undecided": "."}
NAMED = 12  # most contrasts whose names fit


def draw(looks: pd.DataFrame, threshold: float) -> Figure:
    """The e-value of each contrast against the number of seeds; a line ends where its contrast was decided.

    Args:
        looks: of all contrasts.
        threshold: from which a contrast is decided.
    """
    figure = Figure(figsize=(5.5, 3.2))
    ax = figure.subplots()
    ax.axhline(threshold, color="black", linewidth=0.8, linestyle="--")
    ax.axhline(1, color="0.85", linewidth=0.8)
    for decision, colour in COLOURS.items():
        ends = looks[looks["decision"] == decision].groupby("name", sort=False).last()
        for name in ends.index:
            path = looks[looks["name"] == name]
            ax.plot(path["seeds"], path["e_value"], color=colour, linewidth=0.9)
        if len(ends):
            look: dict[str, Any] = {"marker": MARKERS[decision], "color": colour, "linestyle": "none"}
            ax.plot(ends["seeds"], ends["e_value"], label=decision, **look)
        if looks["name"].nunique() <= NAMED:
            for name, seeds, e_value in zip(ends.index, ends["seeds"], ends["e_value"], strict=True):
                ax.annotate(str(name), (seeds, e_value), (4, 2), textcoords="offset points", fontsize=6)
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("seeds")
    ax.set_ylabel("e-value")
    ax.annotate("decided", (0, threshold), (2, 2), ("axes fraction", "data"), "offset points", fontsize=6)
    figure.legend(loc="outside upper center", ncols=len(COLOURS))
    return figure
