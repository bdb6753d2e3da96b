"""Statistics agree with textbook tables and independent computations, and keep their error rates in simulation."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from analysis.statistics.anova import effects
from analysis.statistics.dunnett import dunnett
from analysis.statistics.intervals import means
from analysis.statistics.max_t import EqualMaxT, SimulatedMaxT

# Two-sided 5 % points of Dunnett's t (Dunnett 1964, table II, p = number of treatments without the control).
DUNNETT = {
    (1, 10): 2.23, (2, 10): 2.57, (3, 10): 2.76, (5, 10): 2.99, (9, 10): 3.24,
    (1, 20): 2.09, (2, 20): 2.38, (3, 20): 2.54, (5, 20): 2.73, (9, 20): 2.95,
    (2, 60): 2.27, (9, 60): 2.77,
}  # fmt: skip


def at(table: pd.DataFrame, row: str, column: str) -> float:
    return float(table[column].to_numpy(float)[table.index.get_loc(row)])


def frame(seeds: int, cells: int, shift: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    block = rng.normal(scale=2, size=seeds)
    rows = [
        {"cell": f"c{c}", "seed": s, "score": block[s] + shift * (c == 1) + rng.normal()}
        for c in range(cells)
        for s in range(seeds)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("k", "df"), DUNNETT)
def test_quantiles_are_those_of_dunnetts_table(k: int, df: int) -> None:
    assert EqualMaxT(k, df).quantile(0.95) == pytest.approx(DUNNETT[k, df], abs=0.0051)


@pytest.mark.parametrize("t", [0.5, 2.0, 3.5, 6.0])
def test_tail_of_one_statistic_is_that_of_t(t: float) -> None:
    assert EqualMaxT(1, 8, rho=0.0).sf(np.array([t]))[0] == pytest.approx(2 * stats.t.sf(t, 8), rel=1e-8)


def test_simulated_and_exact_distribution_agree() -> None:
    correlation = np.full((6, 6), 0.5) + 0.5 * np.eye(6)
    exact, simulated = EqualMaxT(6, 12), SimulatedMaxT(np.asarray(np.linalg.cholesky(correlation), float), 12)
    t = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(simulated.sf(t), exact.sf(t), atol=0.004)
    assert simulated.quantile(0.95) == pytest.approx(exact.quantile(0.95), abs=0.03)


def test_contrasts_agree_with_a_linear_model_fitted_by_another_route() -> None:
    data = frame(5, 4, shift=2.0)
    result = dunnett(data, "c0")
    model = ols("score ~ C(cell) + C(seed)", data).fit()
    k, df = 3, int(model.df_resid)
    for cell in ("c1", "c2", "c3"):
        name = f"C(cell)[T.{cell}]"
        assert at(result, cell, "difference") == pytest.approx(model.params[name])
        t = float(model.tvalues[name])
        limits = [np.full(k, -abs(t)), np.full(k, abs(t))]
        shape = np.full((k, k), 0.5) + 0.5 * np.eye(k)
        inside = stats.multivariate_t(shape=shape, df=df, seed=0).cdf(limits[1], lower_limit=limits[0], maxpts=200_000)
        assert at(result, cell, "p") == pytest.approx(1 - inside, abs=2e-3)


def test_without_blocks_it_is_scipys_dunnett() -> None:
    """With one block in all, the seeds are replicates and the model is that of scipy's test."""
    rng = np.random.default_rng(3)
    groups = [rng.normal(size=6) + i for i in range(3)]
    data = pd.DataFrame([{"cell": f"c{i}", "seed": 0, "score": x} for i, group in enumerate(groups) for x in group])
    expected = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(0))
    result = dunnett(data, "c0")
    np.testing.assert_allclose(result["p"], expected.pvalue, atol=2e-3)
    interval = expected.confidence_interval()
    np.testing.assert_allclose(result["low"], interval.low, atol=2e-2)
    np.testing.assert_allclose(result["high"], interval.high, atol=2e-2)


def test_an_interval_excludes_zero_if_and_only_if_p_is_small() -> None:
    for seed in range(40):
        result = dunnett(frame(4, 5, shift=2.0, seed=seed), "c0")
        assert ((result["low"] > 0) | (result["high"] < 0)).equals(result["p"] < 0.05)


def test_a_common_shift_of_a_seed_changes_nothing() -> None:
    data = frame(5, 4, shift=1.0)
    moved = data.assign(score=data["score"] + 100 * (data["seed"] == 2))
    pd.testing.assert_frame_equal(dunnett(data, "c0"), dunnett(moved, "c0"))


def test_missing_runs_cost_only_themselves() -> None:
    data = frame(5, 4, shift=3.0)
    data.loc[[7, 12], "score"] = np.nan
    result = dunnett(data, "c0")
    model = ols("score ~ C(cell) + C(seed)", data.dropna()).fit()
    assert at(result, "c1", "difference") == pytest.approx(model.params["C(cell)[T.c1]"])
    assert result["p"].between(0, 1).all()


def test_a_cell_or_baseline_without_scores_has_no_contrast() -> None:
    data = frame(3, 3)
    data.loc[data["cell"] == "c1", "score"] = np.nan
    assert dunnett(data, "c0").loc["c1"].isna().all()
    assert dunnett(data, "c0").loc["c2"].notna().all()
    assert dunnett(data, "c1").isna().all(axis=None)


def test_one_seed_gives_differences_without_a_claim() -> None:
    result = dunnett(frame(1, 3), "c0")
    assert result["difference"].notna().all()
    assert result[["low", "high", "p"]].isna().all(axis=None)


def test_equal_scores_give_no_claim() -> None:
    data = frame(3, 3).assign(score=0.5)
    assert dunnett(data, "c0")["p"].isna().all()


@pytest.mark.parametrize(("seeds", "cells"), [(3, 4), (5, 9)])
def test_family_wise_errors_and_coverage_by_simulation(seeds: int, cells: int) -> None:
    wrong = [bool((dunnett(frame(seeds, cells, seed=i), "c0")["p"] < 0.05).any()) for i in range(600)]
    # 600 replicates: three standard errors around .05.
    assert 0.05 - 0.027 < np.mean(wrong) < 0.05 + 0.027


def test_means_have_t_intervals() -> None:
    data = frame(5, 2)
    data.loc[0, "score"] = np.nan
    table = means(data["score"], data["cell"])
    for cell in ("c0", "c1"):
        scores = data.loc[data["cell"] == cell, "score"].dropna()
        expected = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
        assert [at(table, cell, "low"), at(table, cell, "high")] == pytest.approx([expected.low, expected.high])
    assert table["n"].tolist() == [4, 5]
    assert means(data["score"][:2], data["cell"][:2])[["low", "high"]].isna().all(axis=None)


def factorial(seeds: int = 4, noise: float = 1.0, **effect: float) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for a, b, c, seed in itertools.product(range(3), range(2), range(2), range(seeds)):
        score = effect.get("a", 0) * a + effect.get("ab", 0) * (a == 2 and b == 1) + seed + noise * rng.normal()
        rows.append({"a level": f"l{a}", "b": f"l{b}", "c": f"l{c}", "seed": seed, "score": score})
    return pd.DataFrame(rows)


def test_anova_agrees_with_sums_of_squares_by_hand() -> None:
    data = factorial(a=1.0)
    table = effects(data, ["a level", "b", "c"])
    grand = data["score"].mean()
    marginal = data.groupby("a level")["score"].mean()
    ss = float((len(data) / 3 * (marginal - grand) ** 2).sum())
    full = anova_lm(
        ols("score ~ C(seed) + C(a) * C(b) * C(c) - C(a):C(b):C(c)", data.rename(columns={"a level": "a"})).fit(), typ=3
    )
    residual = full.loc["Residual"]
    assert at(table, "a level", "F") == pytest.approx(ss / 2 / (residual["sum_sq"] / residual["df"]))
    assert at(table, "a level", "p") == pytest.approx(stats.f.sf(at(table, "a level", "F"), 2, residual["df"]))
    f = at(table, "a level", "F")
    assert at(table, "a level", "omega2") == pytest.approx(2 * (f - 1) / (2 * (f - 1) + len(data)))
    assert at(table, "a level", "range") == pytest.approx(marginal.max() - marginal.min())
    assert list(table.index) == ["a level", "b", "c", "a level x b", "a level x c", "b x c"]


def test_anova_finds_a_planted_interaction_and_nothing_else() -> None:
    table = effects(factorial(seeds=10, noise=0.3, ab=2.0), ["a level", "b", "c"])
    assert at(table, "a level x b", "p") < 1e-6
    assert at(table, "a level x b", "range") > 0.8
    assert table.loc[["c", "a level x c", "b x c"], "p"].min() > 0.01


def test_anova_of_one_seed_one_level_or_equal_scores() -> None:
    assert effects(factorial(seeds=1), ["a level", "b", "c"])["p"].notna().all()
    assert list(effects(factorial().assign(b="same"), ["a level", "b"]).index) == ["a level"]
    assert effects(factorial().assign(score=0.5), ["a level", "b"])["p"].isna().all()
    assert effects(factorial(seeds=1), ["c"])["p"].notna().all()


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
def test_anova_with_an_empty_combination_agrees_with_nested_models() -> None:
    data = factorial(a=1.0)
    data.loc[(data["a level"] == "l2") & (data["b"] == "l1"), "score"] = np.nan
    table = effects(data, ["a level", "b"])
    seen = data.dropna().rename(columns={"a level": "a"})
    full = ols("score ~ C(seed) + C(a) + C(b) + C(a):C(b)", seen).fit()
    error, df = full.ssr, len(seen) - np.linalg.matrix_rank(full.model.exog)
    for effect, with_, without in (
        ("a level", "C(a) + C(b)", "C(b)"),
        ("b", "C(a) + C(b)", "C(a)"),
        ("a level x b", "C(a) + C(b) + C(a):C(b)", "C(a) + C(b)"),
    ):
        models = [ols(f"score ~ C(seed) + {terms}", seen).fit() for terms in (with_, without)]
        ranks = [int(np.linalg.matrix_rank(model.model.exog)) for model in models]
        f = (models[1].ssr - models[0].ssr) / (ranks[0] - ranks[1]) / (error / df)
        assert at(table, effect, "df") == ranks[0] - ranks[1]
        assert at(table, effect, "F") == pytest.approx(f)
        assert np.isfinite(at(table, effect, "range"))
    assert at(table, "a level x b", "df") == 1


def test_cells_that_share_no_seed_with_the_baseline_are_not_compared() -> None:
    data = frame(4, 3)
    apart = data["score"].mask((data["cell"] == "c1") == data["seed"].isin([0, 2]))
    result = dunnett(data.assign(score=apart), "c0")
    assert result.loc["c1"].isna().all()
    assert result.loc["c2"].notna().all()


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_contrasts_without_correlation_are_compared(seeds: int) -> None:
    """c1 and c2 have other seeds than one another, the baseline has all."""
    data = frame(2 * seeds, 3)
    first = data["seed"] < seeds
    score = data["score"].mask((data["cell"] == "c1") & ~first).mask((data["cell"] == "c2") & first)
    assert dunnett(data.assign(score=score), "c0").notna().all(axis=None)
