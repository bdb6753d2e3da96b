"""The linear model under the comparisons: a cell, and a seed that does the same to every cell."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Blocked:
    """Least squares of ``score = cell + seed + error`` for N runs of C cells, whichever of them there are.

    It depends on which runs there are, not on their scores: scores may come as (..., N), one fit for each.

    Attributes:
        cells: C names.
        cell: (N,) the cell of each run, as an index.
        design: (N, p) indicators of the cells, then of all seeds but the first.
        solve: (p, N) pseudo-inverse of the design.
        df: degrees of freedom of the residual.
    """

    cells: list[str]
    cell: NDArray[np.intp]
    design: Array
    solve: Array
    df: int

    def weights(self, contrast: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Of contrasts (k, C) between cells: (k, N) weights of the runs in the estimate, (k,) can it be estimated.

        Two cells that share no seed, not even through others, cannot be compared.
        """
        padded = np.hstack([contrast, np.zeros((len(contrast), self.design.shape[1] - len(self.cells)))])
        weight = padded @ self.solve
        return weight, np.isclose(weight @ self.design, padded, atol=1e-8).all(1)

    def residual(self, score: Array) -> Array:
        """What cells and seeds leave of scores (..., N)."""
        return score - score @ self.solve.T @ self.design.T

    def variance(self, score: Array) -> Array:
        """(...) variance of the error, pooled over all cells; 0 where rounding is all that there is of it."""
        squares = (self.residual(score) ** 2).sum(-1)
        noise = squares > 1e-20 * (score**2).sum(-1)
        return np.where(noise, squares, 0.0) / max(self.df, 1)


def blocked(seen: pd.DataFrame, first: str | None = None) -> Blocked:
    """Set up the fit.

    Args:
        seen: ``cell``, ``seed`` of runs with a score.
        first: the cell that comes first; the others follow in order of appearance.
    """
    cells = list(dict.fromkeys([*([first] if first is not None else []), *seen["cell"]]))
    cell = pd.Categorical(seen["cell"], cells).codes.astype(np.intp)
    seed, seeds = pd.factorize(seen["seed"])
    design = np.hstack([np.eye(len(cells))[cell], np.eye(len(seeds))[seed][:, 1:]])
    return Blocked(
        cells, cell, design, np.asarray(np.linalg.pinv(design), float), len(seen) - int(np.linalg.matrix_rank(design))
    )


def noise(frame: pd.DataFrame) -> float:
    """Standard deviation of a score that neither cell nor seed explains; NaN where nothing is left to see it in.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
    """
    seen = frame.dropna(subset=["score"])
    if seen.empty:
        return float("nan")
    fit = blocked(seen)
    return float(fit.variance(seen["score"].to_numpy(float)) ** 0.5) if fit.df else float("nan")
