"""Effects of factors: against R, against independent computations, and where runs are missing."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.multitest import multipletests

from ablations.words import NOT_APPLICABLE
from analysis.statistics.effects import INTERACTION, MAIN, effects, holm
from analysis.statistics.marginal_means import advice, marginal_means
from analysis.statistics.pairwise import pairwise
from tests.analysis.test_statistics import at, factorial, frame

REFERENCE = Path(__file__).parent / "reference"
FACTORS = ["enc", "cl", "reconstruction", "classification"]
# Each two-level effect against its own interaction with seeds: F(1, 4) and p of expected_R.txt.
STRATA = {
    "reconstruction": (0.418, 0.553),
    "classification": (3.839, 0.122),
    "reconstruction x classification": (0.028, 0.876),
}
# One-sample t over the estimates within each seed: t and p of incomplete_R.txt.
INCOMPLETE = {
    "reconstruction": (0.268264, 0.801762),
    "classification": (1.96261, 0.121191),
    "reconstruction x classification": (0.0975433, 0.926987),
}


def scores(every: int | None = None) -> pd.DataFrame:
    """The frame of the reference, or that without every 13th run from the 7th."""
    data = pd.read_csv(REFERENCE / "loss_scores.csv")
    return data if every is None else data[(np.arange(len(data)) - 6) % every != 0]


def levels_of(data: pd.DataFrame, factor: str, factors: list[str]) -> pd.DataFrame:
    """Marginal means of one factor, by level as text."""
    table = marginal_means(data, factors).xs(factor, level="factor")
    return pd.DataFrame(table).set_axis([str(level) for level in table.index])


def test_two_levels_are_the_strata_of_a_repeated_measures_analysis() -> None:
    table = effects(scores(), FACTORS)
    for effect, (f, p) in STRATA.items():
        assert at(table, effect, "t") ** 2 == pytest.approx(f, abs=6e-4)
        assert at(table, effect, "p_raw") == pytest.approx(p, abs=6e-4)


def test_two_levels_are_the_paired_t_test_everywhere() -> None:
    data = scores()
    wide = data.pivot_table(index="seed", columns="classification", values="score")
    expected = stats.ttest_rel(wide["focal"], wide["nll"])
    interval = expected.confidence_interval()
    levels = levels_of(data, "classification", FACTORS)
    assert at(effects(data, FACTORS), "classification", "p_raw") == pytest.approx(expected.pvalue)
    assert at(levels, "focal", "p") == pytest.approx(expected.pvalue)
    ends = [at(levels, "focal", "difference_low"), at(levels, "focal", "difference_high")]
    assert ends == pytest.approx([interval.low, interval.high])


def test_pairs_of_levels_are_differences_of_means_with_moderated_errors() -> None:
    data = scores()
    wide = data.pivot_table(index="seed", columns="cl", values="score").to_numpy()
    pairs = np.array([wide[:, j] - wide[:, i] for i, j in itertools.combinations(range(4), 2)])
    # 4 degrees of freedom of its own, and 16 / 12 of the mean of all six.
    own = pairs.var(1, ddof=1)
    error = np.sqrt((4 / 3 * own.mean() + 4 * own) / (4 / 3 + 4) / 5)
    t = np.abs(pairs.mean(1) / error)
    table = effects(data, FACTORS)
    assert at(table, "cl", "t") == pytest.approx(t.max())
    assert at(table, "cl", "range") == pytest.approx(np.abs(pairs.mean(1)).max())
    levels = levels_of(data, "cl", FACTORS)
    assert levels["difference"].to_list()[1:] == pytest.approx((wide[:, 1:] - wide[:, :1]).mean(0).tolist())


def test_runs_that_are_missing_leave_the_estimates_within_each_seed() -> None:
    table = effects(scores(every=13), FACTORS)
    for effect, (t, p) in INCOMPLETE.items():
        assert at(table, effect, "t") == pytest.approx(t, rel=1e-5)
        assert at(table, effect, "p_raw") == pytest.approx(p, rel=1e-5)


def test_an_incomplete_seed_is_least_squares_of_that_seed() -> None:
    data = scores(every=13)
    fits = [
        ols("score ~ (C(enc, Sum) + C(cl, Sum) + C(reconstruction, Sum) + C(classification, Sum)) ** 2", here).fit()
        for _, here in data.groupby("seed")
    ]
    level = [fit.params["Intercept"] + fit.params["C(cl, Sum)[S.0.1]"] for fit in fits]
    assert at(levels_of(data, "cl", FACTORS), "0.1", "mean") == pytest.approx(np.mean(level))


@pytest.mark.parametrize("seed", range(8))
def test_p_and_interval_of_an_effect_and_of_its_levels_never_disagree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = factorial(seeds=4, noise=0.5, a=0.3)
    data["score"] += rng.normal(scale=0.4, size=len(data))
    table, levels = effects(data, ["a level", "b", "c"]), marginal_means(data, ["a level", "b", "c"])
    assert ((table["range_low"] > 0) == (table["p_raw"] < 0.05)).all()
    excludes = (levels["difference_low"] > 0) | (levels["difference_high"] < 0)
    assert excludes.equals(levels["p"] < 0.05)
    assert (levels.groupby("factor")["p"].min() >= table.loc[["a level", "b", "c"], "p_raw"] - 1e-12).all()


def test_adding_a_constant_to_a_seed_changes_nothing() -> None:
    data = scores()
    moved = data.assign(score=data["score"] + 3.0 * data["seed"])
    first, second = effects(data, FACTORS), effects(moved, FACTORS)
    pd.testing.assert_frame_equal(first, second, rtol=1e-6)


def test_an_effect_that_differs_from_seed_to_seed_is_not_found() -> None:
    """Every run of a seed agrees, and a pooled residual would call it certain."""
    data = factorial(seeds=4, noise=0.01)
    data["score"] += np.array([1.0, -0.8, 1.2, -1.1])[data["seed"]] * (data["b"] == "l1")
    assert at(effects(data, ["a level", "b", "c"]), "b", "p_raw") > 0.5


def test_main_effects_and_interactions_are_adjusted_apart() -> None:
    table = effects(factorial(seeds=6, a=1.0), ["a level", "b", "c"])
    for kind in (MAIN, INTERACTION):
        family = table[table["kind"] == kind]
        assert family["p"].to_list() == pytest.approx(multipletests(family["p_raw"], method="holm")[1].tolist())
    assert holm(pd.Series([0.04, np.nan, 0.01])).to_list() == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)


def test_a_planted_interaction_is_found_and_nothing_else() -> None:
    table = effects(factorial(seeds=10, noise=0.3, ab=2.0), ["a level", "b", "c"])
    assert at(table, "a level x b", "p") < 1e-4
    assert at(table, "a level x b", "range") == pytest.approx(2.0, abs=0.4)
    assert table.loc[["c", "a level x c", "b x c"], "p"].min() > 0.05


def test_one_seed_one_level_and_equal_scores_make_no_claim_and_say_why() -> None:
    one = effects(factorial(seeds=1), ["a level", "b", "c"])
    assert one[["p_raw", "p", "range_low", "t"]].isna().all(axis=None)
    assert one["range"].notna().all()
    assert one["note"].eq("one seed: nothing tells how much it varies").all()
    assert list(effects(factorial().assign(b="same"), ["a level", "b"]).index) == ["a level"]
    same = effects(factorial().assign(score=0.1), ["a level", "b"])
    assert same["p_raw"].isna().all()
    assert same["note"].eq("it does not vary from seed to seed").all()
    assert effects(factorial().assign(score=np.nan), ["a level", "b"]).empty


def test_one_at_a_time_tells_main_effects_without_interactions() -> None:
    """a=2 was tried with b=1 alone, and b=2 is 5 better: plain means would charge that to a."""
    rng = np.random.default_rng(0)
    cells = [(1, 1), (2, 1), (1, 2)]
    rows = [
        {"a": a, "b": b, "seed": s, "score": 5.0 * (b == 2) + s + 0.01 * rng.normal()}
        for (a, b), s in itertools.product(cells, range(5))
    ]
    table = effects(pd.DataFrame(rows), ["a", "b"])
    assert list(table.index) == ["a", "b"]
    assert at(table, "a", "range") < 0.05
    assert at(table, "b", "range") == pytest.approx(5, abs=0.05)


def test_a_seed_that_cannot_tell_an_effect_is_named() -> None:
    data = factorial(seeds=4)
    data.loc[(data["seed"] == 2) & (data["b"] == "l1"), "score"] = np.nan
    table = effects(data, ["a level", "b"])
    assert at(table, "b", "seeds") == 3
    assert table.loc["b", "note"] == "cannot be estimated from seed 2"
    # The mean of a level is over both levels of b, which may interact: that seed cannot tell it either.
    assert at(table, "a level", "seeds") == 3
    wide = data[data["seed"] != 2].pivot_table(index="seed", columns="b", values="score")
    assert at(table, "b", "p_raw") == pytest.approx(stats.ttest_rel(wide["l0"], wide["l1"]).pvalue)


def test_an_excluded_combination_leaves_the_differences_of_differences_without_it() -> None:
    data = factorial(seeds=5, noise=0.1, ab=1.0)
    data.loc[(data["a level"] == "l1") & (data["b"] == "l1"), "score"] = np.nan
    table = effects(data, ["a level", "b"])
    wide = data.pivot_table(index="seed", columns=["a level", "b"], values="score")
    left = (wide["l2"]["l1"] - wide["l2"]["l0"]) - (wide["l0"]["l1"] - wide["l0"]["l0"])
    assert at(table, "a level x b", "range") == pytest.approx(abs(left.mean()))
    assert at(table, "a level x b", "t") == pytest.approx(abs(stats.ttest_1samp(left, 0).statistic))


def test_a_kind_without_a_factor_is_compared_with_the_mean_over_its_levels() -> None:
    """Only focal has a gamma: its mean is over both gammas, and gamma is compared within focal."""
    rng = np.random.default_rng(0)
    cells = [("nll", NOT_APPLICABLE), ("focal", "1"), ("focal", "2")]
    rows = [(s, kind, gamma, w, rng.normal()) for s in range(5) for kind, gamma in cells for w in "ab"]
    data = pd.DataFrame(rows, columns=["seed", "kind", "gamma", "w", "score"])
    table = effects(data, ["kind", "gamma", "w"])
    wide = data.pivot_table(index="seed", columns="gamma", values="score")
    kinds = (wide["1"] + wide["2"]) / 2 - wide[NOT_APPLICABLE]
    assert at(table, "kind", "range") == pytest.approx(abs(kinds.mean()))
    assert at(table, "kind", "p_raw") == pytest.approx(stats.ttest_1samp(kinds, 0).pvalue)
    gammas = wide["2"] - wide["1"]
    assert at(table, "gamma", "p_raw") == pytest.approx(stats.ttest_1samp(gammas, 0).pvalue)


def test_too_many_contrasts_are_not_tested_and_it_is_told() -> None:
    rng = np.random.default_rng(0)
    rows = [(s, a, rng.normal()) for s in range(3) for a in range(102)]
    table = effects(pd.DataFrame(rows, columns=["seed", "a", "score"]), ["a"])
    assert table.loc["a", "note"] == "5151 contrasts are too many to test together"
    assert np.isnan(at(table, "a", "p"))


def test_advice_holds_what_is_significant_after_adjustment_and_no_more() -> None:
    data = factorial(seeds=6, noise=0.3, a=1.0)
    factors = ["a level", "b"]
    table, levels = effects(data, factors), marginal_means(data, factors)
    first, second = advice(levels, table, {"a level": "l0", "b": "l0"})
    assert first.startswith("a level: set l2; l0, the baseline, costs 1.9")
    assert second == "b: no effect shown, no reason to leave l0."
    lower = advice(marginal_means(data, factors, "min"), table, {"a level": "l0"})[0]
    assert lower.startswith("a level: against l0, l1 costs 0.889")
    weak = table.assign(p=0.2)
    assert advice(levels, weak)[0] == "a level: no effect shown."


def test_marginal_means_have_t_intervals_over_seeds() -> None:
    data = factorial(seeds=5, a=1.0)
    wide = data.pivot_table(index="seed", columns="a level", values="score")
    levels = levels_of(data, "a level", ["a level", "b", "c"])
    for level in map(str, wide):
        expected = stats.ttest_1samp(wide[level], 0).confidence_interval()
        assert [at(levels, level, "low"), at(levels, level, "high")] == pytest.approx([expected.low, expected.high])
    assert marginal_means(data.assign(b="same"), ["b"]).empty
    assert marginal_means(data.assign(score=1.0), ["b"])["p"].isna().all()


def test_every_pair_of_cells_is_compared_and_two_cells_are_the_paired_t_test() -> None:
    data = frame(6, 3, shift=4.0)
    table = pairwise(data)
    wide = data.pivot_table(index="seed", columns="cell", values="score")
    assert table.loc[("c0", "c1"), "difference"] == pytest.approx((wide["c0"] - wide["c1"]).mean())
    assert ((table["low"] > 0) | (table["high"] < 0)).equals(table["p"] < 0.05)
    two = pairwise(data[data["cell"] != "c2"])
    assert two["p"].iloc[0] == pytest.approx(stats.ttest_rel(wide["c0"], wide["c1"]).pvalue)
    assert pairwise(frame(3, 1)).empty
    assert pairwise(data.assign(score=np.nan))["p"].isna().all()
