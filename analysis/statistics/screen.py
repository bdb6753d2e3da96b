"""An exploratory look at many metrics and cells: which deserve a study of their own."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.statistics.contrasts import compare, score_grid


def screen(frame: pd.DataFrame, baseline: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Each cell against the baseline on each metric, with the false discovery rate in place of family-wise errors.

    p-values are those of ``contrasts`` before they are adjusted; ``q`` is Benjamini and Hochberg's (1995) over all
    metrics and cells: of all rows with q < .1, at most one in ten is expected to be a false discovery. It holds for
    independent and for positively dependent tests (Benjamini and Yekutieli 2001), as those against one baseline are.

    Args:
        frame: ``cell``, ``seed`` and a column for each metric; NaN where a run has none.
        baseline: a cell.
        metrics: columns.

    Returns:
        ``metric``, ``cell``, ``difference``, ``p``, ``q``, the smallest p first; NaN where nothing can be tested.
    """
    others = [cell for cell in frame["cell"].unique() if cell != baseline]
    rows = []
    for metric in metrics:
        compared = compare(score_grid(frame.assign(score=frame[metric]), [baseline, *others]))
        columns = {"difference": compared.found.mean, "p": compared.unadjusted()}
        rows.append(pd.DataFrame({"metric": metric, "cell": others, **columns}))
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["metric", "cell", "difference", "p"])
    table["q"] = np.nan
    known = table["p"].notna()
    if known.any():
        table.loc[known, "q"] = stats.false_discovery_control(table.loc[known, "p"].to_numpy(float))
    return table.sort_values("p", kind="stable", ignore_index=True)
