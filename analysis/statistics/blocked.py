"""The linear model under the comparisons: a cell, and a seed that does the same to every cell."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.absorbed import Absorbed, absorb, indicators

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Blocked:
    """Least squares of ``score = cell + seed + error`` for N runs of C cells, whichever of them there are.

    It depends on which runs there are, not on their scores.

    Attributes:
        cells: C names.
        fit: of the runs, the cells absorbed.
    """

    cells: list[str]
    fit: Absorbed

    @property
    def df(self) -> int:
        """Degrees of freedom of the residual."""
        return self.fit.df

    def estimate(self, score: Array, contrast: Array) -> Array:
        """(k,) contrasts (k, C) between cells, from scores (N,); NaN where there is no estimate.

        Two cells that share no seed, not even through others, cannot be compared.
        """
        return self.fit.estimate(score, contrast, self._of_seeds(contrast))

    def factor(self, contrast: Array) -> Array:
        """(k, r) whose product with its transpose is the covariance of estimates, if the variance of the error is 1."""
        return self.fit.factor(contrast, self._of_seeds(contrast))

    def variance(self, score: Array) -> float:
        """Variance of the error, pooled over all cells; 0 where rounding is all that there is of it."""
        return self.fit.variance(score)

    def _of_seeds(self, contrast: Array) -> Array:
        return np.zeros((len(contrast), self.fit.within.shape[1]))


def blocked(seen: pd.DataFrame, first: str | None = None) -> Blocked:
    """Set up the fit.

    Args:
        seen: ``cell``, ``seed`` of runs with a score.
        first: the cell that comes first; the others follow in order of appearance.
    """
    cells = list(dict.fromkeys([*([first] if first is not None else []), *seen["cell"]]))
    cell = pd.Categorical(seen["cell"], cells).codes.astype(np.intp)
    return Blocked(cells, absorb(cell, indicators(pd.factorize(seen["seed"])[0])))


def noise(frame: pd.DataFrame) -> float:
    """Standard deviation of a score that neither cell nor seed explains; NaN where nothing is left to see it in.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
    """
    seen = frame.dropna(subset=["score"])
    if seen.empty:
        return float("nan")
    fit = blocked(seen)
    return fit.variance(seen["score"].to_numpy(float)) ** 0.5 if fit.df else float("nan")
