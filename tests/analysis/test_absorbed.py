"""The fast routes of the linear models give what dense least squares gives."""

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.absorbed import absorb, indicators
from analysis.statistics.anova import effects
from analysis.statistics.blocked import blocked
from analysis.statistics.marginal import marginal
from analysis.statistics.quadrature import power
from analysis.statistics.studentized_range import StudentizedRange

Array = NDArray[np.float64]


def incomplete(levels: tuple[int, ...], seeds: int, kept: float, seed: int) -> pd.DataFrame:
    """A grid of factors ``f0``, ``f1``, ... of which a part of the runs is there."""
    rng = np.random.default_rng(seed)
    grid = list(itertools.product(*map(range, levels), range(seeds)))
    grid = [grid[i] for i in sorted(rng.choice(len(grid), int(kept * len(grid)), replace=False))]
    frame = pd.DataFrame(grid, columns=[*(f"f{i}" for i in range(len(levels))), "seed"])
    frame["cell"] = frame[[f"f{i}" for i in range(len(levels))]].astype(str).agg("-".join, axis=1)
    of_seed = rng.normal(size=seeds)
    return frame.assign(score=0.5 + of_seed[frame["seed"]] + 0.3 * frame["f0"] + 0.2 * rng.normal(size=len(frame)))


def left(columns: Array, score: Array) -> tuple[float, int]:
    """Sum of squares and degrees of freedom that columns leave, by a singular value decomposition."""
    coefficient, _, rank, _ = np.linalg.lstsq(columns, score, rcond=None)
    return float(((score - columns @ coefficient) ** 2).sum()), len(score) - int(rank)


@pytest.mark.parametrize("seed", range(10))
def test_absorbed_groups_give_estimates_and_errors_of_dense_least_squares(seed: int) -> None:
    frame = incomplete((4, 3), 4, 0.35, seed)
    score = frame["score"].to_numpy(float)
    codes = [pd.factorize(frame[name])[0].astype(np.intp) for name in ("cell", "seed", "f0")]
    group, columns = codes[0], np.hstack([indicators(code) for code in codes[1:]])
    dense = np.hstack([indicators(group), columns])
    solve = np.linalg.pinv(dense)
    fit, rng = absorb(group, columns), np.random.default_rng(seed)
    np.testing.assert_allclose(fit.residual(score), score - dense @ solve @ score, atol=1e-12)
    assert fit.df == len(score) - np.linalg.matrix_rank(dense)
    # Some that can be estimated, as they are rows of the design and sums of them, and some that need not be.
    wanted = np.vstack([rng.normal(size=(3, len(dense))) @ dense, np.eye(dense.shape[1])])
    parts = wanted[:, : group.max() + 1], wanted[:, group.max() + 1 :]
    estimable = np.isclose(wanted @ solve @ dense, wanted, atol=1e-8).all(1)
    assert estimable[:3].all()
    assert not estimable.all()
    expected = np.where(estimable, wanted @ solve @ score, np.nan)
    np.testing.assert_allclose(fit.estimate(score, *parts), expected, rtol=1e-9)
    factor, weight = fit.factor(*parts)[estimable], (wanted @ solve)[estimable]
    np.testing.assert_allclose(factor @ factor.T, weight @ weight.T, atol=1e-9)


@pytest.mark.parametrize(("kept", "kind"), [(1.0, "III"), (0.9, "III"), (0.16, "II"), (0.12, "II")])
@pytest.mark.parametrize("seed", range(4))
def test_effects_are_those_of_dense_least_squares(kept: float, kind: str, seed: int) -> None:
    frame, factors = incomplete((4, 3, 3), 3, kept, seed), ["f0", "f1", "f2"]
    score, seeds = frame["score"].to_numpy(float), indicators(pd.factorize(frame["seed"])[0].astype(np.intp))
    centred = {
        name: np.eye(n)[frame[name]][:, :-1] - np.eye(n)[frame[name]][:, -1:]
        for name, n in zip(factors, (4, 3, 3), strict=True)
    }
    columns = {(name,): centred[name] for name in factors} | {
        (a, b): np.einsum("na,nb->nab", centred[a], centred[b]).reshape(len(frame), -1)
        for a, b in itertools.combinations(factors, 2)
    }
    found = effects(frame, factors)
    assert set(found["type"]) == {kind}
    whole, df_error = left(np.hstack([seeds, *columns.values()]), score)
    for term, own in columns.items():
        others = [other for other in columns if other != term and (kind == "III" or not set(term) <= set(other))]
        rest = np.hstack([seeds, *(columns[other] for other in others)])
        without, with_ = left(rest, score), left(np.hstack([rest, own]), score)
        row, df = found.loc[" x ".join(term)], without[1] - with_[1]
        assert row["df"] == df
        if df and df_error:
            assert row["F"] == pytest.approx((without[0] - with_[0]) / df / (whole / df_error), rel=1e-8, abs=1e-10)
        else:
            assert np.isnan(row["F"])


def test_marginal_means_of_many_seeds_and_cells_are_there() -> None:
    frame = incomplete((5, 10, 4), 50, 1.0, 0)
    found = marginal(frame, ["f0", "f1", "f2"])
    for factor in ("f0", "f1", "f2"):
        expected = frame.groupby(factor)["score"].mean().to_numpy()
        np.testing.assert_allclose(found["mean"].xs(factor, level="factor").to_numpy(), expected, rtol=1e-12)
    assert found[["low", "high"]].notna().all().all()


def test_scores_without_noise_have_no_variance() -> None:
    frame = incomplete((5, 4), 6, 0.8, 0)
    exact = frame.assign(score=0.7 + 0.1 * frame["f0"] + 0.03 * frame["seed"])
    assert blocked(exact).variance(exact["score"].to_numpy(float)) == 0
    assert effects(exact, ["f0", "f1"])["F"].isna().all()


@pytest.mark.parametrize("k", [2, 5, 64])
@pytest.mark.parametrize("df", [4, 12, 252])
def test_the_studentized_range_is_scipys(k: int, df: int) -> None:
    ours, theirs = StudentizedRange(k, df), stats.studentized_range(k, df)
    q = np.array([0.0, 2.0, 4.0, 7.0])
    np.testing.assert_allclose(ours.sf(q), theirs.sf(q), atol=1e-9)
    assert theirs.sf(ours.quantile(0.95)) == pytest.approx(0.05, abs=1e-9)


def test_powers_are_powers() -> None:
    base = np.array([0.0, 1e-200, 0.3, 0.999, 1.0])
    np.testing.assert_allclose(power(base, 2000), base**2000, atol=1e-15)
    np.testing.assert_allclose(power(base, 1), base, rtol=1e-13, atol=1e-200)
