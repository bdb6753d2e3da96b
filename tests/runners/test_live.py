"""The live view: marks follow what happens, numbers are those of scipy, and it fits its screen; so does ``--watch``."""

import io
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner, Result

from ablations.record import Kind, Metric, Outcome, Plan, PlannedCell, RunRecord
from ablations.results import Predictions
from ablations.study import load
from model.config import RunConfig
from runners import ledger, live, planner, watch
from runners.ablate import app
from runners.driver import Driver
from runners.executors.inprocess import InProcess
from runners.live import LiveState, Mark, Status
from runners.pace import Estimate, Pace
from runners.planner import RunSpec
from runners.progress import ProgressView
from runners.retries import lost
from runners.screen import Frame, draw, duration, pace_of, shortened
from tests.runners.conftest import SMOKE, Store, run

CONFIG = RunConfig()
NOTHING = Predictions(b"", ("a",), False, ((1,),))
METRIC = "test/weighted_f1"


def plan_of(cells: int, seeds: int, direction: str = "max", name: str = "cell {}") -> Plan:
    metric = Metric(METRIC, "min" if direction == "min" else "max")
    planned = tuple(PlannedCell(f"c{i}", name.format(i), {}, {}, "data") for i in range(cells))
    return Plan("study", metric, "c0", {}, planned, tuple(range(seeds)), "code")


def spec(cell: int, seed: int) -> RunSpec:
    return RunSpec(f"c{cell}:{seed}", f"c{cell}", f"cell {cell} s{seed}", CONFIG, seed, "data")


def record(run: RunSpec, score: float | None = 0.5) -> RunRecord:
    """A finished run; a diverged one without a score."""
    outcome = Outcome.DIVERGED if score is None else Outcome.FINISHED
    final, predictions = ({}, None) if score is None else ({METRIC: score}, NOTHING)
    return RunRecord(run.run_key, outcome, (), final, predictions, None, 0.0, 1.0, {})


def every(cells: int, seeds: int) -> list[RunSpec]:
    return [spec(cell, seed) for seed in range(seeds) for cell in range(cells)]


def begun(cells: int = 2, seeds: int = 2) -> LiveState:
    state = LiveState(plan_of(cells, seeds))
    state.wants(every(cells, seeds))
    return state


def text(state: LiveState, width: int = 80, height: int = 24, plain: bool = False) -> str:
    return draw(state, pace_of(state, Pace(), 60.0, 60.0), Frame(width, height, plain)).plain


# What happens to a run.


def test_a_run_waits_begins_and_ends() -> None:
    state, first = begun(), spec(1, 0)
    assert state.mark(1, 0) is Mark.WAITING
    state.begins([first])
    assert (state.mark(1, 0), state.count(Mark.BEGUN), state.done) == (Mark.BEGUN, 1, 0)
    state.ends(first, record(first))
    assert (state.mark(1, 0), state.count(Mark.BEGUN), state.done, state.total) == (Mark.FINISHED, 0, 1, 4)


def test_a_run_that_fails_is_counted_and_one_that_is_tried_again_waits() -> None:
    state, first, second = begun(), spec(0, 0), spec(1, 0)
    state.begins([first, second])
    state.waits(first)
    state.ends(second, lost("c1:0", "Trace\nRuntimeError: no luck"), "python -m x --only c1:0")
    assert (state.mark(0, 0), state.mark(1, 0)) == (Mark.WAITING, Mark.FAILED)
    assert (state.done, state.failed, state.counts()) == (1, 1, "1 of 4 runs are done, 1 failed")
    assert (state.status(0), state.status(1)) == (Status.OPEN, Status.FAILED)


def test_the_first_run_with_an_error_is_named_and_the_others_are_counted() -> None:
    state = begun(3, 1)
    for cell in range(3):
        state.ends(spec(cell, 0), lost(f"c{cell}:0", "E: again" if cell else "E: once"), f"repeat {cell}")
    found = [(failure.error, failure.count, failure.name, failure.repeat) for failure in state.failures.values()]
    assert found == [("E: once", 1, "cell 0 s0", "repeat 0"), ("E: again", 2, "cell 1 s0", "repeat 1")]


def test_a_diverged_run_is_done_and_has_no_score() -> None:
    state = begun()
    state.ends(spec(1, 0), record(spec(1, 0), None))
    assert (state.mark(1, 0), state.diverged, state.of_cell(1)) == (Mark.DIVERGED, 1, (1, 2, None))


def test_what_was_in_the_store_counts_for_its_cell_but_not_as_done() -> None:
    state = LiveState(plan_of(2, 2))
    state.stored("c0", 0, Mark.STORED, 0.25)
    state.wants(run for run in every(2, 2) if run.run_key != "c0:0")
    assert (state.total, state.done, state.of_cell(0)) == (3, 0, (1, 2, 0.25))
    assert state.mark(0, 0) is Mark.STORED


def test_what_is_run_again_although_it_is_there_waits() -> None:
    state = LiveState(plan_of(1, 1))
    state.stored("c0", 0, Mark.STORED, 0.25)
    state.wants([spec(0, 0)])
    assert (state.mark(0, 0), state.total, state.of_cell(0)[:2]) == (Mark.WAITING, 1, (0, 1))


def test_what_another_driver_ends_is_none_of_this_one() -> None:
    state = begun()
    state.elsewhere(spec(0, 0), failed=False)
    state.elsewhere(spec(1, 0), failed=True)
    assert (state.total, state.done, state.others, state.failed) == (2, 0, 2, 1)
    assert "2 by other drivers" in text(state)


def test_a_proposed_cell_is_added_with_all_its_runs() -> None:
    state = LiveState(plan_of(1, 2), more=4)
    state.wants(every(1, 2))
    assert (state.total, state.count(Mark.WAITING)) == (6, 6)
    state.ends(spec(7, 1), record(spec(7, 1)))
    assert (state.names, state.total, state.count(Mark.WAITING)) == (["cell 0", "cell 7"], 6, 5)
    assert (state.mark(1, 0), state.mark(1, 1)) == (Mark.WAITING, Mark.FINISHED)


def test_cells_may_have_different_numbers_of_seeds() -> None:
    state = LiveState(plan_of(2, 30))
    state.wants([spec(0, 0), spec(1, 0)])
    assert state.width == 1
    for cell, seed in [(0, 0), (1, 0), (0, 1)]:
        state.wants([spec(cell, seed)])
        state.ends(spec(cell, seed), record(spec(cell, seed)))
    assert (state.width, state.row(0)[1], state.row(1)[1]) == (2, Mark.FINISHED, Mark.BLANK)
    assert (state.of_cell(0)[:2], state.of_cell(1)[:2]) == ((2, 2), (1, 1))


@pytest.mark.parametrize("seed", range(5))
def test_the_cells_are_counted_as_their_runs_are(seed: int) -> None:
    rng, state = np.random.default_rng(seed), LiveState(plan_of(6, 4))
    runs = every(6, 4)
    state.wants(runs[:18])
    for i in rng.permutation(18)[:12]:
        state.begins([runs[i]])
        ended = (record(runs[i]), record(runs[i], None), lost(runs[i].run_key, "E"))[rng.integers(3)]
        state.ends(runs[i], ended)
    assert state.tally == {status: sum(state.status(row) is status for row in range(6)) for status in Status}
    assert sum(state.count(mark) for mark in Mark) == 24
    assert state.done == 12 == 18 - state.count(Mark.WAITING)


# Who is ahead.


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_cell_is_that_of_a_paired_t_interval_by_scipy(seed: int, direction: str) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.5, 0.1, (5, 7))
    state = LiveState(plan_of(5, 7, direction))
    runs = every(5, 7)
    state.wants(runs)
    there = np.zeros((5, 7), bool)
    for i in rng.permutation(len(runs))[:25]:
        cell, column = i % 5, i // 5
        diverged = rng.random() < 0.1
        there[cell, column] = not diverged
        state.ends(runs[i], record(runs[i], None if diverged else float(scores[cell, column])))
    pairs = {cell: there[0] & there[cell] for cell in range(1, 5)}
    means = {cell: (scores[cell] - scores[0])[both].mean() for cell, both in pairs.items() if both.sum() >= 2}
    wanted = (max if direction == "max" else min)(means, key=lambda cell: means[cell])
    both = pairs[wanted]
    interval = stats.ttest_rel(scores[wanted][both], scores[0][both]).confidence_interval(0.95)
    best = state.leader.best()
    assert best is not None
    assert (best.row, best.n) == (wanted, both.sum())
    assert (best.difference, best.low, best.high) == pytest.approx((means[wanted], *interval))
    assert f"{best.n} seeds that both have" in text(state)


def test_nobody_is_ahead_before_two_seeds_in_common() -> None:
    state = begun(2, 3)
    for cell, seed in [(0, 0), (1, 0), (1, 1), (0, 2)]:
        state.ends(spec(cell, seed), record(spec(cell, seed)))
    assert state.leader.best() is None
    assert "not before a cell and the baseline have 2 seeds in common" in text(state)


def test_it_says_when_none_is_ahead() -> None:
    state = begun(2, 2)
    for cell, seed in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        state.ends(spec(cell, seed), record(spec(cell, seed), 0.6 - 0.1 * cell))
    assert "none is ahead of the baseline so far, the closest is: cell 1" in text(state)
    assert "−0.1000 [−0.1000, −0.1000] in test/weighted_f1 to cell 0" in text(state)
    assert "so far, not adjusted" in text(state)


# What is drawn.


def busy(cells: int, seeds: int, name: str = "cell {}") -> LiveState:
    """Some runs in each state."""
    state, rng = LiveState(plan_of(cells, seeds, name=name)), np.random.default_rng(0)
    runs = every(cells, seeds)
    for run_ in runs[: len(runs) // 10]:
        state.stored(run_.cell_id, run_.seed, Mark.STORED, 0.4)
    state.wants(runs[len(runs) // 10 :])
    for run_ in runs[len(runs) // 10 : len(runs) // 2]:
        score = None if rng.random() < 0.05 else float(rng.random())
        failed = rng.random() < 0.05
        state.ends(
            run_, lost(run_.run_key, f"E: {run_.seed % 5}") if failed else record(run_, score), f"do {run_.name}"
        )
    state.begins(runs[len(runs) // 2 : len(runs) // 2 + 3])
    return state


LONG = "enc=0.0{0} cl=0.2 smooth_l1 focal alpha=1 gamma=2 裏 and what else may be varied {0}"


@pytest.mark.parametrize(("cells", "seeds"), [(1, 1), (1, 40), (40, 1), (4, 2), (64, 5), (300, 20), (3, 1000)])
@pytest.mark.parametrize("name", ["cell {}", LONG])
@pytest.mark.parametrize("width", [40, 80, 140])
@pytest.mark.parametrize("color", [True, False])
def test_it_fits_its_screen_and_each_cell_is_shown_or_counted(
    cells: int, seeds: int, name: str, width: int, color: bool
) -> None:
    state, height = busy(cells, seeds, name), 24
    console = Console(
        width=width, height=height, file=io.StringIO(), force_terminal=True, record=True, no_color=not color,
        color_system="truecolor" if color else None, legacy_windows=False,
    )  # fmt: skip
    console.print(draw(state, pace_of(state, Pace(), 60.0, 60.0), Frame(width, height)))
    lines = console.export_text().splitlines()
    assert len(lines) <= height
    assert max(cell_len(line) for line in lines) <= width
    shown = sum(bool(re.search(r"\d+/\d+( +\d\.\d+)? *$", line)) for line in lines[1:])
    more = re.search(r"and (\d+) more cells?: (.*)", " ".join(lines))
    assert shown + (int(more[1]) if more else 0) == cells
    if more:
        assert sum(map(int, re.findall(r"(\d+) (?:done|to go|with failures|not asked for)", more[2]))) == int(more[1])
    assert f"{state.done}/{state.total} runs" in lines[0]


def test_each_state_has_its_mark_without_colour() -> None:
    state = LiveState(plan_of(1, 7))
    state.stored("c0", 0, Mark.STORED, 0.5)
    state.wants(spec(0, seed) for seed in range(1, 6))
    state.ends(spec(0, 1), record(spec(0, 1)))
    state.ends(spec(0, 2), record(spec(0, 2), None))
    state.ends(spec(0, 3), lost("c0:3", "E"))
    state.begins([spec(0, 4)])
    assert "○ █ ! ✗ ▸ ·" in text(state)
    assert "o # ! x > ." in text(state, plain=True)
    assert text(state, plain=True).isascii()
    for words in ("1 waiting", "1 begun", "1 finished", "1 in the store before", "1 diverged", "1 failed"):
        assert words in text(state)


def test_several_seeds_in_a_column_show_what_needs_a_look_first() -> None:
    state = begun(1, 400)
    for seed in range(100):
        state.ends(spec(0, seed), record(spec(0, seed)) if seed != 50 else lost("c0:50", "E"))
    state.begins([spec(0, 200)])
    drawn = text(state)
    assert re.search(r"0\.\.399, \d+ a column", drawn)
    assert re.search(r"█+✗█+▒?·+▸·+ ", drawn)


def test_of_many_cells_those_in_work_and_the_newest_are_shown() -> None:
    state = begun(100, 2)
    state.begins([spec(70, 0)])
    state.ends(spec(40, 0), record(spec(40, 0)))
    drawn = text(state, height=16)
    for name in ("cell 0 (baseline)", "cell 40 ", "cell 70 "):
        assert name in drawn
    assert re.search(r"and \d+ more cells: \d+ to go", drawn)


def test_failures_are_listed_with_what_repeats_them() -> None:
    state = begun(3, 1)
    for cell in range(3):
        state.ends(spec(cell, 0), lost(f"c{cell}:0", "RuntimeError: no luck"), f"python -m x --only c{cell}:0")
    drawn = text(state)
    assert "✗ 3 failed, the first is cell 0 s0: RuntimeError: no luck" in drawn
    assert "to repeat it alone: python -m x --only c0:0" in drawn


def test_a_name_cannot_break_a_line() -> None:
    state = LiveState(plan_of(2, 1, name="a\nb\x1b[31m {}"))
    state.wants(every(2, 1))
    assert "a b [31m 1" in text(state)


def test_long_names_keep_both_ends() -> None:
    assert shortened("beginning and end", 9) == "begi… end"
    assert shortened("short", 5) == "short"
    assert cell_len(shortened("裏" * 10, 8)) == 8


def test_times_are_in_few_words() -> None:
    assert [duration(s) for s in (5, 89, 120, 1500, 7260)] == ["5 s", "89 s", "2.0 min", "25 min", "2 h 01 min"]


def test_an_event_costs_the_same_in_a_large_study() -> None:
    def seconds(cells: int) -> float:
        state, runs = begun(cells, 20), every(cells, 20)
        start = time.perf_counter()
        for run_ in runs:
            state.begins([run_])
            state.ends(run_, record(run_))
        return (time.perf_counter() - start) / len(runs)

    assert seconds(300) < 5 * min(seconds(10) for _ in range(3))


# On a terminal, and where there is none.


def terminal(width: int = 100) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    environment = {"TERM": "xterm", "COLUMNS": str(width), "LINES": "30"}
    return Console(file=file, force_terminal=True, width=width, height=30, _environ=environment), file


def test_on_a_terminal_the_grid_stays_and_failures_follow_it() -> None:
    console, file = terminal()
    with ProgressView(console, LiveState(plan_of(2, 1))) as view:
        view.wants(every(2, 1))
        view.begins(every(2, 1))
        view.ended(spec(0, 0), record(spec(0, 0)))
        view.ended(spec(1, 0), lost("c1:0", "E: bad"), "repeat me")
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    assert "2/2 runs, 100 %" in shown
    assert shown.endswith("failed: cell 1 s0: E: bad\nto repeat it alone: repeat me\n")


def test_elsewhere_there_are_lines_and_failures_come_at_once() -> None:
    file = io.StringIO()
    with ProgressView(Console(file=file, width=80), LiveState(plan_of(2, 1))) as view:
        view.wants(every(2, 1))
        view.ended(spec(1, 0), lost("c1:0", "E: bad"), "repeat me")
        assert file.getvalue() == "failed: cell 1 s0: E: bad\n"
        view.ended(spec(0, 0), record(spec(0, 0)))
    assert re.sub(r"begun, .*", "begun", file.getvalue()).splitlines() == [
        "failed: cell 1 s0: E: bad",
        "2/2 runs, 1 failed, 0 begun",
        "to repeat it alone: repeat me",
    ]


def test_a_thread_may_draw_while_others_run() -> None:
    state, runs, over = LiveState(plan_of(50, 20)), every(50, 20), threading.Event()
    errors: list[BaseException] = []
    pace = Pace(2, Estimate(1.0, "a probe"))

    def drawing() -> None:
        try:
            while not over.is_set():
                draw(state, pace_of(state, pace, 1.0, 1.0), Frame(80, 24))
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=drawing)
    thread.start()
    state.wants(runs)
    for first in range(0, len(runs), 4):
        pace.begins([one.run_key for one in runs[first : first + 4]], 0.0)
    beginning = threading.Thread(target=state.begins, args=(runs,))
    beginning.start()
    beginning.join()
    for run_ in runs:
        state.ends(run_, record(run_) if run_.seed else lost(run_.run_key, f"E{run_.cell_id}"))
        pace.ends(run_.run_key, 1.0)
    over.set()
    thread.join()
    assert not errors
    assert state.done == 1000


# Of a study.


def ablate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["--matrix", *arguments])


def test_a_study_that_is_there_is_shown_with_its_scores(store: Store) -> None:
    state = live.of_store(store.uri, store.plan, ledger.read(store.uri, "tiny"), Kind.CELL)
    assert (state.count(Mark.STORED), state.total) == (8, 0)
    scores = ledger.metric(store.uri, "tiny", METRIC)
    assert state.leader.best() is not None
    assert len(scores) == 8


def test_plain_prints_lines_without_control_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.yaml").write_text(SMOKE.replace("seeds: 2", "seeds: 1"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    done = ablate(f"{tmp_path}/m.yaml", "--plain", "--executor", "inprocess", "--tracking-uri", uri)
    assert done.exit_code == 0, done.output
    assert re.search(r"^4/4 runs, 0 failed, 0 begun, .* so far$", done.stderr, re.MULTILINE)
    assert done.stderr.replace("\n", "").isprintable()


def test_watching_a_complete_study_ends_at_once_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(store.text)
    folder = Path(store.uri.removeprefix("sqlite:///")).parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    done = ablate(f"{tmp_path}/m.yaml", "--watch", "--tracking-uri", store.uri)
    assert done.exit_code == 0, done.output
    assert "8/8 runs, 0 failed" in done.stderr
    assert "tiny: nothing is missing: 8 of 8 runs are done, 0 failed" in done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def watched(
    folder: Path, matrix: str, steps: Sequence[Callable[[], object]], width: int = 80
) -> tuple[str, list[LiveState]]:
    """What is printed by watching while these things happen, and the states between; then Ctrl-C."""
    (folder / "tiny.yaml").write_text(matrix)
    study, uri, file = load(folder / "tiny.yaml"), f"sqlite:///{folder}/mlflow.db", io.StringIO()
    plan, states, waiting = planner.make_plan(study), list[LiveState](), list(steps)

    def sleep(seconds: float) -> None:
        assert seconds == 2.0
        states.append(watch.look(uri, study, plan).state)
        if not waiting:
            raise KeyboardInterrupt
        waiting.pop(0)()

    watch.watch(Console(file=file, width=width), uri, study, plan, sleep)
    return file.getvalue(), states


def test_watching_a_study_that_fills_up(tmp_path: Path) -> None:
    matrix = SMOKE.replace("study: tiny", "study: tiny\nbaseline: base")
    one, two = matrix.replace("seeds: 2", "seeds: 1"), matrix

    def go(text: str) -> Callable[[], object]:
        return lambda: run(tmp_path, text)

    printed, states = watched(tmp_path, two, [go(one), go(two)])
    assert printed.startswith("tiny: nothing of this study is in the store yet; waiting for it, until Ctrl-C\n")
    assert [(state.done, state.total) for state in states] == [(0, 8), (4, 8)]
    assert "8/8 runs, 0 failed, 0 begun" in printed
    assert printed.endswith("tiny: nothing is missing: 8 of 8 runs are done, 0 failed\n")
    assert printed.replace("\n", "").isprintable()


def test_watching_ends_by_an_interruption_without_a_trace(tmp_path: Path) -> None:
    printed, states = watched(tmp_path, SMOKE, [])
    assert printed.endswith("tiny: no longer watching; who runs the study goes on\n")
    assert states[0].count(Mark.WAITING) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_watching_shows_running_and_failed_runs(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    there = run(tmp_path)
    client, runs = MlflowClient(there.uri), ledger.read(there.uri, "tiny").of(Kind.CELL)
    client.set_terminated(runs[0].run_id, "RUNNING")
    client.set_tag(runs[1].run_id, "ablation.error", "E: bad")
    client.set_tag(runs[1].run_id, "ablation.repeat", "repeat me")
    client.set_terminated(runs[1].run_id, "FAILED")
    client.set_terminated(runs[2].run_id, "KILLED")
    printed, (state,) = watched(tmp_path, SMOKE, [])
    counts = {mark: state.count(mark) for mark in Mark if state.count(mark)}
    assert counts == {Mark.BEGUN: 1, Mark.FAILED: 1, Mark.WAITING: 1, Mark.FINISHED: 5}
    assert "tiny: 1 runs failed before; the same command without --watch repeats them" in printed
    assert "to repeat it alone: repeat me" in printed


def test_a_failure_while_watching_is_an_end_and_one_from_before_is_waited_for() -> None:
    failed, both = frozenset({"a"}), frozenset({"a", "b"})
    assert watch.Sight(begun(), failed, failed, last=True, begun=True).over(frozenset())
    assert not watch.Sight(begun(), failed, failed, last=True, begun=True).over(failed)
    assert not watch.Sight(begun(), both, failed, last=True, begun=True).over(frozenset())
    assert not watch.Sight(begun(), frozenset(), frozenset(), last=False, begun=True).over(frozenset())


SEARCHED = """
study: tiny
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 2}}
design: search
search: {method: bayesian, trials: 3, seeds: [7]}
factors:
  loss.encoder_weight: {low: 0.01, high: 1, log: true}
seeds: 2
"""
SEQUENTIAL = SMOKE.replace("seeds: 2", "seeds: {min: 2, max: 3, until: decided}")


@pytest.mark.parametrize("matrix", [SEARCHED, SEQUENTIAL])
def test_searches_and_growing_studies_are_shown_and_watched(tmp_path: Path, matrix: str) -> None:
    (tmp_path / "tiny.yaml").write_text(matrix)
    study, uri = load(tmp_path / "tiny.yaml"), f"sqlite:///{tmp_path}/mlflow.db"
    plan, (console, file) = planner.make_plan(study), terminal()
    assert Driver(uri, InProcess(), console).bring_up_to_date(study, plan) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    assert "runs, 100 %" in shown
    printed, states = watched(tmp_path, matrix, [])
    assert not states
    there = len(ledger.read(uri, "tiny").done())
    assert f"nothing is missing: {there} of {there} runs are done, 0 failed" in printed
