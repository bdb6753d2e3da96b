"""What part of the total each term is, over the epochs."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.course import Course
from analysis.figures.panels import Panels


def shares(course: Course) -> pd.DataFrame:
    """Mean share over the seeds: a row for each (name, epoch), a column for each term."""
    mean = course.long("train/share/").groupby(["name", "epoch", "term"], sort=False)["value"].mean()
    return mean.unstack("term").reindex(columns=course.terms).fillna(0.0)


def draw(course: Course) -> Figure:
    """Stacked areas, a panel for each cell."""
    share = shares(course)
    colours = sns.color_palette("colorblind", len(course.terms))
    panels = Panels(course.names)
    for name, ax in panels:
        here = share.loc[name]
        ax.stackplot(here.index, here.to_numpy().T, colors=colours, labels=course.terms)
        ax.set_ylim(0, 1)
        ax.margins(x=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels.figure.legend(*panels.axes[0].get_legend_handles_labels(), loc="outside right upper")
    return panels.label("epoch", "share of the total", course.left_out)
