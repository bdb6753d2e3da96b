"""What to conclude of each cell: better, worse, equivalent or undecided."""

import math
from typing import Literal

import pandas as pd

from analysis.statistics.contrasts import compare, score_grid

ALPHA = 0.05


def verdicts(
    frame: pd.DataFrame, baseline: str, direction: Literal["max", "min"] = "max", sesoi: float | None = None
) -> pd.DataFrame:
    """Verdict on each cell against the baseline.

    * ``equivalent``: the joint 90 % interval lies inside +-SESOI (two one-sided tests at .05; Schuirmann 1987, Lakens
      2017). The joint interval makes it hold for all cells together. It comes first: a difference that is certain and
      smaller than the smallest of interest is of no interest. Without a SESOI there is no ``equivalent``.
    * ``better``, ``worse``: the adjusted p of ``contrasts`` is below .05, in one direction or the other.
    * ``undecided``: none of these. How many more seeds would decide it is not told: computed from five seeds, as the n
      at which the interval would be short enough if the difference stayed what it is, such a number was right in half
      to two thirds of the cases (``benchmarks/calibration``).

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
        baseline: a cell.
        direction: which scores are better.
        sesoi: smallest effect size of interest, in units of the score, above 0.

    Returns:
        By cell, without the baseline: ``difference``, ``low``, ``high`` (95 %, joint), ``tost_low``, ``tost_high``
        (90 %, joint), ``p`` and ``verdict``.

    Raises:
        ValueError: the SESOI is not above 0.
    """
    if sesoi is not None and not sesoi > 0:
        raise ValueError(f"the smallest effect size of interest must be above 0, not {sesoi}")
    others = [cell for cell in frame["cell"].unique() if cell != baseline]
    compared = compare(score_grid(frame, [baseline, *others]))
    low, high = compared.interval(1 - ALPHA)
    tost_low, tost_high = compared.interval(1 - 2 * ALPHA)
    table = pd.DataFrame(
        {"difference": compared.found.mean, "low": low, "high": high, "tost_low": tost_low, "tost_high": tost_high},
        index=pd.Index(others, name="cell"),
    ).assign(p=compared.p())
    sign = 1 if direction == "max" else -1
    return table.assign(verdict=[_verdict(row, sign, sesoi) for _, row in table.iterrows()])


def _verdict(row: pd.Series, sign: int, sesoi: float | None) -> str:
    if sesoi is not None and max(abs(row["tost_low"]), abs(row["tost_high"])) < sesoi:
        return "equivalent"
    if row["p"] < ALPHA:
        return "better" if sign * row["difference"] > 0 else "worse"
    return "undecided"


def why_not_wilcoxon(seeds: int, comparisons: int = 1, alpha: float = ALPHA) -> str | None:
    """Why Wilcoxon's signed-rank test is of no use with these seeds; None if it is.

    Its smallest two-sided p is ``2 / 2^n``, when all seeds agree; with Bonferroni's adjustment, that times k.
    """
    smallest = min(1.0, comparisons * 2.0 ** (1 - seeds))
    if smallest < alpha:
        return None
    needed = math.floor(1 + math.log2(comparisons / alpha)) + 1
    of = f", adjusted for {comparisons} comparisons," if comparisons > 1 else ""
    return (
        f"Wilcoxon's signed-rank test cannot reach p < {alpha:g} with {seeds} seeds: its smallest p{of} is "
        f"{smallest:.3g}; it takes {needed} seeds. The paired t tests of `contrasts` can."
    )
