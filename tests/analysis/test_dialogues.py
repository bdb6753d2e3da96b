"""The variance of seeds and of test dialogues: the counts, the errors, the coverage, the table."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from ablations.noise.counts import Array, count, scorer
from ablations.noise.dialogues import resampled, sources, weights
from ablations.predictions import TypedPredictions
from analysis.runs import Store as Reader
from analysis.variance import variance_table, variances
from tests.runners.conftest import SMOKE, Store, run
from tests.runners.conftest import store as tiny  # noqa: F401

SEVERAL = """
study: several
base:
  data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0, multi_label: true}
  training: {epochs: 2}
  loss: {classification: {kind: bce}}
metric: {name: test/average_precision}
factors:
  loss.classification: [{kind: bce}, {kind: focal_bce, alpha: 0.75}]
seeds: 2
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("several"), SEVERAL)


def score_of(metric: str, counts: Array) -> Array:
    score = scorer(f"test/{metric}")
    assert score is not None
    return score(counts)


@pytest.mark.parametrize("metric", ["weighted_f1", "macro_f1", "accuracy"])
def test_the_counts_give_the_stored_metric(tiny: Store, metric: str) -> None:  # noqa: F811
    reader = Reader(tiny.uri)
    for _, row in reader.load("tiny").frame.iterrows():
        counts = count(reader.predictions(row["run_id"]))
        assert score_of(metric, counts.values.sum(0)) == pytest.approx(row[f"test/{metric}"], abs=1e-12)


@pytest.mark.parametrize("metric", ["weighted_f1", "macro_f1", "micro_f1", "accuracy"])
def test_the_counts_of_several_labels_give_the_stored_metric(several: Store, metric: str) -> None:
    reader = Reader(several.uri)
    for _, row in reader.load("several").frame.iterrows():
        counts = count(reader.predictions(row["run_id"]))
        assert score_of(metric, counts.values.sum(0)) == pytest.approx(row[f"test/{metric}"], abs=1e-12)


def predictions(true: str, predicted: str, dialogue: str) -> TypedPredictions:
    """A letter for each utterance; the classes are a, b and c."""
    codes = [np.array(["abc".index(letter) for letter in letters]) for letters in (true, predicted)]
    return TypedPredictions(tuple("abc"), np.array(list(dialogue)).astype(int), codes[0], codes[1], None)


def test_counts_are_by_dialogue_and_a_class_that_never_occurs_counts_as_in_the_metric() -> None:
    counts = count(predictions("aab", "aba", "779"))
    assert counts.dialogues == (7, 9)
    assert counts.values[0].tolist() == [[1, 0, 0, 1], [2, 0, 0, 2], [1, 1, 0, 2]]
    total = counts.values.sum(0)
    assert score_of("macro_f1", total) == pytest.approx((2 / 4 + 0 + 0) / 3)
    assert score_of("weighted_f1", total) == pytest.approx(2 / 4 * 2 / 3)
    assert score_of("weighted_f1", np.zeros((3, 4))) == 0


Effects = tuple[float, float, float]


def accuracies(rng: np.random.Generator, seeds: int, dialogues: int, effects: Effects, logit: float = 0.5) -> Array:
    """Counts (n, D, 3, 2) of right answers in dialogues of 8 to 14 utterances, with a logit of seed, dialogue, both."""
    size = rng.integers(8, 15, size=dialogues).astype(float)
    of_seed, of_dialogue, of_both = effects
    drawn = (
        logit
        + of_seed * rng.normal(size=(seeds, 1))
        + of_dialogue * rng.normal(size=(1, dialogues))
        + of_both * rng.normal(size=(seeds, dialogues))
    )
    right = rng.binomial(size.astype(int), 1 / (1 + np.exp(-drawn))).astype(float)
    every = np.broadcast_to(size, right.shape)
    return np.stack([np.stack([right] * 2, -1), np.stack([every] * 2, -1), np.stack([every] * 2, -1)], axis=-2)


def population(effects: Effects, logit: float) -> float:
    """The accuracy over all seeds and dialogues: a normal mean of the logistic function, by Gauss and Hermite."""
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    spread = float(np.linalg.norm(effects))
    return float((weight / (1 + np.exp(-logit - spread * node))).sum() / weight.sum())


def accuracy(counts: Array) -> Array:
    return score_of("accuracy", counts)


def test_the_bootstrap_of_dialogues_agrees_with_the_jackknife_and_the_delta_method() -> None:
    counts = accuracies(np.random.default_rng(0), 5, 40, (0.3, 0.8, 0.3))
    found = sources(accuracy(counts.sum(1)), resampled(counts, weights(40, 4000), accuracy), 40)
    whole = counts.sum(1, keepdims=True)
    without = accuracy(whole - counts).mean(0)
    assert found.dialogues == pytest.approx((39 / 40 * ((without - without.mean()) ** 2).sum()) ** 0.5, rel=0.05)
    right, size = counts[:, :, 0, -1].mean(0), counts[0, :, 1, -1]
    residual = right - right.sum() / size.sum() * size
    assert found.dialogues == pytest.approx((40 / 39 * (residual**2).sum()) ** 0.5 / size.sum(), rel=0.05)


def test_the_same_runs_give_the_same_errors() -> None:
    counts = accuracies(np.random.default_rng(0), 3, 12, (0.3, 0.8, 0.3))
    one, other = (sources(accuracy(counts.sum(1)), resampled(counts, weights(12), accuracy), 12) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("effects", [(0.15, 0.1, 0.1), (0.1, 0.8, 0.2), (0.02, 0.02, 0.8)])
def test_intervals_of_a_difference_hold_on_other_seeds_and_other_dialogues(effects: Effects) -> None:
    """5 seeds and 30 dialogues, drawn 500 times from a population with a known difference."""
    rng, studies, weight = np.random.default_rng(1), 500, weights(30, 200)
    truth = population(effects, 0.8) - population(effects, 0.5)
    covered = {"both": 0, "seeds": 0}
    for _ in range(studies):
        one, other = (accuracies(rng, 5, 30, effects, logit) for logit in (0.8, 0.5))
        score = accuracy(one.sum(1)) - accuracy(other.sum(1))
        found = sources(score, resampled(one, weight, accuracy) - resampled(other, weight, accuracy), 30)
        covered["both"] += found.interval_both[0] < truth < found.interval_both[1]
        covered["seeds"] += found.interval_seeds[0] < truth < found.interval_seeds[1]
    assert 0.93 <= covered["both"] / studies <= 0.99
    if effects[1] > 2 * effects[0]:  # dialogues matter most, and the interval of the seeds does not know it
        assert covered["seeds"] / studies < 0.8


def test_what_one_seed_or_one_dialogue_cannot_say_is_left_open() -> None:
    counts = accuracies(np.random.default_rng(0), 1, 12, (0.3, 0.8, 0.3))
    found = sources(accuracy(counts.sum(1)), resampled(counts, weights(12), accuracy), 12)
    assert found.dialogues > 0
    assert np.isnan([found.seeds, found.both, *found.interval_both]).all()
    counts = accuracies(np.random.default_rng(0), 4, 1, (0.3, 0.8, 0.3))
    found = sources(accuracy(counts.sum(1)), resampled(counts, weights(1), accuracy), 1)
    assert found.seeds > 0
    assert np.isnan([found.dialogues, found.both, *found.interval_both]).all()


def test_equal_runs_have_no_interval() -> None:
    found = sources(np.full(3, 0.5), np.full((10, 3), 0.5), 4)
    assert (found.both, found.dialogues) == (0, 0)
    assert np.isnan(found.interval_both).all()


def runs_of(cells: str) -> pd.DataFrame:
    """Runs of two seeds a cell."""
    rows = [
        {"cell": c, "name": c, "seed": seed, "run_id": f"{c}{seed}", "score": 0.5} for c in cells for seed in (0, 1)
    ]
    return pd.DataFrame(rows)


def test_dialogues_are_not_paired_where_the_test_sets_differ() -> None:
    one, other = count(predictions("aabb", "abbb", "1122")), count(predictions("aabb", "abbb", "1133"))
    counts = {"x0": one, "x1": one, "y0": other, "y1": other}
    table = variances(runs_of("xy"), "x", counts, scorer("test/accuracy")).set_index(["cell", "quantity"])
    assert table["dialogues"]["y", "mean"] > 0
    assert np.isnan(table.loc[("y", "difference"), ["dialogues", "both"]].astype(float)).all()
    same = variances(runs_of("xy"), "x", dict.fromkeys(counts, one), scorer("test/accuracy"))
    assert same.loc[same["quantity"] == "difference", "dialogues"].item() == 0


def test_the_table_has_the_stored_means_and_both_questions(tiny: Store) -> None:  # noqa: F811
    reader = Reader(tiny.uri)
    runs = reader.load("tiny")
    table = variance_table(reader, runs)
    means = table.numbers[table.numbers["quantity"] == "mean"].set_index("cell")["estimate"]
    assert means.to_dict() == pytest.approx(runs.score.groupby(runs.frame["cell"]).mean().to_dict())
    assert table.numbers["quantity"].to_list().count("difference") == 3
    assert "would another training differ on this test set?" in table.caption
    assert re.search(r"\(\d+ test dialogues\)", table.caption)


def test_average_precision_says_that_dialogues_are_left_out(several: Store) -> None:
    reader = Reader(several.uri)
    table = variance_table(reader, reader.load("several"))
    assert "DIALOGUES LEFT OUT: test/average_precision is no function of counts" in table.caption
    assert (table.numbers["seeds"] > 0).all()
    assert table.numbers["both"].isna().all()
    assert set(table.readable["both"]) == {"–"}


def test_runs_that_are_gone_leave_the_rest(tmp_path: Path) -> None:
    made = run(tmp_path, SMOKE)
    reader = Reader(made.uri)
    baseline = reader.load("tiny").frame.query("cell == @made.plan.baseline")["run_id"]
    client = MlflowClient(made.uri)
    client.delete_run(baseline.iloc[0])
    reader = Reader(made.uri)  # what it has read it keeps
    one = variance_table(reader, reader.load("tiny"))
    assert one.numbers.loc[one.numbers["quantity"] == "difference", "n"].to_list() == [1, 1, 1]
    assert "INCOMPLETE" in one.caption
    client.delete_run(baseline.iloc[1])
    reader = Reader(made.uri)
    none = variance_table(reader, reader.load("tiny"))
    assert set(none.numbers["quantity"]) == {"mean"}
    for _, row in reader.load("tiny").frame.dropna(subset=["run_id"]).iterrows():
        client.delete_run(row["run_id"])
    reader = Reader(made.uri)
    empty = variance_table(reader, reader.load("tiny"))
    empty.write(tmp_path, "study")
    assert empty.numbers.empty
    assert "INCOMPLETE: of 8 planned runs 8 missing" in (tmp_path / "variance.md").read_text()
