"""Estimates with their intervals as rows on one axis, their numbers beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from ablations.record import Plan
from analysis.figures import classes, forest
from analysis.page.sortable import anchor
from analysis.tables import Table, interval, number

PAD = 0.04  # of the axis on both sides
TICKS = 5


@dataclass(frozen=True)
class Estimate:
    """A row: name, text and verdict for people; the rest are places in percent of the axis."""

    label: str
    text: str
    verdict: str
    middle: str
    low: str
    high: str
    href: str = ""


@dataclass(frozen=True)
class Group:
    """Rows under a title, which may be empty."""

    title: str
    rows: Sequence[Estimate]


@dataclass(frozen=True)
class Intervals:
    """A chart.

    Attributes:
        name: its anchor.
        title: a few words.
        axis: what is on it.
        note: what a reader must know.
        groups: rows.
        ticks: places in percent, and their texts.
        zero: place of 0; empty where it is not on the axis.
        band: place and width of the smallest effect of interest on both sides of 0; empty without one.
    """

    name: str
    title: str
    axis: str
    note: str
    groups: Sequence[Group]
    ticks: Sequence[tuple[str, str]]
    zero: str = ""
    band: tuple[str, str] = ("", "")
    kind: Literal["intervals"] = field(default="intervals", init=False)


class Axis:
    """Places numbers in percent."""

    def __init__(self, low: float, high: float) -> None:
        """From the lowest to the highest number, with some room."""
        room = PAD * (high - low) or PAD
        self.low, self.high = low - room, high + room

    def place(self, value: float) -> str:
        """Within the axis."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * min(1.0, max(0.0, share)):.2f}%"

    def ticks(self) -> list[tuple[str, str]]:
        """Round numbers."""
        every = MaxNLocator(TICKS).tick_values(self.low, self.high)
        return [(self.place(tick), f"{tick:.10g}") for tick in every if self.low <= tick <= self.high]

    def estimate(self, label: str, row: pd.Series, spec: str, verdict: str = "", href: str = "") -> Estimate:
        """A row with ``mean``, ``low`` and ``high``."""
        middle, low, high = row["mean"], row["low"], row["high"]
        text = f"{number(middle, spec)} {interval(low, high, spec)}"
        first, last = (self.place(middle if pd.isna(end) else end) for end in (low, high))
        return Estimate(label, text, verdict, self.place(middle), first, last, href)


def differences(plan: Plan, cells: Table) -> Intervals | None:
    """The forest plot; None where there is no interval."""
    drawn = forest.contrasts(cells.numbers, plan).rename(columns={"difference": "mean"}).iloc[::-1]
    if drawn.empty:
        return None
    sesoi = plan.metric.sesoi or 0.0
    axis = Axis(min(drawn["low"].min(), -sesoi), max(drawn["high"].max(), sesoi))
    places = {cell: anchor(i) for i, cell in enumerate(cells.numbers.index)}
    rows = [
        axis.estimate(str(row["name"]), row, "+z.3f", str(row["verdict"]), f"#{places[cell]}")
        for cell, row in drawn.iterrows()
    ]
    left_out = len(plan.cells) - 1 - len(drawn)
    hidden = (
        f" {left_out} cells between the best and the worst, or without an interval, are not shown." if left_out else ""
    )
    band = (axis.place(-sesoi), f"{200 * sesoi / (axis.high - axis.low):.2f}%") if sesoi else ("", "")
    inside = " Band: smaller than the smallest effect of interest." if sesoi else ""
    return Intervals(
        "forest", "Differences to the baseline", f"difference of {plan.metric.name}, joint 95 % interval",
        f"Best first.{inside}{hidden}", [Group("", rows)], axis.ticks(), axis.place(0.0), band,
    )  # fmt: skip


def margins(plan: Plan, table: Table) -> Intervals | None:
    """Difference of each level to the best one of its factor; None without results."""
    numbers = table.numbers.dropna(subset=["mean"])
    if numbers.empty:
        return None
    columns = {"difference": "mean", "difference_low": "low", "difference_high": "high"}
    shown = numbers.drop(columns=["mean", "low", "high"]).rename(columns=columns).fillna({"mean": 0.0})
    axis = _around(shown)
    groups = [
        Group(str(factor), [axis.estimate(str(row["level"]), row, "+z.3f") for _, row in here.iterrows()])
        for factor, here in shown.groupby("factor", sort=False)
    ]
    title = f"{plan.metric.name} minus that of the best level, joint 95 % interval over seeds"
    note = (
        "Averaged over the levels of the other factors; the best level is at 0. Adjusted for the pairs of its levels."
    )
    return Intervals("margins-chart", "Levels of the factors", title, note, groups, axis.ticks(), axis.place(0.0))


def by_class(table: Table, cells: Sequence[str]) -> Intervals | None:
    """F1 of each class in a few cells; None if no run has it."""
    shown = list(cells)[: classes.MOST]
    numbers = table.numbers[table.numbers["cell"].isin(shown)].dropna(subset=["mean"])
    if numbers.empty:
        return None
    axis = _around(numbers)
    groups = [
        Group(str(name), [axis.estimate(str(row["name"]), row, ".3f") for _, row in here.iterrows()])
        for name, here in numbers.groupby("class", sort=False)
    ]
    left_out = table.numbers["cell"].nunique() - numbers["cell"].nunique()
    note = f"{left_out} cells are not shown; the table has them." if left_out else ""
    return Intervals("classes-chart", "F1 of each class", "F1 on test, 95 % interval", note, groups, axis.ticks())


def _around(numbers: pd.DataFrame) -> Axis:
    values = numbers[["mean", "low", "high"]].to_numpy(float)
    return Axis(float(np.nanmin(values)), float(np.nanmax(values)))
