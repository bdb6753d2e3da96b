"""Loss curves with the breakdown into weighted terms, and the score on dev."""

import textwrap

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.course import Course
from analysis.figures.panels import TITLE

WEIGHTED, TOTAL = "train/weighted/", "train/loss/total"
MOST = 6


def curves(course: Course, score: str) -> pd.DataFrame:
    """Long frame of what is drawn.

    Args:
        course: of the cells.
        score: the dev metric.

    Returns:
        ``name``, ``seed``, ``epoch``, ``part`` (loss or score), ``series`` and ``value``.
    """
    terms = course.long(WEIGHTED).rename(columns={"term": "series"}).assign(part="loss")
    whole = course.frame.melt(["name", "seed", "epoch"], [TOTAL, score], "series", "value")
    part = (whole["series"] == score).map({True: "score", False: "loss"})
    whole = whole.assign(part=part, series=whole["series"].replace(TOTAL, "total"))
    return pd.concat([terms.drop(columns="best"), whole], ignore_index=True)


def draw(long: pd.DataFrame, course: Course, score: str) -> Figure:
    """A column for each cell: weighted terms and their total above, the dev score below; mean and range over seeds."""
    names = course.names[:MOST]
    order = {"loss": [*course.terms, "total"], "score": [score]}
    figure = Figure(figsize=(0.8 + 2.1 * len(names), 3.6))
    axes = figure.subplots(2, len(names), sharex=True, sharey="row", squeeze=False)
    for column, name in enumerate(names):
        for row, part in enumerate(("loss", "score")):
            ax = axes[row, column]
            data = long[(long["name"] == name) & (long["part"] == part)]
            last = column == len(names) - 1
            sns.lineplot(
                data, x="epoch", y="value", hue="series", style="series", ax=ax, palette="colorblind",
                hue_order=order[part], style_order=order[part], errorbar=lambda x: (x.min(), x.max()),
                legend="full" if last and part == "loss" else False,
            )  # fmt: skip
            ax.set_ylabel("weighted term" if part == "loss" else score)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            if part == "loss":
                # A term of weight 0 has no place on a logarithmic axis.
                ax.set_yscale("log", nonpositive="mask")
                ax.set_title(textwrap.fill(name, TITLE))
    hidden = course.left_out + len(course.names) - len(names)
    figure.supxlabel(f"{hidden} cells not shown" if hidden else "", fontsize=7)
    sns.move_legend(axes[0, -1], "upper left", bbox_to_anchor=(1, 1), title=None)
    return figure
