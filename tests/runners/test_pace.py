"""The time left is never told from one run, counts packs under way, and comes true; a command says what it does."""

import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runners import ledger
from runners.ablate import app
from runners.pace import Estimate, Pace
from tests.runners.conftest import SMOKE, Store


def begin(pace: Pace, pack: int, size: int, now: float) -> list[str]:
    keys = [f"{pack}:{i}" for i in range(size)]
    pace.begins(keys, now)
    return keys


def test_nothing_is_told_from_one_run() -> None:
    pace = Pace(jobs=2)
    begin(pace, 0, 1, 0.0)
    pace.ends("0:0", 50.0)
    assert pace.left(1, 319, 50.0, 50.0) is None
    assert pace.rate(1, 50.0, 50.0) is None


def test_until_there_is_a_rate_the_time_left_is_that_of_the_estimate_less_what_is_under_way() -> None:
    pace = Pace(jobs=2, estimate=Estimate(1.0, "a probe"))
    assert pace.left(0, 320, 0.0, 0.0) == pytest.approx(160)
    for pack in range(2):
        begin(pace, pack, 16, 0.0)
    assert pace.left(0, 320, 8.0, 8.0) == pytest.approx(152)
    # A pack that takes longer than it should is not yet done.
    assert pace.left(0, 320, 60.0, 60.0) == pytest.approx((320 - 2 * 0.95 * 16) / 2)


@pytest.mark.parametrize(("each", "estimate"), [(1.0, None), (1.0, 1.0), (3.0, 1.0), (0.2, 1.0)])
def test_the_time_left_comes_true_whatever_the_estimate_was(each: float, estimate: float | None) -> None:
    """20 packs of 16 runs, two at a time, as by a clock: after a fifth of the study it is right within a fifth."""
    pace = Pace(jobs=2, estimate=None if estimate is None else Estimate(estimate, "a probe"))
    whole, done = 10 * 16 * each, 0
    for wave in range(10):
        begun = wave * 16 * each
        packs = [begin(pace, 2 * wave + one, 16, begun) for one in range(2)]
        now = begun + 8 * each
        left = pace.left(done, 320 - done, now, now)
        if wave >= 2:
            assert left == pytest.approx(whole - now, rel=0.2)
        for keys in packs:
            for key in keys:
                pace.ends(key, each)
        done += 32


def test_what_failed_at_once_does_not_count_and_what_is_tried_again_begins_anew() -> None:
    pace = Pace(jobs=1, estimate=Estimate(2.0, "a probe"))
    begin(pace, 0, 4, 0.0)
    pace.ends("0:0", None)
    for i in (1, 2, 3):
        pace.waits(f"0:{i}")
    assert pace.seconds() == 2.0
    assert pace.left(1, 3, 100.0, 100.0) == pytest.approx(6.0)
    begin(pace, 0, 4, 100.0)
    assert pace.left(1, 3, 101.0, 101.0) == pytest.approx(5.0)


def said(tmp_path: Path, uri: str, *options: str) -> list[str]:
    matrix = tmp_path / "tiny.yaml"
    matrix.write_text(SMOKE)
    done = CliRunner().invoke(app, ["--matrix", str(matrix), "--tracking-uri", uri, *options])
    assert done.exit_code == 0, done.output
    return done.stderr.splitlines()


def test_a_command_begins_with_the_study_and_the_store_and_what_is_in_it(store: Store, tmp_path: Path) -> None:
    lines = said(tmp_path, store.uri, "--executor", "inprocess")
    assert lines[0] == f"study tiny: 4 cells x 2 seeds = 8 runs ({tmp_path / 'tiny.yaml'})"
    assert lines[1] == f"store: {store.uri.removeprefix('sqlite:///')}, with tiny (8 runs)"
    assert lines[2] == "loading the data ..."


def test_a_new_store_is_said_to_be_new_and_what_is_waited_for_is_named(tmp_path: Path) -> None:
    lines = said(tmp_path, f"sqlite:///{tmp_path}/new.db", "--executor", "inprocess", "--seeds", "1")
    assert lines[1] == f"store: {tmp_path}/new.db, new"
    assert lines[2:5] == ["loading the data ...", "tiny: 4 of 4 runs to do", "creating the store ..."]


def test_a_store_of_other_studies_names_them_and_says_that_this_one_is_new_in_it(store: Store, tmp_path: Path) -> None:
    lines = said(tmp_path, store.uri, "--dry-run")
    assert "is new in it" not in lines[1]
    (tmp_path / "other.yaml").write_text(SMOKE.replace("study: tiny", "study: other"))
    done = CliRunner().invoke(app, ["--matrix", str(tmp_path / "other.yaml"), "--tracking-uri", store.uri, "--dry-run"])
    assert done.stderr.splitlines()[1].endswith("with tiny (8 runs); other is new in it")


def test_deleted_runs_and_experiments_are_not_listed(store: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with sqlite3.connect(store.uri.removeprefix("sqlite:///")) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    assert ledger.studies(f"sqlite:///{copy}") == {"tiny": 8}
    with sqlite3.connect(copy) as changed:
        changed.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = (SELECT run_uuid FROM tags "
                        "WHERE key = 'ablation.seed' LIMIT 1)")  # fmt: skip
    assert ledger.studies(f"sqlite:///{copy}") == {"tiny": 7}
    with sqlite3.connect(copy) as changed:
        changed.execute("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'tiny'")
    assert ledger.studies(f"sqlite:///{copy}") == {}
    for connection in (source, target, changed):
        connection.close()
