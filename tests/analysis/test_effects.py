"""Effect sizes, pairs, marginal means and shares of variance agree with independent computations."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multicomp import pairwise_tukeyhsd
from statsmodels.stats.proportion import proportion_confint

from analysis.statistics.anova import effects, omega_interval
from analysis.statistics.blocked import noise
from analysis.statistics.marginal import advice, marginal
from analysis.statistics.sizes import hedges, proportion, sizes, standardised_interval
from analysis.statistics.tukey import tukey
from tests.analysis.test_statistics import factorial, frame


def test_without_blocks_it_is_statsmodels_and_scipys_tukey() -> None:
    rng = np.random.default_rng(2)
    groups = [rng.normal(size=6) + i for i in range(4)]
    data = pd.DataFrame([{"cell": f"c{i}", "seed": 0, "score": x} for i, group in enumerate(groups) for x in group])
    result = tukey(data)
    expected = pairwise_tukeyhsd(data["score"], data["cell"])
    np.testing.assert_allclose(-result["difference"], expected.meandiffs)
    np.testing.assert_allclose(result["p"], expected.pvalues, atol=1e-3)
    np.testing.assert_allclose(-result["high"], expected.confint[:, 0], atol=2e-3)
    interval = stats.tukey_hsd(*groups).confidence_interval()
    np.testing.assert_allclose(result["low"], np.asarray(interval.low)[np.triu_indices(4, 1)], atol=1e-6)


def test_with_blocks_the_range_is_studentized_by_the_blocked_residual() -> None:
    data = frame(6, 3, shift=2.0)
    model = ols("score ~ C(cell) + C(seed)", data).fit()
    q = stats.studentized_range.ppf(0.95, 3, model.df_resid) / 2**0.5 * (2 * model.mse_resid / 6) ** 0.5
    result = tukey(data)
    np.testing.assert_allclose((result["high"] - result["low"]) / 2, q)
    assert ((result["low"] > 0) | (result["high"] < 0)).equals(result["p"] < 0.05)


def test_pairs_with_missing_runs_are_simulated_and_close_to_the_complete_ones() -> None:
    data = frame(8, 3, shift=3.0)
    complete = tukey(data)
    data.loc[3, "score"] = np.nan
    result = tukey(data)
    assert (result["p"] - complete["p"]).abs().max() < 0.1
    model = ols("score ~ C(cell) + C(seed)", data.dropna()).fit()
    assert float(result["difference"].iloc[0]) == pytest.approx(-model.params["C(cell)[T.c1]"])
    data.loc[data["cell"] == "c2", "score"] = np.nan
    assert tukey(data)["p"].notna().tolist() == [True, False, False]
    assert tukey(data.assign(score=0.3))["p"].isna().all()
    assert len(tukey(frame(3, 1))) == 0


def test_noise_is_the_residual_deviation_of_the_blocked_fit() -> None:
    data = frame(6, 3)
    data.loc[2, "score"] = np.nan
    assert noise(data) == pytest.approx(ols("score ~ C(cell) + C(seed)", data.dropna()).fit().mse_resid ** 0.5)
    assert np.isnan(noise(frame(1, 3)))
    assert np.isnan(noise(data.assign(score=np.nan)))


def test_difference_is_the_paired_t_interval_and_dz_its_standardised_form() -> None:
    data = frame(7, 2, shift=1.0)
    row = sizes(data, "c0").loc["c1"]
    pair = data.loc[data["cell"] == "c1", "score"].to_numpy() - data.loc[data["cell"] == "c0", "score"].to_numpy()
    expected = stats.ttest_1samp(pair, 0).confidence_interval()
    assert [row["low"], row["high"]] == pytest.approx([expected.low, expected.high])
    assert row["dz"] == pytest.approx(pair.mean() / pair.std(ddof=1) * hedges(6))
    # Its ends are the effects of which the observed t is the 2.5 % point from above and from below.
    t = float(stats.ttest_1samp(pair, 0).statistic)
    assert stats.nct.sf(t, 6, row["dz_low"] * 7**0.5) == pytest.approx(0.025, abs=1e-6)
    assert stats.nct.cdf(t, 6, row["dz_high"] * 7**0.5) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(("df", "j"), [(2, 0.5642), (4, 0.7979), (10, 0.9228), (20, 0.9619), (50, 0.9849)])
def test_hedges_correction_is_that_of_his_table(df: int, j: float) -> None:
    """Hedges 1981, table 1."""
    assert hedges(df) == pytest.approx(j, abs=2e-4)


@pytest.mark.parametrize(("d", "n"), [(0.0, 3), (50.0, 3), (-8.0, 5), (1e3, 20), (0.5, 100)])
def test_standardised_intervals_contain_the_estimate_however_large(d: float, n: int) -> None:
    low, high = standardised_interval(d, n, 0.95)
    assert low < d < high


@pytest.mark.parametrize(("wins", "n"), [(0, 3), (3, 3), (4, 5), (7, 10), (20, 20)])
def test_intervals_of_proportions_are_clopper_pearson(wins: int, n: int) -> None:
    assert proportion(wins, n, 0.95) == pytest.approx(proportion_confint(wins, n, 0.05, "beta"))


@pytest.mark.parametrize("n", [3, 5, 10, 20])
@pytest.mark.parametrize("p", [0.5, 0.75, 0.9])
def test_the_interval_of_p_better_covers_what_it_claims(n: int, p: float) -> None:
    covered = [proportion(wins, n, 0.95)[0] <= p <= proportion(wins, n, 0.95)[1] for wins in range(n + 1)]
    assert float(stats.binom.pmf(np.arange(n + 1), n, p) @ covered) >= 0.95


def test_p_better_counts_seeds_in_the_metrics_direction_and_is_meaningful_from_six_on() -> None:
    data = pd.DataFrame([{"cell": c, "seed": s, "score": s + (c == "b") * (1 + s)} for c in "ab" for s in range(6)])
    up, down = sizes(data, "a").loc["b"], sizes(data, "a", "min").loc["b"]
    assert [up["better"], down["better"]] == [1.0, 0.0]
    assert up["meaningful"]
    assert not down["meaningful"]
    assert not sizes(data[data["seed"] < 5], "a").loc["b", "meaningful"]
    tied = data.assign(score=data["score"].where(data["seed"] > 0, 7.0))
    assert sizes(tied, "a").loc["b", "better"] == pytest.approx(5.5 / 6)


def test_sizes_of_one_seed_none_or_no_variance_make_no_claim() -> None:
    assert sizes(frame(1, 2), "c0")[["low", "dz", "dz_low"]].isna().all(axis=None)
    same = sizes(frame(4, 2).assign(score=0.1), "c0").loc["c1"]
    assert same["better"] == 0.5
    assert np.isnan(same["dz"])
    lost = frame(4, 3)
    lost.loc[lost["cell"] == "c1", "score"] = np.nan
    assert sizes(lost, "c0").loc["c1", "n"] == 0


def test_unbalanced_anova_is_type_three_with_sum_contrasts() -> None:
    data = factorial(a=1.0)
    data.loc[[0, 5, 6, 17, 30], "score"] = np.nan
    table = effects(data, ["a level", "b", "c"])
    formula = "score ~ C(seed, Sum) + (C(a, Sum) + C(b, Sum) + C(c, Sum)) ** 2"
    expected = anova_lm(ols(formula, data.dropna().rename(columns={"a level": "a"})).fit(), typ=3)
    order = ["C(a, Sum)", "C(b, Sum)", "C(c, Sum)"]
    rows = order + [f"{first}:{second}" for first, second in itertools.combinations(order, 2)]
    np.testing.assert_allclose(table["F"], expected.loc[rows, "F"])
    np.testing.assert_allclose(table["p"], expected.loc[rows, "PR(>F)"])
    assert table["type"].eq("III").all()


def test_the_interval_of_omega_squared_inverts_the_noncentral_f_distribution() -> None:
    low, high = omega_interval(6.0, 2, 30, 40)
    for share, tail in ((low, 0.95), (high, 0.05)):
        assert stats.ncf.cdf(6.0, 2, 30, 40 * share / (1 - share)) == pytest.approx(tail, abs=1e-6)
    assert omega_interval(0.8, 2, 30, 40)[0] == 0
    assert omega_interval(0.001, 2, 30, 40) == (0.0, 0.0)
    assert np.isnan(omega_interval(np.nan, 2, 30, 40)[0])
    table = effects(factorial(a=1.0), ["a level", "b", "c"])
    assert ((table["omega2_low"] > 0) == (table["p"] < 0.05)).all()


def test_marginal_means_of_a_complete_grid_are_plain_means_with_the_error_of_the_blocked_fit() -> None:
    data = factorial(a=1.0)
    table = marginal(data, ["a level", "b", "c"])
    model = ols("score ~ C(seed) + C(a) * C(b) * C(c)", data.rename(columns={"a level": "a"})).fit()
    np.testing.assert_allclose(table["mean"].to_numpy(float)[:3], data.groupby("a level")["score"].mean())
    half = stats.t.ppf(0.975, model.df_resid) * (model.mse_resid / 16) ** 0.5
    np.testing.assert_allclose((table["high"] - table["low"]).to_numpy(float)[:3] / 2, half)
    two = table[table.index.get_level_values("factor") == "b"].dropna()
    t = two["difference"].to_numpy(float) / (2 * model.mse_resid / 24) ** 0.5
    assert len(two) == 1
    np.testing.assert_allclose(two["p"], 2 * stats.t.sf(np.abs(t), model.df_resid), atol=1e-6)


def test_marginal_means_of_one_factor_at_a_time_are_adjusted_for_the_others() -> None:
    """a=2 was tried with b=1 alone, and b=2 is 5 better: plain means would charge that to a."""
    cells = [(1, 1), (2, 1), (1, 2)]
    rng = np.random.default_rng(0)
    rows = [
        {"a": a, "b": b, "seed": s, "score": 5.0 * (b == 2) + s + 0.01 * rng.normal()}
        for a, b in cells
        for s in range(5)
    ]
    data = pd.DataFrame(rows)
    table = marginal(data, ["a", "b"])
    model = ols("score ~ C(a) + C(b) + C(seed)", data).fit()
    first, second = table["mean"].to_numpy(float)[:2]
    assert second - first == pytest.approx(model.params["C(a)[T.2]"])
    assert table["difference"].to_numpy(float)[2] == pytest.approx(-5, abs=0.05)
    assert sm.OLS(data["score"], model.model.exog).fit().df_resid == model.df_resid


def test_advice_names_the_best_level_its_price_and_what_makes_no_difference() -> None:
    data = factorial(seeds=6, noise=0.3, a=1.0)
    sentences = advice(data, ["a level", "b"], {"b": "l0"})
    assert sentences[0].startswith("a level: set l2; l0 costs 1.9")
    assert sentences[1] == "b: no detectable effect: keep l0."
    assert advice(data, ["a level"], direction="min")[0].startswith("a level: set l0; l2 costs 1.9")
    assert advice(factorial(noise=1.0, seeds=2), ["c"])[0] == "c: no detectable effect."


def test_marginal_means_without_runs_variance_or_levels_make_no_claim() -> None:
    data = factorial()
    assert marginal(data.assign(score=1.0), ["b"])["p"].isna().all()
    assert marginal(data.assign(b="same"), ["b"]).empty
    assert advice(data.assign(score=1.0), ["b"]) == ["b: no detectable effect."]
    one = data[(data["seed"] == 0) & (data["c"] == "l0")]
    assert marginal(one, ["a level", "b"])["low"].isna().all()
