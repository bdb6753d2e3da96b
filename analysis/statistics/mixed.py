"""A second opinion for studies with missing runs: the seed as a random effect."""

import warnings

import numpy as np
import pandas as pd
from scipy import stats

COLUMNS = ["difference", "low", "high", "p"]


def mixed(frame: pd.DataFrame, baseline: str, confidence: float = 0.95) -> pd.DataFrame:
    """Difference of each cell to the baseline in ``score = cell + seed + error`` with seeds drawn at random.

    Fitted by restricted maximum likelihood (statsmodels' MixedLM). Where every cell has every seed it gives the
    differences of the blocked fit; where runs are missing it also uses what differs between seeds. Intervals and
    p-values are Wald's for one contrast at a time, from the normal distribution: too narrow with few seeds, and not
    adjusted. So it checks an estimate, and is no test: if it moves much, the missing runs matter.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
        baseline: a cell.
        confidence: coverage of each interval.

    Returns:
        By cell, without the baseline: ``difference``, ``low``, ``high``, ``p``, ``converged``, and ``note``, what the
        fit complained of; NaN and not converged where there is no fit.
    """
    others = [cell for cell in frame["cell"].unique() if cell != baseline]
    result = pd.DataFrame(np.nan, index=pd.Index(others, name="cell"), columns=COLUMNS)
    seen = frame.dropna(subset=["score"])
    compared = [cell for cell in others if cell in set(seen["cell"])]
    if baseline not in set(seen["cell"]) or not compared or seen["seed"].nunique() < 2:
        return result.assign(converged=False, note="needs the baseline, another cell and two seeds")
    if seen["score"].nunique() < 2:
        return result.assign(converged=False, note="the scores do not vary")
    estimate, error, converged, note = _fit(seen, [baseline, *compared])
    z = stats.norm.isf((1 - confidence) / 2)
    found = pd.DataFrame({"difference": estimate}, index=pd.Index(compared, name="cell"))
    found = found.assign(low=estimate - z * error, high=estimate + z * error)
    found["p"] = 2 * stats.norm.sf(np.abs(estimate / error))
    return found.reindex(others).assign(converged=converged, note=note)


def _fit(seen: pd.DataFrame, cells: list[str]) -> tuple["np.ndarray", "np.ndarray", bool, str]:
    """Estimates and standard errors of the contrasts, has it converged, what was said."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    design = np.eye(len(cells))[pd.Categorical(seen["cell"], cells).codes]
    design[:, 0] = 1.0
    # In units of the score's spread: the optimiser is not invariant to them.
    unit = float(seen["score"].std())
    score = ((seen["score"] - seen["score"].mean()) / unit).to_numpy(float)
    k = len(cells) - 1
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            fit = MixedLM(score, design, groups=seen["seed"].to_numpy()).fit(reml=True)
        except np.linalg.LinAlgError as error:
            return np.full(k, np.nan), np.full(k, np.nan), False, f"no fit: {error}"
        estimate, spread = np.asarray(fit.fe_params)[1:], np.asarray(fit.bse_fe)[1:]
    note = "; ".join(dict.fromkeys(str(warning.message).split("\n")[0] for warning in said))
    return unit * estimate, unit * spread, bool(fit.converged), note
