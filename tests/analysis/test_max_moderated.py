"""The largest of several moderated t statistics: what it reduces to, and what a simulation of scores gives."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.max_moderated import DEGREE, ModeratedMaxT
from analysis.statistics.moderated import differences
from analysis.statistics.quadrature import noncentral
from benchmarks.equal_max_t import EqualMaxT

# Two-sided 5 % points of Dunnett's t (Dunnett 1964, table II, p = number of treatments without the control).
DUNNETT = {
    (1, 10): 2.23, (2, 10): 2.57, (3, 10): 2.76, (5, 10): 2.99, (9, 10): 3.24,
    (1, 20): 2.09, (2, 20): 2.38, (3, 20): 2.54, (5, 20): 2.73, (9, 20): 2.95,
    (2, 60): 2.27, (9, 60): 2.77,
}  # fmt: skip


@pytest.mark.parametrize(("k", "df"), DUNNETT)
def test_quantiles_are_those_of_dunnetts_table(k: int, df: int) -> None:
    assert EqualMaxT(k, df).quantile(0.95) == pytest.approx(DUNNETT[k, df], abs=0.0051)


@pytest.mark.parametrize("t", [0.5, 2.0, 3.5, 6.0])
def test_tail_of_one_statistic_is_that_of_t(t: float) -> None:
    assert EqualMaxT(1, 8, rho=0.0).sf(np.array([t]))[0] == pytest.approx(2 * stats.t.sf(t, 8), rel=1e-8)


@pytest.mark.parametrize("seeds", [2, 3, 10, 50])
def test_of_one_contrast_it_is_student_s_t(seeds: int) -> None:
    largest = ModeratedMaxT(1, seeds, 0.5, 0.98)
    assert largest.sf(np.array([3.0]), 1)[0] == pytest.approx(2 * stats.t.sf(3.0, seeds - 1))
    assert largest.quantile(0.95) == pytest.approx(stats.t.isf(0.025, seeds - 1))


def test_without_prior_each_of_several_is_student_s_t() -> None:
    """The noise of the baseline is in its numerator and, as noncentrality, in its denominator."""
    for share in (0.0, 0.3, 0.8):
        assert ModeratedMaxT(6, 5, 0.0, share).sf(np.array([3.0]), 1)[0] == pytest.approx(
            2 * stats.t.sf(3.0, 4), rel=1e-3
        )


def test_without_prior_or_baseline_the_largest_is_sidak_s() -> None:
    alone = 2 * stats.t.sf(4.0, 4)
    assert ModeratedMaxT(6, 5, 0.0, 0.0).sf(np.array([4.0]), 6)[0] == pytest.approx(1 - (1 - alone) ** 6, rel=1e-4)


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


@pytest.mark.parametrize(
    ("k", "seeds", "prior", "share"), [(2000, 5, 3.0, 0.5), (2000, 2, 0.3, 0.9), (8, 50, 1e6, 0.2)]
)
def test_many_tails_at_once_are_those_of_each_alone(k: int, seeds: int, prior: float, share: float) -> None:
    largest = ModeratedMaxT(k, seeds, prior, share)
    t = np.concatenate([[0.0, np.inf], np.exp(np.random.default_rng(0).uniform(-5, 5, 2 * DEGREE))])
    for m in (1, k):
        alone = [largest.sf(t[[j]], m)[0] for j in range(len(t))]
        np.testing.assert_allclose(largest.sf(t, m), alone, rtol=0, atol=1e-8 if seeds > 2 else 1e-6)
