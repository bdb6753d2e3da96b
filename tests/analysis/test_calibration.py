"""The benchmark of the statistics, small: its whole table takes minutes."""

from pathlib import Path

import numpy as np
import pytest

from analysis.statistics.contrasts import contrasts, score_grid
from analysis.statistics.max_moderated import ModeratedMaxT
from benchmarks.calibration import SPREADS, Critical, Setting, calibrate, default, draw, table
from tests.analysis.test_statistics import frame


@pytest.fixture(scope="module")
def critical() -> Critical:
    return Critical(4, 5)


@pytest.mark.parametrize("spread", SPREADS)
def test_false_positives_coverage_and_power_are_as_claimed(spread: str, critical: Critical) -> None:
    """1,000 replicates: three standard errors around the limits of the benchmark."""
    rates = calibrate(Setting(5, 4, spread), 1000, critical)
    assert rates["false"] < 0.055 + 0.021
    assert 0.93 - 0.021 < rates["coverage"] < 0.97 + 0.016
    assert rates["one"] > rates["one_paired"] - 0.03
    assert rates["all"] > rates["all_paired"] - 0.03


def test_with_three_seeds_a_very_noisy_variant_makes_no_false_positives_of_its_own() -> None:
    """4,000 replicates: two standard errors above .055. Nothing tells that variant from a quiet one (of 3 seeds)."""
    rates = calibrate(Setting(3, 8, "1, one variant 5"), 4000, Critical(8, 3))
    assert rates["false"] < 0.062
    assert 0.93 < rates["coverage"] < 0.98


def test_the_noisiest_alone_without_effect_is_seldom_rejected_on_the_way_down(critical: Critical) -> None:
    """All others are far off, so that it comes last."""
    setting = Setting(5, 4, "1, one variant 5")
    scores = setting.draw(4000, np.random.default_rng(3)) + np.array([0, 100, 100, 100, 0])[:, None]
    rejected = default(scores, critical)[1]
    assert rejected[:, :3].all()
    assert rejected[:, 3].mean() < 0.06


def test_the_benchmark_rejects_what_the_library_rejects(critical: Critical) -> None:
    for seed in range(12):
        data = frame(5, 5, shift=3.0, seed=seed)
        grid = score_grid(data, [f"c{i}" for i in range(5)])[None]
        outside, rejected = default(grid, critical)
        result = contrasts(data, "c0")
        sure = (result["p"] - 0.05).abs() > 0.002
        assert (rejected[0] == (result["p"] < 0.05))[sure].all()
        assert (outside[0] == ((result["low"] > 0) | (result["high"] < 0)))[sure].all()


def test_interpolated_quantiles_are_close_to_the_exact_ones(critical: Critical) -> None:
    for m, prior, share in ((4, 1.3, 0.4), (2, 0.9, 0.1), (3, 0.05, 0.55), (4, 0.3, 0.97)):
        found = critical(np.array([float(m)]), np.array([prior]), np.array([share]))[0]
        assert found == pytest.approx(ModeratedMaxT(m, 5, prior, share).quantile(0.95), rel=0.01)


def test_the_same_seeds_give_the_same_table_and_a_figure(tmp_path: Path) -> None:
    rates = table(200, (2,), (3,))
    assert rates.equals(table(200, (2,), (3,)))
    draw(rates, tmp_path / "calibration.png")
    assert (tmp_path / "calibration.png").stat().st_size > 10_000
