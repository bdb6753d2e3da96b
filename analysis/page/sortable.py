"""The report's tables as rows of texts, each beside the number that it is sorted by."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from analysis.tables import Table

MOST = 2000  # rows of a table on the page; the files have all of them
# The number that stands behind a text: of an interval its lower end. Other columns have the same name in both.
BEHIND = {
    "95 % interval": "low",
    "95 % interval (joint)": "difference_low",
    "95 % interval (joint, anytime)": "low",
    "95 % interval (seeds)": "low_seeds",
    "95 % interval (both)": "low_both",
    "p (adjusted)": "p",
    "p (anytime, adjusted)": "p",
    "p (this effect)": "p_raw",
    "p (Holm)": "p",
    "range, 95 %": "range_low",
    "range of means": "range",
    "range": "low",
    "to the best": "difference",
    "test": "mean",
    "F1": "mean",
    "chosen by the other seeds": "chosen",
    "error: seeds": "seeds",
    "largest e-value": "evidence",
    "difference, 95 %": "low",
    "difference, worst": "difference_floor",
    "95 % interval (joint), worst": "low_floor",
    "p (adjusted), worst": "p_floor",
    "rate, 95 %": "rate_low",
    "mean of the collapsed": "collapsed_mean",
    "mean of the rest": "rest",
    "rest, 95 %": "rest_low",
    "standardised": "dz",
    "standardised, 95 %": "dz_low",
    "P(better)": "better",
    "P(better), 95 %": "better_low",
}


@dataclass(frozen=True)
class Value:
    """A text, and the number behind it as the CSV file has it; empty where there is none."""

    text: str
    number: str = ""
    href: str = ""


@dataclass(frozen=True)
class Row:
    """A row: its anchor, and the verdict that its last value says; each empty where it has none."""

    values: Sequence[Value]
    anchor: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Sortable:
    """A table of the page.

    Attributes:
        name: of its files, and its anchor.
        title: a few words.
        caption: what a reader must know of the numbers.
        columns: headers.
        rows: in the table's own order.
        left_out: rows that are in the files only.
        files: that hold it.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    left_out: int = 0
    files: Sequence[str] = ()
    kind: Literal["table"] = field(default="table", init=False)


def sortable(table: Table, title: str) -> Sortable:
    """A table of the report; the rows of the table of cells have anchors and verdicts."""
    readable, numbers = table.readable, behind(table)
    columns = [[_sort_key(value) for value in numbers[name]] if name else [] for name in _sources(table)]
    verdicts = numbers.get("verdict")
    rows = []
    for i, texts in enumerate(readable.head(MOST).itertuples(index=False)):
        keys = [column[i] if column else "" for column in columns]
        values = [Value(str(text), key) for text, key in zip(texts, keys, strict=True)]
        verdict = "" if verdicts is None or pd.isna(verdicts.iloc[i]) else str(verdicts.iloc[i])
        rows.append(Row(values, anchor(i) if table.name == "cells" else "", verdict))
    files = [f"{table.name}.{suffix}" for suffix in ("csv", "md", "tex")]
    return Sortable(
        table.name, title, table.caption, list(map(str, readable)), rows, max(0, len(readable) - MOST), files
    )


def behind(table: Table) -> pd.DataFrame:
    """The numbers of the rows that are shown to people: all of them, but of a choice those that were chosen."""
    numbers, readable = table.numbers, table.readable
    return numbers if len(numbers) == len(readable) else numbers.loc[readable.index]


def anchor(place: int) -> str:
    """Of a row in the table of cells. Made of its place: an id would take any text of a matrix into the page."""
    return f"cell-{place}"


def _sources(table: Table) -> list[str]:
    """For each column that people see the column with its numbers; empty where there is none."""
    names = [label if label in table.numbers else BEHIND.get(str(label), "") for label in table.readable]
    return [str(name) if name in table.numbers else "" for name in names]


def _sort_key(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return ""
    return f"{value:.10g}"
