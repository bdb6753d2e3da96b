"""Training: reproducible from the seed alone, adds up, chooses on dev, reads test once, survives what data can be."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score

from model import evaluation
from model.config import RunConfig, Training
from model.data import DEV, TEST, Dataset
from model.evaluation import Prediction
from model.monitor import Metrics
from model.seeding import STEP, reseed
from model.training import Fit, Result, Trainer, train

CPU = torch.device("cpu")


def config(**loss: Any) -> RunConfig:
    return RunConfig.model_validate_json(
        '{"data": {"kind": "synthetic", "dialogues": 24, "min_dev_dialogues": 0, "min_test_dialogues": 0},'
        ' "training": {"epochs": 3}}'
    ).model_copy(update={"loss": RunConfig().loss.model_copy(update=loss)})


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return config().data.load().standardised()


def fit(dataset: Dataset, seed: int = 0, **loss: Any) -> Fit:
    return train(config(**loss), dataset, seed, CPU)


def same(a: Fit, b: Fit) -> bool:
    assert a.test is not None
    assert b.test is not None
    return a.history == b.history and np.array_equal(a.test.probability, b.test.probability)


def test_a_seed_gives_the_same_bits_whatever_ran_before(dataset: Dataset) -> None:
    first = fit(dataset)
    other = fit(dataset, seed=1, encoder_weight=0.5)
    torch.rand(17)
    np.random.default_rng().random()
    assert same(first, fit(dataset))
    assert not same(first, other)


def test_cells_of_one_seed_share_their_random_numbers(dataset: Dataset) -> None:
    """A weight that changes no gradient changes nothing: order, dropout and views come from the seed alone."""
    base = config()
    heavier = Trainer([base], dataset, 0, CPU)
    views_off = Trainer([config(contrastive=base.loss.contrastive.model_copy(update={"weight": 0.0}))], dataset, 0, CPU)
    for a, b in zip(heavier.networks.parameters.values(), views_off.networks.parameters.values(), strict=True):
        assert torch.equal(a, b)
    drawn = []
    for trainer in (heavier, views_off):
        trainer._epoch(0, [0])
        reseed(0, STEP, 1, 0)
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)


@pytest.mark.parametrize("fusion", ["auto_fusion", "hierarchical"])
@pytest.mark.parametrize("classification", ["nll", "focal"])
@pytest.mark.parametrize("reconstruction", ["mse", "smooth_l1"])
def test_the_breakdown_adds_up(dataset: Dataset, classification: str, reconstruction: str, fusion: str) -> None:
    loss = {"classification": {"kind": classification}, "reconstruction": {"kind": reconstruction}}
    settings = {"loss": loss, "model": {"fusion": {"kind": fusion}}, "training": {"epochs": 2}}
    kinds = RunConfig.model_validate(settings)
    result = train(kinds, dataset, 0, CPU)
    weights = kinds.loss.weights(gated=fusion == "hierarchical")
    assert ("gate" in weights) == ("train/loss/gate" in result.history[0])
    for metrics in result.history:
        weighted = [metrics[f"train/weighted/{term}"] for term in weights]
        raw = [weights[term] * metrics[f"train/loss/{term}"] for term in weights]
        assert metrics["train/loss/total"] == pytest.approx(sum(weighted), rel=1e-6)
        assert weighted == pytest.approx(raw, rel=1e-6)
        assert sum(metrics[f"train/share/{term}"] for term in weights) == pytest.approx(1)
        assert all(metrics[f"train/loss/{term}"] > 0 for term in weights)


def test_training_lowers_the_loss_and_beats_chance() -> None:
    default = RunConfig()
    data = default.data.load().standardised()
    result = train(default, data, 0, CPU)
    totals = [metrics["train/loss/total"] for metrics in result.history]
    assert result.test is not None
    assert totals[-1] < totals[0] / 2
    accuracy = float((result.test.predicted == result.test.label).mean())
    majority = float((result.test.label == 0).mean())
    assert majority + 0.2 < accuracy < 0.95


def test_the_epoch_is_chosen_on_dev_and_test_is_read_once(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    predict = Trainer.predict

    def spy(self: Trainer, split: int, cells: Sequence[int]) -> list[Result]:
        read.append(split)
        return predict(self, split, cells)

    monkeypatch.setattr(Trainer, "predict", spy)
    result = fit(dataset)
    assert read == [DEV, DEV, DEV, TEST]
    scores = [metrics["dev/weighted_f1"] for metrics in result.history]
    assert result.best_epoch == scores.index(max(scores))


def test_test_is_predicted_with_the_weights_of_the_chosen_epoch(dataset: Dataset) -> None:
    trainer = Trainer([config()], dataset, 0, CPU)
    snapshots: list[np.ndarray[Any, Any]] = []

    def snapshot(cell: int, metrics: Metrics) -> None:
        prediction = trainer.predict(TEST, [cell])[0].evaluation.prediction
        assert prediction is not None
        snapshots.append(prediction.probability)

    (result,) = trainer.fit(snapshot)
    assert result.test is not None
    assert result.best_epoch is not None
    assert np.array_equal(result.test.probability, snapshots[result.best_epoch])


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_loss_that_becomes_nan_is_an_outcome(multi_label: bool) -> None:
    wild = RunConfig.model_validate(
        {
            "data": {
                "kind": "synthetic",
                "dialogues": 24,
                "min_dev_dialogues": 0,
                "min_test_dialogues": 0,
                "multi_label": multi_label,
            },
            "loss": {"classification": {"kind": "bce" if multi_label else "nll"}},
            "training": {"learning_rate": 1e30, "epochs": 3},
        }
    )
    result = train(wild, wild.data.load().standardised(), 0, CPU)
    assert result.diverged
    assert result.test is None
    assert len(result.history) < 3


def test_predictions_are_in_data_order(dataset: Dataset) -> None:
    result = fit(dataset)
    assert result.test is not None
    assert np.array_equal(result.test.label, dataset.label[dataset.split == TEST])
    np.testing.assert_allclose(result.test.probability.sum(1), 1, atol=1e-5)


def awkward() -> Dataset:
    """One class missing from training, dialogues of one utterance, one dialogue in dev and test."""
    rng = np.random.default_rng(0)
    length = np.array([1, 4, 1, 3, 1, 1])
    label = np.where(np.arange(11) < 9, np.arange(11) % 2, 2)
    return Dataset(
        name="awkward",
        features={"text": rng.normal(size=(11, 5)).astype(np.float32)},
        label=label.astype(np.int64),
        length=length.astype(np.int64),
        speaker=np.zeros(11, np.int64),
        split=np.repeat([0, 0, 0, 0, 1, 2], length).astype(np.int64),
        label_names=("a", "b", "c"),
    )


@pytest.mark.parametrize("weight", ["none", "inverse_frequency"])
def test_awkward_data_train_to_finite_numbers(weight: str) -> None:
    settings = RunConfig.model_validate(
        {
            "loss": {"classification": {"kind": "focal"}, "class_weight": weight},
            "training": {"epochs": 2, "batch_size": 1},
        }
    )
    result = train(settings, awkward().standardised(), 0, CPU)
    assert not result.diverged
    assert all(np.isfinite(list(metrics.values())).all() for metrics in result.history)


def test_several_labels_are_trained_and_beat_chance() -> None:
    settings = RunConfig.model_validate(
        {
            "data": {"kind": "synthetic", "multi_label": True},
            "loss": {"classification": {"kind": "bce"}},
        }
    )
    dataset = settings.data.load().standardised()
    result = train(settings, dataset, 0, CPU)
    assert result.test is not None
    assert result.test.label.shape == result.test.probability.shape == result.test.predicted.shape
    scores = result.scores
    assert scores["average_precision"] > 2 * result.test.label.mean()
    assert 0.4 < scores["micro_f1"] < 0.95
    assert scores["accuracy"] > (result.test.label.sum(1) == 0).mean()


def test_measuring_gradients_changes_no_bit(dataset: Dataset) -> None:
    watched, unwatched = (
        train(config().model_copy(update={"training": Training(epochs=2, monitor_every=every)}), dataset, 0, CPU)
        for every in (1, 0)
    )
    assert watched.test is not None
    assert unwatched.test is not None
    assert np.array_equal(watched.test.probability, unwatched.test.probability)
    for seen, plain in zip(watched.history, unwatched.history, strict=True):
        assert plain.items() <= seen.items()
        assert any("/cosine/" in name for name in seen.keys() - plain.keys())


@pytest.mark.parametrize("n", [1, 3, 200])
@pytest.mark.parametrize("multi_label", [False, True])
def test_metrics_and_confusion_are_those_of_scikit_learn(n: int, multi_label: bool) -> None:
    rng, names = np.random.default_rng(n), tuple("abcd")
    label = rng.integers(0, 2, (n, 4)) if multi_label else rng.integers(0, 3, n)
    prediction = Prediction(label, rng.random((n, 4)).astype(np.float32), names, np.arange(n))
    found = evaluation.metrics(prediction)
    predicted = prediction.predicted
    f1 = f1_score(label, predicted, labels=range(4), average=None, zero_division=0.0)
    assert [found[f"f1/{name}"] for name in names] == pytest.approx(f1)
    for average in ("weighted", "macro", *(["micro"] if multi_label else [])):
        expected = f1_score(label, predicted, labels=range(4), average=average, zero_division=0.0)
        assert found[f"{average}_f1"] == pytest.approx(expected)
    if not multi_label:
        np.testing.assert_array_equal(
            evaluation.confusion(prediction), confusion_matrix(label, predicted, labels=range(4))
        )
