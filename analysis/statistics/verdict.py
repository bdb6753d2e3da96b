"""What to conclude of each cell: better, worse, equivalent or undecided."""

import math
from typing import Literal

import pandas as pd

from analysis.statistics.contrasts import compare, score_grid

ALPHA = 0.05
MOST_SEEDS = 1000


def verdicts(
    frame: pd.DataFrame, baseline: str, direction: Literal["max", "min"] = "max", sesoi: float | None = None
) -> pd.DataFrame:
    """Verdict on each cell against the baseline.

    * ``equivalent``: the joint 90 % interval lies inside +-SESOI (two one-sided tests at .05; Schuirmann 1987, Lakens
      2017). The joint interval makes it hold for all cells together. It comes first: a difference that is certain and
      smaller than the smallest of interest is of no interest. Without a SESOI there is no ``equivalent``.
    * ``better``, ``worse``: the adjusted p of ``contrasts`` is below .05, in one direction or the other.
    * ``undecided``: none of these. ``more`` is the number of seeds after which one of them would be reached, if the
      difference and its standard deviation stayed what they are: the n at which half an interval, shrinking with
      sqrt(n), equals the difference, or what it leaves to the SESOI. It is a guess, as good as the difference.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
        baseline: a cell.
        direction: which scores are better.
        sesoi: smallest effect size of interest, in units of the score, above 0.

    Returns:
        By cell, without the baseline: ``difference``, ``low``, ``high`` (95 %, joint), ``tost_low``, ``tost_high``
        (90 %, joint), ``p``, ``verdict`` and ``more``, NaN where it is decided, unknown or beyond 1000.

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
    rows = [
        _verdict(row, sign, sesoi, int(n)) for (_, row), n in zip(table.iterrows(), compared.found.pairs, strict=True)
    ]
    return table.assign(verdict=[name for name, _ in rows], more=[more for _, more in rows])


def _verdict(row: pd.Series, sign: int, sesoi: float | None, n: int) -> tuple[str, float]:
    if sesoi is not None and max(abs(row["tost_low"]), abs(row["tost_high"])) < sesoi:
        return "equivalent", math.nan
    if row["p"] < ALPHA:
        return "better" if sign * row["difference"] > 0 else "worse", math.nan
    size = abs(row["difference"])
    shrink = [(row["high"] - row["low"]) / 2 / size if size else math.nan]
    if sesoi is not None and size < sesoi:
        shrink.append((row["tost_high"] - row["tost_low"]) / 2 / (sesoi - size))
    needed = n * min((ratio for ratio in shrink if not math.isnan(ratio)), default=math.nan) ** 2
    return "undecided", max(1.0, math.ceil(needed) - n) if needed <= MOST_SEEDS else math.nan


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
