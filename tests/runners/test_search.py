"""A search: what it runs, what it goes on from, who wins, and that test has no say in it."""

import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from rich.console import Console
from typer.testing import CliRunner, Result

from ablations.record import Kind, Outcome, Plan, RunRecord, Tag
from ablations.results import Predictions
from ablations.study import Study, load
from model.training import Trainer
from runners import ablate, ledger, planner, search
from runners.driver import Driver
from runners.executors.inprocess import InProcess
from runners.search import Trials
from runners.store import artifact

BAYESIAN = """
study: tiny
base: {data: {dialogues: 30, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 2, learning_rate: 0.03}}
design: search
search: {method: bayesian, trials: 5, seeds: [100, 101]}
factors:
  loss.encoder_weight: {low: 1e-3, high: 1, log: true}
  loss.contrastive.weight: [0.1, 0.2, 0.5]
seeds: 2
"""
GRID = BAYESIAN.replace("method: bayesian, trials: 5", "method: grid").replace(
    "{low: 1e-3, high: 1, log: true}", "[0.05, 0.5]"
)


class Searched:
    """A search in a store of its own."""

    def __init__(self, folder: Path, text: str = BAYESIAN) -> None:
        self.folder, self.uri = folder, f"sqlite:///{folder}/mlflow.db"
        self.declare(text)

    def declare(self, text: str) -> None:
        path = self.folder / "m.yaml"
        path.write_text(text)
        self.study = load(path)
        self.plan = planner.make_plan(self.study)

    def run(self) -> int:
        return Driver(self.uri, InProcess(), Console(quiet=True)).bring_up_to_date(self.study, self.plan)

    def trials(self) -> Trials:
        return search.read(self.uri, self.study, self.plan)

    def decided(self) -> tuple[Study, Plan]:
        winner = self.trials().winner()
        assert winner is not None
        return search.decided(self.study, self.plan, winner)

    def runs(self, kind: Kind) -> list[Run]:
        client = MlflowClient(self.uri)
        experiment = client.get_experiment_by_name("tiny")
        assert experiment is not None
        return list(client.search_runs([experiment.experiment_id], f"tags.`{Tag.KIND}` = '{kind}'"))

    def stored(self, name: str) -> Plan:
        (run,) = self.runs(Kind.STUDY)
        return Plan.decode(artifact(MlflowClient(self.uri), run.info.run_id, name))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    made = Searched(tmp_path_factory.mktemp("search"))
    assert made.run() == 0
    return made


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """Encoder weight and seed of each training."""
    done: list[tuple[float, int]] = []
    fit = Trainer.fit

    def counted(self: Trainer, *arguments: Any) -> Any:
        done.extend((config.loss.encoder_weight, self.seed) for config in self.configs)
        return fit(self, *arguments)

    monkeypatch.setattr(Trainer, "fit", counted)
    return done


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException, when: Callable[[Trainer], bool]) -> None:
    epoch = Trainer._epoch

    def raises(self: Trainer, number: int, alive: Sequence[int]) -> Any:
        if when(self):
            raise error
        return epoch(self, number, alive)

    monkeypatch.setattr(Trainer, "_epoch", raises)


def test_every_trial_is_there_once_with_every_seed_of_the_search(searched: Searched) -> None:
    plan = searched.stored("search.json")
    runs = searched.runs(Kind.SEARCH)
    assert (len(plan.cells), plan.seeds) == (5, (100, 101))
    assert sorted(run.data.tags[Tag.RUN_KEY] for run in runs) == sorted(plan.run_keys())
    assert plan.metric.name == "best/dev/weighted_f1"
    assert plan.factors == {"loss.encoder_weight": "enc", "loss.contrastive.weight": "cl"}
    for run in runs:
        point = json.loads(run.data.tags[Tag.POINT])
        assert run.data.params["loss.encoder_weight"] == str(point["loss.encoder_weight"])
        assert run.data.tags[Tag.OUTCOME] == Outcome.FINISHED


def test_baseline_and_winner_are_run_on_fresh_seeds(searched: Searched) -> None:
    winner, plan = searched.trials().winner(), searched.stored("plan.json")
    assert winner is not None
    assert plan == searched.decided()[1]
    assert plan.cells[0].cell_id == plan.baseline
    assert [cell.name for cell in plan.cells] == ["baseline", f"{winner.name} (winner)"]
    assert ledger.read(searched.uri, "tiny").done() == plan.run_keys().keys()
    assert {run.data.tags[Tag.SEED] for run in searched.runs(Kind.CELL)} == {"0", "1"}
    assert all(Tag.POINT not in run.data.tags for run in searched.runs(Kind.CELL))


def test_the_baseline_is_a_trial_too(searched: Searched) -> None:
    trials = searched.trials()
    assert trials.plan.cells[0].cell_id == trials.plan.baseline == searched.plan.baseline


def test_running_again_trains_nothing(searched: Searched, trained: list[object]) -> None:
    assert searched.run() == 0
    assert trained == []


def test_an_interrupted_search_goes_on_to_the_same_points(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[tuple[float, int]]
) -> None:
    again = Searched(tmp_path)
    with monkeypatch.context() as patch:
        raising(patch, KeyboardInterrupt(), lambda _: len(trained) == 6)
        with pytest.raises(KeyboardInterrupt):
            again.run()
    assert len(again.runs(Kind.SEARCH)) == 5
    interrupted = trained.pop()
    assert again.run() == 0
    assert interrupted in trained
    assert len(set(trained[:10])) == len(trained[:10]) == 10
    assert again.stored("search.json") == searched.stored("search.json")
    assert again.stored("plan.json") == searched.stored("plan.json")
    assert again.trials().scores == searched.trials().scores


def test_more_trials_and_more_seeds_run_what_is_missing(tmp_path: Path, trained: list[tuple[float, int]]) -> None:
    made = Searched(tmp_path, BAYESIAN.replace("trials: 5", "trials: 3").replace("[100, 101]", "[100]"))
    made.run()
    before = [weight for weight, seed in trained if seed == 100]
    made.declare(BAYESIAN.replace("trials: 5", "trials: 4"))
    del trained[:]
    made.run()
    by_seed = {seed: [weight for weight, other in trained if other == seed] for seed in (100, 101)}
    assert sorted(by_seed[101]) == sorted([*before, *by_seed[100]])
    assert len(by_seed[100]) == 1
    assert len(made.stored("search.json").cells) == 4


def test_a_grid_tries_every_combination(tmp_path: Path, trained: list[tuple[float, int]]) -> None:
    made = Searched(tmp_path, GRID)
    assert made.run() == 0
    assert sum(seed >= 100 for _, seed in trained) == 2 * 3 * 2
    names = {cell.name for cell in made.stored("search.json").cells}
    assert names == {"baseline", "cl=0.1", "cl=0.5", "enc=0.5", "enc=0.5 cl=0.1", "enc=0.5 cl=0.5"}
    del trained[:]
    assert made.run() == 0
    assert trained == []


def with_scores(trials: Trials, *scores: float | None) -> Trials:
    """Trials that scored so with every seed; None for not finished with the last."""
    given: dict[str, float] = {}
    for cell, score in zip(trials.plan.cells, scores, strict=True):
        keys = [trials.plan.run_key(cell, seed) for seed in trials.plan.seeds]
        given |= dict.fromkeys(keys[:-1] if score is None else keys, 0.9 if score is None else score)
    return replace(trials, scores=given)


def test_the_best_mean_wins_and_of_equals_the_baseline_then_the_first_by_id(searched: Searched) -> None:
    trials = searched.trials()

    def winner(*scores: float | None) -> str | None:
        cell = with_scores(trials, *scores).winner()
        return cell.cell_id if cell else None

    ids = [cell.cell_id for cell in trials.plan.cells]
    assert winner(0.1, 0.2, 0.5, 0.3, 0.4) == ids[2]
    assert winner(0.5, 0.5, 0.5, 0.5, 0.5) == ids[0]
    assert winner(0.1, 0.5, 0.5, 0.5, 0.2) == min(ids[1:4])
    assert winner(0.1, 0.2, None, 0.3, 0.4) == ids[4]
    assert winner(None, None, None, None, None) is None


def test_a_baseline_that_wins_is_the_only_cell(searched: Searched) -> None:
    trials = with_scores(searched.trials(), 0.9, 0.1, 0.1, 0.1, 0.1)
    winner = trials.winner()
    assert winner is not None
    assert search.decided(searched.study, searched.plan, winner) == (searched.study, searched.plan)
    assert "the baseline is the best of 5 trials" in trials.verdict()


def test_the_score_of_a_trial_is_the_mean_of_its_runs_on_dev_at_the_chosen_epoch(searched: Searched) -> None:
    trials = searched.trials()
    cell = trials.plan.cells[2]
    runs = [run for run in searched.runs(Kind.SEARCH) if run.data.tags[Tag.CELL] == cell.cell_id]
    assert len(runs) == 2
    values = [run.data.metrics["best/dev/weighted_f1"] for run in runs]
    assert trials.score(cell) == pytest.approx(sum(values) / 2, abs=0)


def overwrite(uri: str, names: str) -> None:
    rng = random.Random(0)
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        connection.create_function("shuffled", 1, lambda _: rng.random())
        for table in ("latest_metrics", "metrics"):
            connection.execute(f"UPDATE {table} SET value = shuffled(value) WHERE key LIKE ?", (names,))
    connection.close()


def test_test_scores_do_not_influence_the_choice(tmp_path: Path) -> None:
    made = Searched(tmp_path, GRID)
    made.run()
    before = made.trials()
    overwrite(made.uri, "test/%")
    assert made.trials() == before
    assert made.decided()[1] == made.stored("plan.json")
    overwrite(made.uri, "best/dev/weighted_f1")
    assert made.trials() != before


def record(score: float, test: float) -> RunRecord:
    nothing = Predictions(b"", (), False, ())
    final = {"best/dev/weighted_f1": score, "test/weighted_f1": test}
    return RunRecord("k", Outcome.FINISHED, (), final, nothing, None, 1e9, 1.0, {})


def test_what_the_sampler_is_told_is_dev_alone_and_the_worst_unless_all_finished(searched: Searched) -> None:
    score = searched.trials().exploration().score
    diverged = RunRecord("k", Outcome.DIVERGED, (), {}, None, None, 1e9, 1.0, {})
    assert score([record(0.4, 0.1), record(0.6, 0.2)]) == score([record(0.4, 0.9), record(0.6, 0.9)]) == 0.5
    assert score([record(-0.4, 0.1), record(-0.6, 0.2)]) == -0.5 > score([record(-0.4, 0.1), diverged])


def test_a_failed_trial_is_kept_ranks_last_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Searched(tmp_path, GRID)

    def unlucky(trainer: Trainer) -> bool:
        return trainer.seed in (100, 101) and any(config.loss.encoder_weight == 0.5 for config in trainer.configs)

    raising(monkeypatch, RuntimeError("no luck"), unlucky)
    assert made.run() == 6
    assert sorted(run.info.status for run in made.runs(Kind.SEARCH)) == ["FAILED"] * 6 + ["FINISHED"] * 6
    winner = made.trials().winner()
    assert winner is not None
    assert winner.config.loss.encoder_weight == 0.05
    assert made.stored("plan.json") == made.decided()[1]
    monkeypatch.undo()
    assert len(made.trials().missing) == 6
    assert made.run() == 0
    assert made.trials().complete


def test_a_failed_trial_counts_as_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Searched(tmp_path)
    raising(monkeypatch, RuntimeError("no luck"), lambda t: t.configs[0].loss.encoder_weight != 0.05)
    assert made.run() == 8
    assert (made.trials().wanted, len(made.trials().missing)) == (0, 8)
    assert [cell.name for cell in made.stored("plan.json").cells] == ["baseline"]


def test_without_a_finished_trial_there_is_no_winner_and_nothing_more_is_run(tmp_path: Path) -> None:
    made = Searched(tmp_path, BAYESIAN.replace("learning_rate: 0.03", "learning_rate: 1e30"))
    assert made.run() == 0
    assert {run.data.tags[Tag.OUTCOME] for run in made.runs(Kind.SEARCH)} == {Outcome.DIVERGED}
    assert made.trials().winner() is None
    assert "there is no winner" in made.trials().verdict()
    assert made.runs(Kind.CELL) == []
    assert Tag.PLAN not in made.runs(Kind.STUDY)[0].data.tags


def test_trials_by_other_code_are_none_of_this_search(searched: Searched) -> None:
    other = search.read(searched.uri, searched.study, replace(searched.plan, code_digest="other"))
    assert (len(other.plan.cells), other.wanted, len(other.missing)) == (1, 4, 2)


def test_a_narrower_range_keeps_the_trials_within(searched: Searched, tmp_path: Path) -> None:
    weights = sorted(cell.config.loss.encoder_weight for cell in searched.trials().study.cells)
    narrower = Searched(tmp_path, BAYESIAN.replace("high: 1,", f"high: {(weights[-2] + weights[-1]) / 2},"))
    kept = search.read(searched.uri, narrower.study, narrower.plan)
    assert [cell.config.loss.encoder_weight for cell in kept.study.cells] == [
        cell.config.loss.encoder_weight
        for cell in searched.trials().study.cells
        if cell.config.loss.encoder_weight != weights[-1]
    ]


def test_a_metric_is_the_same_directly_and_through_mlflow(searched: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = ledger.metric(searched.uri, "tiny", "best/dev/weighted_f1")
    order = [run.run_id for run in ledger.read(searched.uri, "tiny").runs]
    monkeypatch.setattr(ledger, "sqlite_path", lambda _: None)
    assert ledger.metric(searched.uri, "tiny", "best/dev/weighted_f1") == direct
    assert [run.run_id for run in ledger.read(searched.uri, "tiny").runs] == order
    assert len(direct) == 14


def command(folder: Path, *arguments: str, text: str = BAYESIAN) -> Result:
    (folder / "m.yaml").write_text(text)
    uri = f"sqlite:///{folder}/mlflow.db"
    return CliRunner().invoke(
        ablate.app, ["--matrix", str(folder / "m.yaml"), "--tracking-uri", uri, "--executor", "inprocess", *arguments]
    )


def test_the_command_line_says_what_is_to_run_then_who_won(tmp_path: Path) -> None:
    before = command(tmp_path, "--dry-run")
    assert before.exit_code == 0, before.output
    assert "search tiny: bayesian, 5 trials x 2 seeds = 10 runs, chosen on dev/weighted_f1 (max)" in before.output
    assert "in the store: 0 trials complete, 5 missing" in before.output
    assert "to run: 10 runs, then the baseline and the winner with 2 fresh seeds" in before.output
    assert [path.name for path in tmp_path.iterdir()] == ["m.yaml"]
    run = command(tmp_path)
    assert run.exit_code == 0, run.output
    assert "the best of 5 trials by mean dev/weighted_f1 over 2 seeds is" in run.stderr
    after = command(tmp_path, "--dry-run")
    assert "in the store: 5 trials complete, 0 missing" in after.output
    assert "(winner)" in after.output
    assert "to run: 0 runs" in after.output
    assert "all 4 runs are in the store, nothing to run" in command(tmp_path).stderr


def test_class_weights_of_a_trial_that_do_not_fit_the_data_are_refused_before(tmp_path: Path) -> None:
    levels = "loss.class_weight: [none, [1, 2]]"
    result = command(tmp_path, text=BAYESIAN.replace("loss.contrastive.weight: [0.1, 0.2, 0.5]", levels))
    assert result.exit_code == 2
    assert "loss.class_weight has 2 weights, but the data set has 6 classes" in result.stderr
