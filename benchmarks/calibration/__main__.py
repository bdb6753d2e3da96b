"""Prints the tables of the calibration; writes docs/images/calibration.png.

python -m benchmarks.calibration          # all of them, about 20 minutes on one core
python -m benchmarks.calibration factors  # or some: cells, factors, groups, choice, variance, sizes, more
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from benchmarks.calibration import cells, factors, groups, sources

CELLS, FACTORS, POWER, GROUPS, INTERVALS, STUDIES = 20_000, 50_000, 20_000, 20_000, 4_000, 1_000
FIGURE = Path("docs/images/calibration.png")


def _cells() -> None:
    rates = cells.table(CELLS)
    cells.draw(rates, FIGURE)
    _print("Each cell against the baseline", rates.rename(columns=cells.COLUMNS), CELLS)


def _factors() -> None:
    rates = factors.table(FACTORS)
    _print("Effects of factors without any effect: rates of p < .05", rates, FACTORS)
    beyond = factors.beyond(rates, FACTORS)
    limits = "lower 99 % bound above .055 with normal noise, .065 else"
    print(f"\nSettings that reject too often ({limits}): {len(beyond)} of {len(rates)}")
    _print("One level or one cell that is off, in the grid of the study of the loss", factors.power(POWER), POWER)


def _groups() -> None:
    _print("A warning of two groups where no seed collapsed", groups.without_cause(GROUPS), GROUPS)
    _print("No warning of a cell of which some seeds collapsed", groups.missed(GROUPS), GROUPS)
    _print("Variants called better that are not, where seeds fail", groups.claims(INTERVALS), INTERVALS)


TABLES: Mapping[str, Callable[[], None]] = {
    "cells": _cells,
    "factors": _factors,
    "groups": _groups,
    "choice": lambda: _print("The cell chosen on dev", sources.choice(INTERVALS), INTERVALS),
    "variance": lambda: _print("Seeds and test dialogues", sources.variance(INTERVALS), INTERVALS),
    "sizes": lambda: _print("Effect sizes: coverage of 95 %", sources.effect_sizes(INTERVALS), INTERVALS),
    "more": lambda: _print(
        "Decided after the seeds that 5 seeds ask for", sources.more_seeds(INTERVALS // 4), INTERVALS // 4
    ),
}


def _print(title: str, table: pd.DataFrame, replicates: int) -> None:
    print(f"\n{title}, {replicates} replicates a row\n")
    print(table.to_markdown(index=False, floatfmt=".3f"), flush=True)


def main() -> None:
    """Print the tables that are asked for, or all."""
    for name in sys.argv[1:] or TABLES:
        TABLES[name]()


if __name__ == "__main__":
    main()
