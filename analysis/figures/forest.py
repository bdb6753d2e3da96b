"""Differences to the baseline with their joint intervals, the best first."""

import pandas as pd
from matplotlib.figure import Figure

from ablations.record import Plan

MOST = 40
MARK = {"better": "^", "worse": "v", "equivalent": "s", "undecided": "o"}
COLOUR = {"better": "tab:blue", "worse": "tab:orange", "equivalent": "0.45", "undecided": "0.7"}


def contrasts(numbers: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """What is drawn, best last so that it is on top.

    Args:
        numbers: of the table of cells.
        plan: the study's.

    Returns:
        By cell: ``name``, ``difference``, ``low``, ``high``, ``verdict``; of many the ``MOST`` at the two ends.
    """
    columns = {"difference": "difference", "difference_low": "low", "difference_high": "high"}
    drawn = numbers[["name", *columns, "verdict"]].rename(columns=columns).dropna(subset=["low"])
    drawn = drawn.sort_values("difference", ascending=plan.metric.direction == "max", kind="stable")
    return drawn if len(drawn) <= MOST else pd.concat([drawn.iloc[: MOST // 2], drawn.iloc[-(MOST // 2) :]])


def draw(drawn: pd.DataFrame, plan: Plan, left_out: int) -> Figure:
    """A row for each cell; the band is the smallest effect of interest on both sides of 0."""
    figure = Figure(figsize=(5.5, 0.8 + 0.17 * len(drawn)))
    ax = figure.subplots()
    if plan.metric.sesoi:
        ax.axvspan(-plan.metric.sesoi, plan.metric.sesoi, color="0.93", zorder=0)
    ax.axvline(0, color="black", linewidth=0.8)
    place = pd.Series(range(len(drawn)), drawn.index)
    for verdict, mark in MARK.items():
        here = drawn[drawn["verdict"] == verdict]
        if here.empty:
            continue
        error = [here["difference"] - here["low"], here["high"] - here["difference"]]
        ax.errorbar(
            here["difference"], place[here.index], xerr=error, linestyle="none", marker=mark, markersize=4,
            elinewidth=0.9, color=COLOUR[verdict], label=verdict,
        )  # fmt: skip
    ax.set_yticks(range(len(drawn)), drawn["name"].to_list(), fontsize=6)
    ax.set_ylim(-0.8, len(drawn) - 0.2)
    missing = f"; {left_out} between the best and the worst not shown" if left_out else ""
    ax.set_xlabel(f"difference of {plan.metric.name} to the baseline\njoint 95 % intervals{missing}", fontsize=7)
    figure.legend(loc="outside upper right", ncols=len(MARK), fontsize=7)
    return figure
