"""Total compute: of every run, whatever came of it."""

import pytest

from ablations.record import Kind, Tag
from analysis.database import StoredRun
from analysis.manifest import compute
from analysis.runs import StudyRuns
from tests.analysis.conftest import grid_plan, study


def stored(run_id: str, status: str, seconds: float | None, outcome: str = "", kind: str = Kind.CELL) -> StoredRun:
    tags = {str(Tag.KIND): str(kind)} | ({str(Tag.OUTCOME): outcome, "device": "cpu"} if outcome else {})
    return StoredRun(run_id, status, 0, None if seconds is None else round(1000 * seconds), tags, {})


@pytest.fixture
def runs() -> StudyRuns:
    return study(grid_plan(seeds=1), {})


def test_every_run_counts_by_part_outcome_and_device(runs: StudyRuns) -> None:
    mine, other = runs.frame["run_id"].tolist()[:2]
    found = compute(
        runs,
        [
            stored("plan", "FINISHED", 99, kind=Kind.STUDY),
            stored(mine, "FINISHED", 1800, "finished"),
            stored(other, "FINISHED", 600, "diverged"),
            stored("earlier", "FAILED", 300, "failed"),
            stored("stale", "FINISHED", 900, "finished"),
            stored("trial", "FINISHED", 180, "finished", Kind.SEARCH),
            stored("now", "RUNNING", None),
        ],
    )
    assert found["hours"] == pytest.approx((1800 + 600 + 300 + 900 + 180) / 3600, abs=1e-4)
    assert found["runs"] == 6
    rows = {(row["part"], row["outcome"], row["device"]): (row["runs"], row["seconds"]) for row in found["parts"]}
    assert rows == {
        ("tables", "finished", "cpu"): (1, 1800),
        ("tables", "diverged", "cpu"): (1, 600),
        ("other", "failed", "cpu"): (1, 300),
        ("other", "finished", "cpu"): (1, 900),
        ("search", "finished", "cpu"): (1, 180),
        ("other", "running", "unknown"): (1, 0),
    }


def test_a_killed_run_counts_no_longer_than_a_complete_one(runs: StudyRuns) -> None:
    complete, long_dead = stored("a", "FINISHED", 60, "finished"), stored("b", "KILLED", 86_400)
    assert compute(runs, [complete, long_dead, stored("c", "KILLED", 20)])["hours"] == pytest.approx(
        140 / 3600, abs=1e-4
    )
