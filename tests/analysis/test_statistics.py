"""Frames that the tests of the statistics share, and the plain intervals."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.statistics.intervals import means


def at(table: pd.DataFrame, row: str, column: str) -> float:
    return float(table[column].to_numpy(float)[table.index.get_loc(row)])


def frame(seeds: int, cells: int, shift: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    block = rng.normal(scale=2, size=seeds)
    rows = [
        {"cell": f"c{c}", "seed": s, "score": block[s] + shift * (c == 1) + rng.normal()}
        for c in range(cells)
        for s in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_means_have_t_intervals() -> None:
    data = frame(5, 2)
    data.loc[0, "score"] = np.nan
    table = means(data["score"], data["cell"])
    for cell in ("c0", "c1"):
        scores = data.loc[data["cell"] == cell, "score"].dropna()
        expected = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
        assert [at(table, cell, "low"), at(table, cell, "high")] == pytest.approx([expected.low, expected.high])
    assert table["n"].tolist() == [4, 5]
    assert means(data["score"][:2], data["cell"][:2])[["low", "high"]].isna().all(axis=None)


def factorial(seeds: int = 4, noise: float = 1.0, **effect: float) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for a, b, c, seed in itertools.product(range(3), range(2), range(2), range(seeds)):
        score = effect.get("a", 0) * a + effect.get("ab", 0) * (a == 2 and b == 1) + seed + noise * rng.normal()
        rows.append({"a level": f"l{a}", "b": f"l{b}", "c": f"l{c}", "seed": seed, "score": score})
    return pd.DataFrame(rows)


def test_values_that_agree_have_no_interval() -> None:
    table = means(pd.Series([0.0, 0.0, 0.3, 0.3, 0.3, 0.1, 0.2]), pd.Series(list("aabbbcc")))
    assert table["low"].isna().tolist() == table["high"].isna().tolist() == [True, True, False]
    assert table["mean"].tolist() == pytest.approx([0.0, 0.3, 0.15])
