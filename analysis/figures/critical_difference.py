"""Mean ranks over data sets, with bars that join what cannot be told apart."""

import pandas as pd
from matplotlib.figure import Figure

from analysis.statistics.ranks import critical_difference, nemenyi
from analysis.tables import ALPHA


def draw(ranked: pd.DataFrame) -> Figure:
    """Critical-difference diagram (Demsar 2006, figure 1).

    Args:
        ranked: ranks (data sets, cells).
    """
    from scikit_posthocs import critical_difference_diagram

    sets, k = ranked.shape
    figure = Figure(figsize=(6.0, 1.2 + 0.13 * k))
    ax = figure.subplots()
    critical_difference_diagram(
        ranked.mean(), nemenyi(ranked), alpha=ALPHA, ax=ax,
        label_fmt_left="{label} ({rank:.2f})", label_fmt_right="({rank:.2f}) {label}",
        color_palette=["black"] * k, marker_props={"s": 9}, elbow_props={"linewidth": 0.8},
    )  # fmt: skip
    ax.spines["top"].set_visible(True)
    distance = critical_difference(k, sets)
    ax.set_xlabel(
        f"mean rank on {sets} data sets, 1 is best\njoined: no difference at {ALPHA:g}, less than {distance:.2f} apart "
        f"(Nemenyi)"
    )
    return figure
