"""A number of each term over the epochs: its weight, or the length of its gradient."""

import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.course import Course
from analysis.figures.panels import Panels

SMALLEST = 1e-4  # around 0 the axis is linear up to here


def draw(course: Course, prefix: str, label: str) -> Figure | None:
    """Lines with the range over seeds, a panel for each cell; None if it was not measured.

    Args:
        course: of the cells.
        prefix: of the metric, before the term's name.
        label: of the axis.
    """
    long = course.long(prefix)
    if long.empty:
        return None
    panels = Panels(course.names)
    for name, ax in panels:
        here = long[long["name"] == name]
        if here.empty:
            ax.text(0.5, 0.5, "not measured", ha="center", va="center", transform=ax.transAxes)
            continue
        sns.lineplot(
            here, x="epoch", y="value", hue="term", style="term", hue_order=course.terms, style_order=course.terms,
            palette="colorblind", ax=ax, errorbar=lambda x: (x.min(), x.max()), legend="full",
        )  # fmt: skip
        # Weights may be 0 or, where gradients conflict, negative.
        ax.set_yscale("symlog", linthresh=SMALLEST)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels.share_legend()
    return panels.label("epoch", label, course.left_out)
