"""Two tables (.csv) against one another, number by number."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

# Numbers are written with ten digits; the last may differ with the library that adds them up.
RELATIVE, ABSOLUTE = 1e-8, 1e-12
Differences = Iterator[str]
Row = Mapping[str, str]


def compare_tables(written: Path, again: Path) -> Differences:
    """A line for each number, text or row that differs.

    Rows are told by their texts (cell, class, effect); where those of two rows are the same, by their place.
    """
    first, second = _rows(written), _rows(again)
    if not (_distinct(first) and _distinct(second)):
        old, new = ({f"row {i}": row for i, row in enumerate(rows, 1)} for rows in (first, second))
    else:
        old, new = ({_label(row): row for row in rows} for rows in (first, second))
    for label in dict.fromkeys([*old, *new]):
        if label not in new:
            yield f"{label}: this row is not recomputed"
        elif label not in old:
            yield f"{label}: this row is missing"
        else:
            yield from (f"{label}: {line}" for line in _cells(old[label], new[label]))


def count_numbers(table: Path) -> int:
    """How many numbers a table has; those of an index without a name are none."""
    return sum(_number(text) is not None for row in _rows(table) for column, text in row.items() if column)


def close(first: float, second: float) -> bool:
    """Whether two numbers are the same but for rounding."""
    return math.isclose(first, second, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _cells(old: Row, new: Row) -> Differences:
    for column in dict.fromkeys([*old, *new]):
        first, second = old.get(column), new.get(column)
        if not _same(first, second):
            yield f"{column}: stored {_shown(first)}, recomputed {_shown(second)}"


def _same(first: str | None, second: str | None) -> bool:
    old, new = _number(first), _number(second)
    return first == second if old is None or new is None else close(old, new)


def _rows(table: Path) -> list[Row]:
    """A row that has another number of fields than the header has ``None`` in it: it differs from any other."""
    with table.open(encoding="utf-8", newline="") as file:
        return [{str(column): str(text) for column, text in row.items()} for row in csv.DictReader(file)]


def _label(row: Row) -> str:
    return " / ".join(text for text in row.values() if text and _number(text) is None)


def _distinct(rows: list[Row]) -> bool:
    labels = [_label(row) for row in rows]
    return "" not in labels and len(set(labels)) == len(labels)


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _shown(text: str | None) -> str:
    return text or "nothing"
