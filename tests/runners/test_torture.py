"""A study whose processes are killed ends as one that nobody disturbed; ``make torture`` does it 30 times."""

import time
from pathlib import Path

import pytest

from benchmarks.torture import empty_store, faults, matrix, new_store, start, strike, trials, values
from tests.runners.drivers import until

pytestmark = pytest.mark.timeout(300)

TEXT = matrix(dialogues=30, epochs=8).replace("seeds: 4", "seeds: 2")
SHORT = matrix(dialogues=12, epochs=1).replace("seeds: 4", "seeds: 1")


def while_it_trains(driver: int) -> None:
    until(lambda: trials(driver))
    time.sleep(1)


@pytest.mark.slow
def test_a_killed_driver_or_worker_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    template = empty_store(tmp_path)
    quiet = new_store(tmp_path / "quiet", template, TEXT)
    assert start(quiet).wait() == 0, (quiet / "log.txt").read_text()
    undisturbed = values(quiet)
    assert len({key for key, _, _ in undisturbed}) == 12
    driver = strike(new_store(tmp_path / "driver", template, TEXT), while_it_trains, True, undisturbed)
    worker = strike(new_store(tmp_path / "worker", template, TEXT), while_it_trains, False, undisturbed)
    assert (driver.victim, driver.faults) == ("the driver", ())
    assert (worker.victim, worker.faults) == ("a worker", ())


def test_the_check_sees_what_is_lost(tmp_path: Path) -> None:
    template = empty_store(tmp_path)
    folder = new_store(tmp_path / "one", template, SHORT)
    assert start(folder, "--executor", "inprocess").wait() == 0
    assert faults(folder, 0, values(folder)) == []
    more = values(folder) | {("other", "train/loss/total", 0): (1.0, False)}
    assert faults(folder, 1, more) == ["exit code 1", "other is not finished", "the metrics of other differ"]
