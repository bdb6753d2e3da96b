"""A study whose seeds are added until its contrasts are decided: what it runs, and that it ends the same anyhow."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from rich.console import Console
from typer.testing import CliRunner

from ablations import sequential
from ablations.record import Outcome, RunRecord, Stopping
from ablations.results import Predictions
from ablations.study import load
from analysis.decisions import decisions_table, looks
from analysis.factors import effects_table
from analysis.figures import decisions
from analysis.figures.style import style
from analysis.planned_runs import NOT_NEEDED
from analysis.report import app as report
from analysis.runs import Store as Reader
from analysis.runs import StudyRuns
from analysis.tables import cells_table
from runners import ablate, planner, rounds
from runners.driver import Driver
from runners.executors import Message
from runners.executors.inprocess import InProcess
from runners.planner import Pack, RunSpec
from runners.store import artifact
from tests.runners.conftest import SMOKE

MATRIX = """
study: tiny
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}}
metric: {sesoi: 0.03}
factors: {loss.encoder_weight: [0.05, 0.1, 0.2, 0.3]}
seeds: {min: 3, max: 14, until: decided}
"""
EFFECTS = {0.1: 0.1, 0.2: -0.04}  # of encoder weights; .3 does nothing
PREDICTIONS = Predictions(b"", ("a",), False, ((1,),))

Score = Callable[[RunSpec], float | Outcome]


def scored(spec: RunSpec) -> float:
    weight = spec.config.loss.encoder_weight
    return 0.6 + EFFECTS.get(weight, 0.0) + 0.01 * float(np.random.default_rng([spec.seed, int(100 * weight)]).normal())


class Late(InProcess):
    """Knows how many jobs it has when it has started, as Ray does."""

    def __init__(self, jobs: int) -> None:
        super().__init__()
        self.room, self.started = jobs, False

    @property
    def jobs(self) -> int:  # type: ignore[override]
        assert self.started
        return self.room

    def __enter__(self) -> Self:
        self.started = True
        return self


class Sequential:
    """A study in a store of its own; its runs have made-up scores."""

    def __init__(self, folder: Path, text: str = MATRIX) -> None:
        self.uri, self.path = f"sqlite:///{folder}/mlflow.db", folder / "m.yaml"
        self.path.write_text(text)
        self.study = load(self.path)
        self.plan = planner.make_plan(self.study)
        self.ran: list[tuple[str, int]] = []
        self.score: Score = scored

    def run_pack(self, pack: Pack, _: float, report: Callable[[Message], None], *_checkpoints: object) -> None:
        for spec in pack.runs:
            self.ran.append((spec.cell_id, spec.seed))
            score = self.score(spec)
            outcome = score if isinstance(score, Outcome) else Outcome.FINISHED
            error = "Error: lost" if outcome is Outcome.FAILED else None
            finished = not isinstance(score, Outcome)
            final = {"test/weighted_f1": score} if not isinstance(score, Outcome) else {}
            predictions = PREDICTIONS if finished else None
            report(RunRecord(spec.run_key, outcome, (), final, predictions, error, 1e9, 1.0, {}))

    def run(self, jobs: int = 1) -> int:
        executor = Late(jobs)
        return Driver(self.uri, executor, Console(quiet=True)).bring_up_to_date(self.study, self.plan)

    def state(self) -> rounds.Round:
        return rounds.read(self.uri, self.study, self.plan, 1)

    def kept(self) -> str:
        client = MlflowClient(self.uri)
        experiment = client.get_experiment_by_name("tiny")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id], "tags.`ablation.kind` = 'study'")
        return artifact(client, run.info.run_id, "decisions.csv")

    def load(self) -> StudyRuns:
        return Reader(self.uri).load("tiny")

    def weight(self, weight: float) -> str:
        return next(cell.cell_id for cell in self.study.cells if cell.config.loss.encoder_weight == weight)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sequential:
    """Run without an interruption; only looked at."""
    whole = Sequential(tmp_path_factory.mktemp("whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runners.trial.run_pack", whole.run_pack)
        assert whole.run() == 0
    return whole


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sequential:
    made = Sequential(tmp_path)
    monkeypatch.setattr("runners.trial.run_pack", made.run_pack)
    return made


def seeds(made: Sequential) -> dict[float, int]:
    """How many each encoder weight got."""
    weights = {cell.cell_id: cell.config.loss.encoder_weight for cell in made.study.cells}
    return {weight: sum(ran == cell for ran, _ in made.ran) for cell, weight in weights.items()}


def test_seeds_are_added_to_undecided_contrasts_and_to_the_baseline(whole: Sequential) -> None:
    found = {path.cell.cell_id: path for path in whole.state().paths}
    assert found[whole.weight(0.1)].decision == "better"
    assert found[whole.weight(0.2)].decision == "worse"
    assert found[whole.weight(0.3)].decision == "equivalent"
    ran = seeds(whole)
    assert ran[0.1] == sequential.first_round(whole.plan) == 6
    assert ran[0.05] == max(ran.values()) > 6
    assert len(set(whole.ran)) == len(whole.ran)
    assert whole.state().runs == []


def test_a_round_goes_a_quarter_beyond_at_most(whole: Sequential) -> None:
    ran = [sum(cell == path.cell.cell_id for cell, _ in whole.ran) for path in whole.state().paths]
    for path, number in zip(whole.state().paths, ran, strict=True):
        assert path.wanted <= number <= max(6, 1.25 * path.wanted)


def test_run_again_it_does_nothing(whole: Sequential) -> None:
    before, kept = list(whole.ran), whole.kept()
    assert whole.run() == 0
    assert (whole.ran, whole.kept()) == (before, kept)


@pytest.mark.parametrize("after", [3, 20, 27])
def test_after_an_interruption_the_decisions_are_the_same(whole: Sequential, made: Sequential, after: int) -> None:
    def interrupted(spec: RunSpec) -> float:
        if len(made.ran) > after:
            raise KeyboardInterrupt
        return scored(spec)

    made.score = interrupted
    with pytest.raises(KeyboardInterrupt):
        made.run()
    made.score = scored
    assert made.run() == 0
    assert made.kept() == whole.kept()


def test_with_more_jobs_the_decisions_and_the_tables_are_the_same(whole: Sequential, made: Sequential) -> None:
    made.run(jobs=16)
    assert len(made.ran) > len(whole.ran)
    assert made.kept() == whole.kept()
    pd.testing.assert_frame_equal(cells_table(made.load()).numbers, cells_table(whole.load()).numbers)


def test_a_failed_run_gives_no_pair_and_is_tried_again_next_time(whole: Sequential, made: Sequential) -> None:
    bad = made.weight(0.1), 2
    made.score = lambda spec: Outcome.FAILED if (spec.cell_id, spec.seed) == bad else scored(spec)
    assert made.run() == 1
    assert made.ran.count(bad) == 1
    assert "better" in made.kept()
    assert "1 failed" in decisions_table(made.load()).caption
    made.score = scored
    assert made.run() == 0
    assert made.ran.count(bad) == 2
    assert made.kept() == whole.kept()


def test_a_cell_that_never_finishes_ends_after_the_first_round(made: Sequential) -> None:
    lost = made.weight(0.2)
    made.score = lambda spec: Outcome.DIVERGED if spec.cell_id == lost else scored(spec)
    assert made.run() == 0
    assert seeds(made)[0.2] == 6
    assert decisions_table(made.load()).numbers.loc[lost, "decision"] == "undecided"
    assert made.state().runs == []


def test_what_was_not_needed_is_no_hole(whole: Sequential) -> None:
    runs = whole.load()
    assert runs.holes().empty
    assert set(runs.frame["outcome"]) == {Outcome.FINISHED, NOT_NEEDED}
    table = cells_table(runs)
    assert "INCOMPLETE" not in table.caption
    assert "anytime-valid" in table.caption
    assert table.readable["n"].to_list()[1] == "6"
    assert "do not test" in effects_table(runs).caption
    for _, row in table.numbers.dropna(subset=["p"]).iterrows():
        assert (row["p"] <= 0.05) == (row["difference_low"] >= 0 or row["difference_high"] <= 0)


def test_a_run_that_the_rule_wants_is_a_hole(made: Sequential) -> None:
    made.run()
    run_id = made.load().frame["run_id"].iloc[1]
    MlflowClient(made.uri).delete_run(str(run_id))
    assert made.load().holes()["outcome"].to_list() == ["missing"]
    assert made.run() == 0
    assert made.load().holes().empty


def test_what_is_kept_is_what_the_analysis_computes(whole: Sequential) -> None:
    drawn, stored = looks(whole.load()), pd.read_csv(io.StringIO(whole.kept()))
    assert stored["e_value"].to_list() == drawn["e_value"].to_list()
    last = [frame.groupby("name", sort=False)["decision"].last().to_list() for frame in (stored, drawn)]
    assert last[0] == last[1]
    with style():
        figure = decisions.draw(drawn, sequential.threshold(whole.plan))
    assert figure.axes[0].get_yscale() == "log"
    assert {text.get_text() for text in figure.axes[0].texts} == {*drawn["name"], "decided"}


def test_the_report_has_the_decisions(tmp_path: Path) -> None:
    text = SMOKE.replace("seeds: 2", "seeds: {min: 2, max: 3, until: decided}")
    matrix, uri = tmp_path / "m.yaml", f"sqlite:///{tmp_path}/mlflow.db"
    matrix.write_text(text)
    options = ["--matrix", str(matrix), "--tracking-uri", uri]
    planned = CliRunner().invoke(ablate.app, [*options, "--dry-run"])
    assert "4 cells x 2 to 3 seeds = 8 to 12 runs, until decided" in planned.output
    assert "no data can decide before 3 seeds" in planned.output
    assert CliRunner().invoke(ablate.app, [*options, "--executor", "inprocess"]).exit_code == 0
    done = CliRunner().invoke(report, ["--study", "tiny", "--out", str(tmp_path / "out"), "--tracking-uri", uri])
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"decisions.csv", "decisions.md", "decisions.tex", "decisions.pdf", "decisions.png"} <= names


def test_until_decided_takes_the_number_of_seeds_for_the_least(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(SMOKE)
    study = load(path, until_decided=True)
    assert (study.seeds, study.matrix.stopping()) == (tuple(range(30)), Stopping(2))
    assert study.text.startswith("# --until-decided\n")
    assert load(path, seeds=[0, 1, 2], until_decided=True).matrix.stopping() == Stopping(3)
    path.write_text(MATRIX)
    assert load(path, until_decided=True).seeds == tuple(range(14))


@pytest.mark.parametrize(
    ("seeds", "options", "message"),
    [
        ("{min: 5, max: 4, until: decided}", [], "m.yaml: line 7: seeds: min (5) must not be larger than max (4)"),
        ("{min: 1, max: 4, until: decided}", [], "seeds.min: input should be greater than or equal to 2, got 1"),
        ("{min: 3, max: 4, until: bored}", [], "line 7: seeds.until: input should be 'decided', got 'bored'"),
        ("{min: 3, mx: 4, until: decided}", [], "line 7: unknown key 'seeds.mx'; did you mean 'max'?"),
        ("{min: 3, until: decided}", [], "line 7: the key 'seeds.max' is missing"),
        ("{min: 3, max: 4, until: decided}", ["--seeds", "5"], "line 7: seeds are added until the contrasts are"),
        ("[4, 7]", ["--until-decided"], "--until-decided: needs a number of seeds to begin with, got the list [4, 7]"),
        ("1", ["--until-decided"], "seeds.min: input should be greater than or equal to 2, got 1"),
        ("31", ["--until-decided"], "seeds: min (31) must not be larger than max (30)"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, seeds: str, options: list[str], message: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(SMOKE.replace("seeds: 2", f"seeds: {seeds}"))
    done = CliRunner().invoke(ablate.app, ["--matrix", str(path), *options, "--dry-run"])
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_search_has_a_number_of_seeds(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    root = Path(__file__).parents[2]
    text = (root / "ablations" / "search.yaml").read_text()
    path.write_text(text.replace("seeds: 5", "seeds: {min: 3, max: 9, until: decided}"))
    done = CliRunner().invoke(ablate.app, ["--matrix", str(path), "--dry-run"])
    assert done.exit_code == 2
    assert "line 16: design 'search' needs a number or a list of seeds, not 'until: decided'" in done.stderr
