"""The benchmark of the statistics, small: its whole table takes minutes."""

from pathlib import Path

import numpy as np
import pytest

from analysis.statistics.contrasts import contrasts, score_grid
from analysis.statistics.effects import effects
from analysis.statistics.max_moderated import ModeratedMaxT
from benchmarks.calibration import factors, groups, sources
from benchmarks.calibration.cells import SPREADS, Critical, Setting, calibrate, default, draw, table
from tests.analysis.test_statistics import frame


@pytest.fixture(scope="module")
def critical() -> Critical:
    return Critical(4, 5)


@pytest.mark.parametrize("spread", SPREADS)
def test_false_positives_coverage_and_power_are_as_claimed(spread: str, critical: Critical) -> None:
    """1,000 replicates: three standard errors around the limits of the benchmark."""
    rates = calibrate(Setting(5, 4, spread), 1000, critical)
    assert rates["false"] < 0.055 + 0.021
    assert rates["one"] > rates["one_paired"] - 0.03


def test_with_three_seeds_a_very_noisy_variant_makes_no_false_positives_of_its_own() -> None:
    """4,000 replicates: two standard errors above .055. Nothing tells that variant from a quiet one (of 3 seeds)."""
    rates = calibrate(Setting(3, 8, "1, one variant 5"), 4000, Critical(8, 3))
    assert rates["false"] < 0.062


def test_the_benchmark_rejects_what_the_library_rejects(critical: Critical) -> None:
    for seed in range(12):
        data = frame(5, 5, shift=3.0, seed=seed)
        grid = score_grid(data, [f"c{i}" for i in range(5)])[None]
        rejected = default(grid, critical)
        result = contrasts(data, "c0")
        sure = (result["p"] - 0.05).abs() > 0.002
        assert (rejected[0] == (result["p"] < 0.05))[sure].all()


def test_interpolated_quantiles_are_close_to_the_exact_ones(critical: Critical) -> None:
    for prior, share in ((1.3, 0.4), (0.9, 0.1), (0.05, 0.55), (0.3, 0.97)):
        found = critical(np.array([prior]), np.array([share]))[0]
        assert found == pytest.approx(ModeratedMaxT(4, 5, prior, share).quantile(0.95), rel=0.01)


def test_the_same_seeds_give_the_same_table_and_a_figure(tmp_path: Path) -> None:
    rates = table(200, (2,), (3,))
    assert rates.equals(table(200, (2,), (3,)))
    draw(rates, tmp_path / "calibration.png")
    assert (tmp_path / "calibration.png").stat().st_size > 10_000


@pytest.mark.parametrize("design", factors.DESIGNS)
@pytest.mark.parametrize("over_seeds", ["as in loss", "one level"])
def test_factors_without_effect_are_found_in_5_percent_of_studies(design: str, over_seeds: str) -> None:
    """4,000 studies: three standard errors above .055 are .066."""
    rates = factors.false_positives(factors.Setting(design, 3, over_seeds), 4000)
    assert max(rates.values()) < 0.066
    assert rates["one"] > 0.03


@pytest.mark.parametrize("noise", ["t3", "skewed"])
def test_heavy_tails_and_missing_runs_do_not_make_effects(noise: str) -> None:
    rates = factors.false_positives(factors.Setting("3 x 3 x 2", 5, "as in loss", noise, missing=True), 4000)
    assert max(rates.values()) < 0.076


def test_a_pooled_residual_finds_factors_that_do_nothing() -> None:
    """Variances over seeds as in the study of the loss: why effects are judged against seeds."""
    rates = factors.power(2000, (5,))
    rates = rates[(rates["effect"] == "f1, 0.90 sd") & (rates["factor x seed"] == "as in loss")]
    assert rates["false positives: pooled F"].item() > 0.6
    assert rates["max-t"].item() < 0.066
    assert rates["power: max-t"].item() > 0.2


def test_the_benchmark_gives_the_p_values_of_the_library() -> None:
    setting = factors.Setting("3 x 3 x 2", 4, missing=True)
    rng = np.random.default_rng(0)
    frame = setting.frame(rng)
    scores = setting.draw(1, rng)
    known = factors.families(frame, setting.factors, len(setting.cells))
    frame["score"] = scores[0, frame["seed"], frame["cell"]]
    expected = effects(frame, setting.factors)["p_raw"]
    assert {family.name for family in known} <= set(expected.index)
    for family in known:
        assert family.p(scores)[0] == pytest.approx(expected[family.name], rel=0.01)


def test_intervals_of_the_choice_the_sources_and_the_sizes_cover() -> None:
    """300 replicates: three standard errors below .95 are .91."""
    assert sources.effect_sizes(300)[["difference", "standardised", "P(better)"]].to_numpy(float).min() > 0.91
    assert sources.variance(300)["seeds: coverage"].to_numpy(float).min() > 0.91
    assert sources.choice(200)["coverage of 95 %"].to_numpy(float).min() > 0.88


def test_two_groups_are_warned_of_rarely_without_cause_and_nearly_always_where_they_are_far_apart() -> None:
    """1,000 replicates: three standard errors around what the documentation states."""
    false = groups.without_cause(1000).set_index("noise")
    assert (false.loc["normal"] < 0.04).all()
    assert (false.drop(index="t with 3 degrees of freedom") < 0.085 + 0.027).all(axis=None)
    missed = groups.missed(1000)
    assert (missed.loc[missed["gap"] == 20, "32 cells"] < 0.02).all()
    assert (missed.loc[(missed["gap"] == 10) & (missed["seeds"] == 10), "32 cells"] < 0.12).all()


def test_where_noisy_seeds_diverge_the_worst_takes_back_what_is_claimed_of_the_rest() -> None:
    found = groups.claims(300).set_index(["seeds that fail", "seeds"])
    assert found["better, also with the worst"].to_dict()["diverging", 10] < 0.03 + 0.03
    assert found["better, nothing warned of"].to_dict()["collapsing", 10] < 0.02
