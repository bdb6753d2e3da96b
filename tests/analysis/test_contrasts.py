"""The default comparison agrees with what it reduces to, and copes with what is missing."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.statistics.contrasts import compare, contrasts, score_grid
from analysis.statistics.max_moderated import ModeratedMaxT
from analysis.statistics.moderated import differences
from analysis.statistics.screen import screen
from tests.analysis.test_statistics import at, frame


def grid(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_of_two_cells_it_is_the_paired_t_test() -> None:
    data = frame(6, 2, shift=1.5)
    result = contrasts(data, "c0")
    scores = [data.loc[data["cell"] == cell, "score"] for cell in ("c1", "c0")]
    expected = stats.ttest_rel(scores[0], scores[1])
    interval = expected.confidence_interval()
    assert at(result, "c1", "p") == pytest.approx(expected.pvalue)
    assert [at(result, "c1", "low"), at(result, "c1", "high")] == pytest.approx([interval.low, interval.high])
    assert result.loc["c1", "method"] == "paired t test"


def test_with_many_seeds_and_unequal_variances_the_error_is_that_of_the_paired_t_test() -> None:
    scores = grid((9, 400)) * np.geomspace(1, 5, 9)[:, None]
    np.testing.assert_allclose(differences(scores).error, stats.sem(scores[1:] - scores[0], axis=1), rtol=0.02)


def test_with_equal_variances_the_errors_are_alike() -> None:
    """Of the spread of the paired errors (0.19 with 13 seeds) half is left, as both count as much."""
    scores = grid((200, 41, 13))
    errors = differences(scores).error, stats.sem(scores[:, 1:] - scores[:, :1], axis=-1)
    moderated, paired = (np.median(np.std(error, axis=1) / error.mean(1)) for error in errors)
    assert moderated < 0.6 * paired


def test_moderated_variance_by_hand() -> None:
    scores = grid((5, 4), 3)
    found = differences(scores)
    pair = scores[1:] - scores[0]
    covariance = np.cov(pair)
    own, g, k, n = np.diag(covariance), 3, 4, 4
    shared = max(0.0, covariance[~np.eye(4, dtype=bool)].mean())
    # Bartlett's statistic by another route: four groups with these variances.
    groups = [deviation / deviation.std(ddof=1) * sd for deviation, sd in zip(pair, own**0.5, strict=True)]
    heterogeneity = stats.bartlett(*groups).statistic / (k - 1) / (1 - min(shared / own.mean(), 0.95) ** 2)
    prior = g * g / 12 / max(1, heterogeneity**2)
    np.testing.assert_allclose(found.prior, prior)
    np.testing.assert_allclose(found.error, ((prior * own.mean() + g * own) / (prior + g) / n) ** 0.5)
    odds = 3 * shared / (own.mean() - shared)
    np.testing.assert_allclose(found.share, odds / (1 + odds))


def test_the_baseline_is_shared_as_far_as_the_seeds_are() -> None:
    scores = grid((3, 8)) * np.array([[3.0], [1.0], [1.0]])
    whole = differences(scores).share
    apart = scores.copy()
    apart[1, 4:], apart[2, :4] = np.nan, np.nan
    assert (whole > 0.5).all()
    np.testing.assert_allclose(differences(apart).share, 0, atol=1e-12)


def test_an_inert_setting_is_no_sign_of_unequal_variances() -> None:
    data = frame(5, 4, shift=8.0)
    inert = pd.concat([data, data[data["cell"] == "c0"].assign(cell="inert")])
    result = contrasts(inert, "c0")
    assert result.loc["inert", "p"] == 1
    assert at(result, "c1", "p") < 0.05
    without, among = (differences(score_grid(d, list(d["cell"].unique()))) for d in (data, inert))
    np.testing.assert_allclose(among.prior[:3], without.prior)


def test_many_data_sets_at_once_give_what_each_gives() -> None:
    scores = grid((7, 5, 4))
    scores[2, 3, 1] = np.nan
    together = differences(scores)
    for index in range(7):
        alone = differences(scores[index])
        for name in ("error", "prior", "share"):
            np.testing.assert_allclose(getattr(together, name)[index], getattr(alone, name))


def test_every_p_is_of_the_largest_of_all() -> None:
    data = frame(5, 4, shift=8.0)
    scores = score_grid(data, ["c0", "c1", "c2", "c3"])
    found = differences(scores)
    largest = ModeratedMaxT(3, 5, found.prior[0], found.share[0])
    expected = largest.sf(np.abs(found.mean / found.error), 3)
    assert compare(scores).p().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(15))
def test_an_interval_excludes_zero_if_and_only_if_p_is_small(seed: int) -> None:
    result = contrasts(frame(4, 5, shift=3.0, seed=seed), "c0")
    excludes = (result["low"] > 0) | (result["high"] < 0)
    assert excludes.equals(result["p"] < 0.05)


def test_it_is_at_least_as_strict_as_one_test_and_no_stricter_than_bonferroni() -> None:
    for seed in range(5):
        scores = score_grid(frame(5, 9, shift=2.0, seed=seed), [f"c{i}" for i in range(9)])
        compared = compare(scores)
        assert (compared.p() >= compared.unadjusted() - 1e-12).all()
        assert (compared.p() <= 8 * compared.unadjusted() + 1e-12).all()


def test_both_widths_of_one_comparison_are_those_of_two() -> None:
    data = frame(5, 4, shift=2.0)
    compared = compare(score_grid(data, ["c0", "c1", "c2", "c3"]))
    for confidence in (0.9, 0.95):
        low, high = compared.interval(confidence)
        result = contrasts(data, "c0", confidence)
        assert (result["low"].tolist(), result["high"].tolist()) == (low.tolist(), high.tolist())


def test_a_common_shift_of_a_seed_or_a_change_of_unit_changes_nothing() -> None:
    data = frame(5, 4, shift=1.0)
    result = contrasts(data, "c0")
    moved = data.assign(score=data["score"] + 100 * (data["seed"] == 2))
    pd.testing.assert_frame_equal(result, contrasts(moved, "c0"))
    scaled = contrasts(data.assign(score=1e-3 * data["score"]), "c0")
    np.testing.assert_allclose(scaled["p"], result["p"], rtol=1e-6)


def test_missing_runs_cost_only_their_pairs() -> None:
    data = frame(5, 4, shift=3.0)
    data.loc[[7, 12], "score"] = np.nan
    result = contrasts(data, "c0")
    wide = data.pivot_table(index="seed", columns="cell", values="score")
    assert at(result, "c1", "difference") == pytest.approx((wide["c1"] - wide["c0"]).mean())
    assert result["p"].between(0, 1).all()
    reordered = contrasts(data.sample(frac=1, random_state=0), "c0").loc[result.index]
    np.testing.assert_allclose(reordered[["low", "high", "p"]], result[["low", "high", "p"]])


def test_what_cannot_be_compared_is_left_open_and_the_reason_is_told() -> None:
    data = frame(3, 3)
    data.loc[data["cell"] == "c1", "score"] = np.nan
    result = contrasts(data, "c0")
    assert result.loc["c1", ["difference", "low", "high", "p"]].isna().all()
    assert result.loc["c2"].notna().all()
    assert contrasts(data, "c1")["reason"].eq("no cell shares a seed with the baseline").all()
    one = contrasts(frame(1, 3), "c0")
    assert one["difference"].notna().all()
    assert one[["low", "high", "p"]].isna().all(axis=None)
    assert one["reason"].eq("one seed tells no variance").all()
    same = contrasts(frame(3, 3).assign(score=0.1), "c0")
    assert same["p"].isna().all()
    assert same["reason"].eq("the differences do not vary").all()
    assert contrasts(frame(3, 1), "c0").empty


def test_a_cell_with_a_single_seed_borrows_its_variance_from_the_others() -> None:
    data = frame(5, 4)
    data.loc[(data["cell"] == "c3") & (data["seed"] > 0), "score"] = np.nan
    result = contrasts(data, "c0")
    assert result["p"].notna().all()
    assert (result["high"] - result["low"]).idxmax() == "c3"


def test_a_cell_that_shares_no_seed_with_the_baseline_is_not_compared() -> None:
    data = frame(4, 3)
    apart = data["score"].mask((data["cell"] == "c1") == data["seed"].isin([0, 2]))
    result = contrasts(data.assign(score=apart), "c0")
    assert result.loc["c1", ["difference", "low", "high", "p"]].isna().all()
    assert result.loc["c2"].notna().all()


def test_the_footnote_says_whether_variances_differ() -> None:
    scores = grid((6, 12)) * np.array([1, 1, 1, 1, 8, 1])[:, None]
    rows = [{"cell": f"c{c}", "seed": s, "score": scores[c, s]} for c in range(6) for s in range(12)]
    assert "are unequal" in contrasts(pd.DataFrame(rows), "c0")["reason"].iloc[0]
    assert "no sign of unequal" in contrasts(frame(6, 5, seed=1), "c0")["reason"].iloc[0]


def test_a_screen_has_the_false_discovery_rate_over_all_metrics_and_cells() -> None:
    first, second = frame(6, 4, shift=3.0), frame(6, 4, seed=1)
    data = first.rename(columns={"score": "f1"}).assign(loss=second["score"], empty=np.nan)
    table = screen(data, "c0", ["f1", "loss", "empty"])
    known = table.dropna()
    np.testing.assert_allclose(known["q"], multipletests(known["p"], method="fdr_bh")[1])
    assert (table["metric"] == "empty").sum() == 3
    assert table.loc[table["metric"] == "empty", "q"].isna().all()
    assert list(table.loc[0, ["metric", "cell"]]) == ["f1", "c1"]
    single = contrasts(first[first["cell"].isin(["c0", "c1"])], "c0")
    assert screen(data[data["cell"].isin(["c0", "c1"])], "c0", ["f1"])["p"].iloc[0] == pytest.approx(
        at(single, "c1", "p")
    )
    assert screen(data, "c0", []).empty
