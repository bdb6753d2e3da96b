"""Mean of each cell with a t interval."""

import pandas as pd
from scipy import stats


def means(score: pd.Series, cell: pd.Series, confidence: float = 0.95) -> pd.DataFrame:
    """Mean over seeds of each cell, and its t interval.

    ``mean +- t_{(1 + confidence) / 2, n - 1} sd / sqrt(n)``. It says how well these seeds pin down the cell's own
    mean; whether two cells differ is another question, which the contrasts answer.

    Args:
        score: one value for each run; NaN where the run has none.
        cell: the cell of each run.
        confidence: coverage of the interval.

    Returns:
        By cell, in order of appearance: ``n`` (values), ``mean``, ``sd``, ``low``, ``high``; NaN where n is too
        small. Values that agree, as of a class that no run ever predicts, tell nothing of the spread: no interval, in
        place of one of length 0.
    """
    table = score.groupby(cell, sort=False).agg(n="count", mean="mean", sd="std")
    quantile = stats.t.ppf((1 + confidence) / 2, (table["n"] - 1).where(table["n"] > 1))
    half = quantile * table["sd"].where(table["sd"] > 1e-12 * table["mean"].abs()) / table["n"] ** 0.5
    return pd.DataFrame(table).assign(low=table["mean"] - half, high=table["mean"] + half)
