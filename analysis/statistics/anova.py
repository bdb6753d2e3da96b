"""Which factors matter: analysis of variance with seeds as blocks."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm


def effects(frame: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Main effects and two-way interactions of the factors.

    ``score = seed + factors + pairs of factors + error``, least squares, type II sums of squares (each effect given
    all others that do not contain it; in a complete grid every type gives the same). Partial omega squared is the
    share of variance that an effect explains beyond chance, of what the other effects leave:
    ``df (F - 1) / (df (F - 1) + N)`` (Olejnik and Algina 2003), cut off at 0. The p-values are not adjusted.

    Args:
        frame: ``seed``, ``score`` and a column for each factor; rows without a score are left out.
        factors: columns; one with a single level left is skipped.

    Returns:
        By effect (``a`` or ``a x b``): ``df``, ``F``, ``p``, ``omega2`` and ``range``, the difference between the
        largest and the smallest marginal mean (of an interaction: of the deviations from the two main effects). NaN
        where there is no residual degree of freedom or no variance.
    """
    seen = frame.dropna(subset=["score"])
    varied = [factor for factor in factors if seen[factor].nunique() > 1]
    terms = [(factor,) for factor in varied] + list(itertools.combinations(varied, 2))
    ranges = {_name(term): _range(seen, term) for term in terms}
    result = pd.DataFrame({"range": pd.Series(ranges, dtype=float)})
    table = _table(seen, varied, terms)
    columns = ["df", "F", "p", "omega2", "range"]
    result = result.join(table) if table is not None else result
    return result.reindex(columns=columns).rename_axis("effect")


def _name(term: Sequence[str]) -> str:
    return " x ".join(term)


def _table(seen: pd.DataFrame, varied: Sequence[str], terms: Sequence[tuple[str, ...]]) -> pd.DataFrame | None:
    # Factors get plain names: a factor may be called anything, a formula's variables may not.
    plain = {factor: f"f{i}" for i, factor in enumerate(varied)}
    data = seen.rename(columns=plain)[["score", "seed", *plain.values()]]
    block = "C(seed) + " if data["seed"].nunique() > 1 else ""
    spelled = {":".join(f"C({plain[factor]})" for factor in term): _name(term) for term in terms}
    if not terms or data["score"].nunique() < 2:
        return None
    model = smf.ols(f"score ~ {block}{' + '.join(spelled)}", data).fit()
    if model.df_resid < 1 or np.isclose(model.ssr, 0):
        return None
    table = anova_lm(model, typ=2).rename(index=spelled).loc[list(spelled.values()), ["df", "F", "PR(>F)"]]
    table.columns = pd.Index(["df", "F", "p"])
    excess = table["df"] * (table["F"] - 1)
    return pd.DataFrame(table.assign(omega2=(excess / (excess + len(data))).clip(lower=0.0)))


def _range(seen: pd.DataFrame, term: tuple[str, ...]) -> float:
    means = seen.groupby(list(term), sort=False)["score"].mean()
    values = means.to_numpy()
    if len(term) == 2:
        grid = means.unstack().to_numpy()
        values = grid - grid.mean(0, keepdims=True) - grid.mean(1, keepdims=True) + grid.mean()
    return float(np.nanmax(values) - np.nanmin(values))
