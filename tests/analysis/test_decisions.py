"""Power and verdicts agree with textbook computations, and keep their error rates in simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from ablations.power import detectable, power, seeds_needed
from analysis.statistics.max_moderated import ModeratedMaxT
from analysis.statistics.moderated import differences
from analysis.statistics.verdict import verdicts, why_not_wilcoxon
from tests.analysis.test_statistics import frame


@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 5), (1.5, 10), (0.3, 40)])
def test_power_of_one_comparison_is_that_of_the_paired_t_test(effect: float, seeds: int) -> None:
    """A difference of two scores has sqrt(2) times the deviation of one."""
    expected = TTestPower().power(effect / 2**0.5, seeds, 0.05)
    assert power(2 * effect, 2.0, seeds) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("seeds", "design"), [(3, 3.3), (5, 1.7), (10, 1.0), (20, 0.67)])
def test_smallest_detectable_differences_are_the_published_ones(seeds: int, design: float) -> None:
    """In deviations of the paired difference, at 80 % power (statsmodels)."""
    found = detectable(1.0, seeds) / 2**0.5
    assert found == pytest.approx(design, abs=0.06)
    assert found == pytest.approx(TTestPower().solve_power(nobs=seeds, alpha=0.05, power=0.8), rel=1e-4)


@pytest.mark.parametrize("comparisons", [1, 8, 63])
def test_the_seeds_needed_are_the_fewest_that_suffice(comparisons: int) -> None:
    needed = seeds_needed(1.5, 1.0, comparisons)
    assert needed is not None
    assert power(1.5, 1.0, needed, comparisons) >= 0.8 > power(1.5, 1.0, needed - 1, comparisons)
    assert detectable(1.0, needed, comparisons) <= 1.5 < detectable(1.0, needed - 1, comparisons)


def test_no_number_of_seeds_shows_almost_nothing_and_one_shows_nothing() -> None:
    assert seeds_needed(1e-3, 1.0) is None
    assert power(9.0, 1.0, 1) == 0
    assert detectable(1.0, 1) == float("inf")


@pytest.mark.parametrize(("seeds", "k"), [(5, 8), (10, 8), (10, 20)])
def test_power_is_that_of_the_default_test_in_simulation(seeds: int, k: int) -> None:
    rng = np.random.default_rng(4)
    grid = rng.normal(size=(1500, k + 1, seeds))
    grid[:, 1] += 1.5
    found = differences(grid)
    # One distribution for all studies: it need not be exact here.
    largest = ModeratedMaxT(k, seeds, float(np.median(found.prior)), float(np.median(found.share)))
    share = (np.abs(found.mean / found.error)[:, 0] > largest.quantile(0.95)).mean()
    assert power(1.5, 1.0, seeds, k) - 0.03 < share < power(1.5, 1.0, seeds, k) + 0.08


def study(effect: dict[str, float], seeds: int = 6, noise: float = 0.01) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        {"cell": cell, "seed": s, "score": shift + s + noise * rng.normal()}
        for cell, shift in {"base": 0.0, **effect}.items()
        for s in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_verdicts_follow_direction_and_smallest_effect_of_interest() -> None:
    data = study({"up": 1.0, "down": -1.0, "same": 0.0})
    assert verdicts(data, "base", "max", 0.1)["verdict"].tolist() == ["better", "worse", "equivalent"]
    assert verdicts(data, "base", "min", 0.1)["verdict"].tolist() == ["worse", "better", "equivalent"]
    assert verdicts(data, "base")["verdict"].tolist() == ["better", "worse", "undecided"]
    assert verdicts(data, "base", "max", 2.0)["verdict"].eq("equivalent").all()
    with pytest.raises(ValueError, match="above 0"):
        verdicts(data, "base", "max", 0.0)


@pytest.mark.parametrize("seed", range(8))
def test_equivalence_of_two_cells_is_two_one_sided_paired_tests(seed: int) -> None:
    data = frame(8, 2, seed=seed)
    pair = [data.loc[data["cell"] == cell, "score"].to_numpy() for cell in ("c1", "c0")]
    p = ttost_paired(pair[0], pair[1], -1.2, 1.2)[0]
    assert (verdicts(data, "c0", "max", 1.2).loc["c1", "verdict"] == "equivalent") == (p < 0.05)


def test_cells_at_the_edge_are_seldom_called_equivalent() -> None:
    """All of five cells differ by the SESOI: in how many studies is any of them called equivalent?"""
    rng = np.random.default_rng(0)
    grid = rng.normal(size=(4000, 6, 5))
    grid[:, 1:] += 3.0
    found = differences(grid)
    largest = ModeratedMaxT(5, 5, float(np.median(found.prior)), float(np.median(found.share)))
    upper = found.mean + largest.quantile(0.9) * found.error
    assert (upper < 3.0).any(1).mean() < 0.075


def test_one_seed_or_no_run_is_undecided() -> None:
    table = verdicts(study({"up": 1.0}, seeds=1), "base", "max", 0.1)
    assert table.loc["up", "verdict"] == "undecided"
    lost = study({"up": 1.0, "gone": 0.0})
    lost.loc[lost["cell"] == "gone", "score"] = np.nan
    assert verdicts(lost, "base").loc["gone", "verdict"] == "undecided"


@pytest.mark.parametrize("comparisons", [1, 8])
def test_wilcoxon_is_refused_below_the_seeds_at_which_it_can_reach_five_percent(comparisons: int) -> None:
    for seeds in range(3, 14):
        p = comparisons * float(stats.wilcoxon(np.arange(1.0, seeds + 1), method="exact").pvalue)
        assert (why_not_wilcoxon(seeds, comparisons) is None) == (p < 0.05)
    assert "it takes 6 seeds" in str(why_not_wilcoxon(5))
