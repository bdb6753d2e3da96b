"""The benchmark of the statistics, small: its whole table takes minutes."""

from pathlib import Path

import numpy as np
import pytest

from analysis.statistics.contrasts import contrasts
from analysis.statistics.moderated import differences
from benchmarks.calibration import SPREADS, Critical, Setting, calibrate, default, draw, table
from tests.analysis.test_statistics import frame


@pytest.fixture(scope="module")
def critical() -> Critical:
    return Critical(4)


@pytest.mark.parametrize("spread", SPREADS)
def test_false_positives_coverage_and_power_are_as_claimed(spread: str, critical: Critical) -> None:
    """1,000 replicates: three standard errors around the limits of the benchmark."""
    rates = calibrate(Setting(5, 4, spread), 1000, critical)
    assert rates["false"] < 0.055 + 0.021
    assert 0.93 - 0.021 < rates["coverage"] < 0.97 + 0.016
    assert rates["one"] > rates["one_paired"] - 0.03
    assert rates["all"] > rates["all_paired"] - 0.03


def test_the_benchmark_rejects_what_the_library_rejects(critical: Critical) -> None:
    for seed in range(12):
        data = frame(4, 5, shift=3.0, seed=seed)
        grid = data["score"].to_numpy(float).reshape(1, 5, 4)
        outside, rejected = default(grid, critical)
        result = contrasts(data, "c0")
        sure = (result["p"] - 0.05).abs() > 0.002
        assert (rejected[0] == (result["p"] < 0.05))[sure].all()
        assert (outside[0] == ((result["low"] > 0) | (result["high"] < 0)))[sure].all()


def test_interpolated_quantiles_are_close_to_the_exact_ones(critical: Critical) -> None:
    from analysis.statistics.max_t import EqualMaxT

    for m, df, rho in ((4, 3.3, 0.4), (2, 9.0, 0.1), (3, 40.0, 0.5), (1, 2.0, 0.0)):
        found = critical(np.array([float(m)]), np.array([df]), np.array([rho]))[0]
        assert found == pytest.approx(EqualMaxT(m, df, rho).quantile(0.95), rel=0.01)


def test_the_same_seeds_give_the_same_table_and_a_figure(tmp_path: Path) -> None:
    rates = table(200, (2,), (3,))
    assert rates.equals(table(200, (2,), (3,)))
    draw(rates, tmp_path / "calibration.png")
    assert (tmp_path / "calibration.png").stat().st_size > 10_000


def test_the_degrees_of_freedom_are_never_below_those_of_the_paired_t_test() -> None:
    for n in (2, 3, 5, 10):
        found = differences(np.random.default_rng(n).normal(size=(300, 9, n)))
        assert (found.df >= n - 1 - 1e-9).all()
