"""The distribution of the largest moderated |t|: what it reduces to, and what a direct simulation gives."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.families import double_differences, pairs
from analysis.statistics.joint_test import joint_test
from analysis.statistics.largest_t import LargestT, largest_t, prior_df

Array = NDArray[np.float64]


def largest(values: Array) -> Array:
    """Largest moderated |t| of each study, from values (studies, seeds, contrasts)."""
    seeds = values.shape[1]
    own, prior = values.var(1, ddof=1), float(prior_df(seeds))
    variance = (prior * own.mean(1, keepdims=True) + (seeds - 1) * own) / (prior + seeds - 1)
    return np.asarray((np.abs(values.mean(1)) / np.sqrt(variance / seeds)).max(1))


@pytest.mark.parametrize("seeds", [2, 5, 30])
def test_of_one_contrast_it_is_students_t(seeds: int) -> None:
    one = LargestT(pairs(2), seeds)
    assert one.sf(np.array(3.0)) == pytest.approx(2 * stats.t.sf(3.0, seeds - 1))
    assert one.quantile(0.95) == pytest.approx(stats.t.isf(0.025, seeds - 1))


def test_of_many_seeds_it_is_the_studentized_range() -> None:
    critical = stats.studentized_range.ppf(0.95, 4, np.inf) / 2**0.5
    assert LargestT(pairs(4), 3000).quantile(0.95) == pytest.approx(critical, rel=0.005)


@pytest.mark.parametrize("seeds", [3, 5, 12])
@pytest.mark.parametrize("weights", [pairs(4), double_differences(3, 3)], ids=["4 levels", "3 x 3"])
def test_its_tail_is_that_of_a_direct_simulation(weights: Array, seeds: int) -> None:
    """100,000 studies of equal and of unequal variances: three standard errors at .05 are .002."""
    rng, cells = np.random.default_rng(4), weights.shape[1]
    noisy = np.where(np.arange(cells) == 0, 5.0, 1.0)
    critical = LargestT(weights, seeds).quantile(0.95)
    rates = [
        (largest(rng.normal(size=(100_000, seeds, cells)) * scale @ weights.T) > critical).mean()
        for scale in (np.ones(cells), noisy)
    ]
    assert max(rates) == pytest.approx(0.05, abs=0.002)


def test_its_error_is_far_below_the_third_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    critical = np.array(LargestT(pairs(4), 3).quantile(0.95))
    tails = []
    for seed in range(6):
        monkeypatch.setattr("analysis.statistics.largest_t.SEED", seed)
        tails.append(float(LargestT(pairs(4), 3).sf(critical)))
    assert np.std(tails) < 0.0002
    assert np.mean(tails) == pytest.approx(0.05, abs=0.0004)


def test_tail_and_quantile_are_inverse_and_the_tail_falls_to_0() -> None:
    found = largest_t(pairs(3), 4)
    t = np.array([0.0, 1.0, 5.0, 50.0, 1e6])
    assert (np.diff(found.sf(t)) < 0).all()
    assert found.sf(t)[0] == pytest.approx(1)
    for probability in (0.5, 0.9, 0.999):
        assert found.sf(np.array(found.quantile(probability))) == pytest.approx(1 - probability, rel=1e-6)


def test_contrasts_with_fewer_seeds_are_judged_by_those() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 3)) + 1.0
    values[4:, 2] = np.nan
    test = joint_test(values, pairs(3), 1.0)
    assert test.seeds.tolist() == [6, 6, 4]
    assert test.p()[2] == pytest.approx(float(LargestT(pairs(3), 4).sf(np.abs(test.t[2:]))[0]))
    assert test.p()[0] == pytest.approx(float(LargestT(pairs(3), 6).sf(np.abs(test.t[:1]))[0]))


def test_a_contrast_with_one_seed_is_not_tested_and_not_counted() -> None:
    values = np.random.default_rng(0).normal(size=(5, 3))
    values[1:, 2] = np.nan
    test = joint_test(values, pairs(3), 1.0)
    assert np.isnan(test.p()).tolist() == [False, False, True]
    assert test.p()[:2].tolist() == pytest.approx(joint_test(values[:, :2], pairs(3)[:2], 1.0).p().tolist())
