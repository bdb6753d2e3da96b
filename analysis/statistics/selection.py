"""Choosing a cell on dev without believing the luck that came with the choice."""

from typing import Literal

import pandas as pd

from analysis.statistics.intervals import means

Direction = Literal["max", "min"]


def best(dev: pd.DataFrame, direction: Direction) -> str:
    """The cell with the best mean; of equals the first.

    Args:
        dev: a row for each seed, a column for each cell.
        direction: which is better.
    """
    mean = dev.mean()
    return str(mean.idxmax() if direction == "max" else mean.idxmin())


def cross_fitted(dev: pd.DataFrame, test: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """For each seed, the choice that the other seeds make on dev, and how that cell does on test with this seed.

    The best of many dev scores is partly luck, and a run that was lucky on dev often is on test, so the test score of
    the winner on the seeds that chose it is biased upwards (the winner's curse). Here no score is of a seed that had a
    say, and the mean over seeds is unbiased for what choosing by n - 1 seeds and training anew yields. It is the score
    of the way of choosing: where seeds disagree on the winner, of a mixture of cells.

    Args:
        dev: a row for each seed, a column for each cell; complete.
        test: the same on test.
        direction: which is better.

    Returns:
        By seed: ``chosen`` and ``score``; empty where there is one seed only.
    """
    seeds = list(dev.index) if len(dev) > 1 else []
    chosen = [best(dev.drop(index=seed), direction) for seed in seeds]
    score = [float(test.loc[seed, cell]) for seed, cell in zip(seeds, chosen, strict=True)]
    return pd.DataFrame({"chosen": chosen, "score": score}, index=pd.Index(seeds, name="seed"))


def overlap_interval(values: pd.Series, confidence: float = 0.95) -> pd.Series:
    """Mean of cross-fitted values over seeds, and an interval for what it estimates.

    The t interval with its half width times ``sqrt(n / (n - 1))``: any two of the choices share n - 2 seeds, so that
    the values are not independent. By simulation the plain t interval covers .93 to .95, this one .94 and more
    (``benchmarks/calibration``).

    Args:
        values: one for each seed.
        confidence: coverage of the interval.

    Returns:
        ``n``, ``mean``, ``sd``, ``low``, ``high``; NaN where n is too small.
    """
    row = means(values, pd.Series("all", values.index), confidence).iloc[0]
    wider = (row["n"] / (row["n"] - 1)) ** 0.5 if row["n"] > 1 else float("nan")
    half = wider * (row["high"] - row["low"]) / 2
    return pd.Series({**row, "low": row["mean"] - half, "high": row["mean"] + half})
