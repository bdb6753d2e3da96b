"""The largest of several moderated t statistics: what it reduces to, and what a simulation of scores gives."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.max_moderated import ModeratedMaxT
from benchmarks.equal_max_t import EqualMaxT
from analysis.statistics.moderated import differences
from analysis.statistics.quadrature import noncentral


@pytest.mark.parametrize("seeds", [2, 3, 10, 50])
def test_of_one_contrast_it_is_student_s_t(seeds: int) -> None:
    largest = ModeratedMaxT(1, seeds, 0.5, 0.98)
    assert largest.sf(3.0, 1) == pytest.approx(2 * stats.t.sf(3.0, seeds - 1))
    assert largest.quantile(0.95) == pytest.approx(stats.t.isf(0.025, seeds - 1))


def test_without_prior_each_of_several_is_student_s_t() -> None:
    """The noise of the baseline is in its numerator and, as noncentrality, in its denominator."""
    for share in (0.0, 0.3, 0.8):
        assert ModeratedMaxT(6, 5, 0.0, share).sf(3.0, 1) == pytest.approx(2 * stats.t.sf(3.0, 4), rel=1e-3)


def test_without_prior_or_baseline_the_largest_is_sidak_s() -> None:
    alone = 2 * stats.t.sf(4.0, 4)
    assert ModeratedMaxT(6, 5, 0.0, 0.0).sf(4.0, 6) == pytest.approx(1 - (1 - alone) ** 6, rel=1e-4)


def test_with_all_of_the_variance_pooled_and_known_it_is_dunnett_s() -> None:
    """Of many seeds; equal variances give a share of 1/2."""
    exact = EqualMaxT(8, 1e5).quantile(0.95)
    assert ModeratedMaxT(8, 400, 1e6, 0.5).quantile(0.95) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("k", "seeds"), [(3, 3), (8, 5)])
def test_it_is_what_scores_with_known_variances_give(k: int, seeds: int, share: float) -> None:
    """20,000 replicates: a rate near .05 has a standard error of .0015."""
    rng = np.random.default_rng(1)
    sd = np.r_[share**0.5, np.full(k, (1 - share) ** 0.5)]
    scores = rng.normal(size=(20_000, k + 1, seeds)) * sd[:, None]
    pair = scores[:, 1:] - scores[:, :1]
    own, g, count = pair.var(-1, ddof=1), seeds - 1, 0.4 * (k - 1) / (k + 1 + 4 / (seeds - 1))
    error = np.sqrt((count * own.mean(1, keepdims=True) + g * own) / (count + g) / seeds)
    critical = ModeratedMaxT(k, seeds, 0.4, share).quantile(0.95)
    assert (np.abs(pair.mean(-1) / error).max(1) > critical).mean() == pytest.approx(0.05, abs=0.006)


def test_nodes_of_a_noncentral_chi_square_have_its_moments() -> None:
    shift = np.array([0.0, 0.5, 30.0, 4000.0])
    chi, weight = noncentral(4, shift, 24)
    np.testing.assert_allclose((chi**2 * weight).sum(1), 4 + shift, rtol=1e-6)
    np.testing.assert_allclose((chi**4 * weight).sum(1), (4 + shift) ** 2 + 2 * (4 + 2 * shift), rtol=1e-5)


def test_the_share_of_the_baseline_is_drawn_up_the_more_the_fewer_the_seeds() -> None:
    """Its median error with equal variances, where the share is 1/2."""
    rng = np.random.default_rng(2)
    median = [float(np.median(differences(rng.normal(size=(4000, 9, n))).share)) for n in (3, 5, 10, 40)]
    assert median[0] > median[1] > median[2] > median[3]
    assert median[3] == pytest.approx(0.5, abs=0.02)
