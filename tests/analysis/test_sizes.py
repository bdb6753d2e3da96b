"""Effect sizes agree with independent computations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from analysis.statistics.sizes import hedges, proportion, sizes, standardised_interval
from tests.analysis.test_statistics import frame


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
