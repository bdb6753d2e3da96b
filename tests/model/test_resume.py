"""A training that was interrupted between epochs goes on to the same bits as one that was not."""

import io
from typing import Any

import numpy as np
import pytest
import torch

from model import state
from model.base import kinds
from model.config import RunConfig
from model.losses import Losses
from model.optimiser import Optimiser
from model.schedule import Schedule
from model.training import Fit, Trainer
from model.weighting import Weighting

CPU = torch.device("cpu")
NORMALISATIONS = Losses.model_fields["normalisation"].annotation.__args__  # type: ignore[union-attr]
# Its loss overflows in the first epoch.
WILD = {"classification": {"kind": "focal", "alpha": 1e308}}


class Stopped(Exception):  # noqa: N818
    pass


def config(loss: dict[str, Any], **settings: Any) -> RunConfig:
    training = {"epochs": 4, "batch_size": 4, "monitor_every": 2} | settings.pop("training", {})
    data = {"kind": "synthetic", "dialogues": 16, "min_dev_dialogues": 0, "min_test_dialogues": 0}
    return RunConfig.model_validate({"data": data, "training": training, "loss": loss, **settings})


def interrupted(configs: list[RunConfig], after: int) -> tuple[list[Fit], int]:
    """Train in two trainers, the first ended after some epochs; also the epochs that the second trained."""
    data = configs[0].data.load().standardised()
    first, second = Trainer(configs, data, 3, CPU), Trainer(configs, data, 3, CPU)
    file = io.BytesIO()

    def stop() -> None:
        if first.epoch == after:
            torch.save(first.state(), file)
            raise Stopped

    with pytest.raises(Stopped):
        first.fit(before_epoch=stop)
    file.seek(0)
    second.resume(torch.load(file, weights_only=True))
    trained: list[int] = []
    fits = second.fit(lambda cell, _: trained.append(cell))
    return fits, max(map(trained.count, trained))


def assert_same_bits(configs: list[RunConfig], after: int = 2) -> list[Fit]:
    undisturbed = Trainer(configs, configs[0].data.load().standardised(), 3, CPU).fit()
    resumed, trained = interrupted(configs, after)
    assert trained == configs[0].training.epochs - after
    for a, b in zip(undisturbed, resumed, strict=True):
        assert (a.best_epoch, a.diverged) == (b.best_epoch, b.diverged)
        # Of the epoch that diverged some metrics are NaN.
        assert [list(metrics) for metrics in a.history] == [list(metrics) for metrics in b.history]
        for one, other in zip(a.history, b.history, strict=True):
            assert np.array_equal(list(one.values()), list(other.values()), equal_nan=True)
        assert (a.test is None) == (b.test is None)
        if a.test and b.test:
            assert np.array_equal(a.test.probability, b.test.probability)
            assert np.array_equal(a.test.label, b.test.label)
            assert a.scores == b.scores
    return undisturbed


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("kind", kinds(Weighting))
def test_with_every_strategy_alone_and_in_a_pack_of_which_a_cell_diverged(kind: str, after: int) -> None:
    loss = {"weighting": {"kind": kind}}
    assert_same_bits([config(loss)], after)
    fits = assert_same_bits([config(loss), config(loss | WILD), config(loss | {"encoder_weight": 0.5})], after)
    assert [bool(fit.diverged) for fit in fits] == [False, True, False]


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_with_every_normalisation(kind: str, cells: int) -> None:
    weights = (0.05, 0.2, 0.5)[:cells]
    assert_same_bits([config({"normalisation": kind, "encoder_weight": weight}) for weight in weights])


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("schedule", kinds(Schedule))
@pytest.mark.parametrize("kind", kinds(Optimiser))
def test_with_every_optimiser_and_schedule(kind: str, schedule: str, cells: int) -> None:
    training = {"optimiser": {"kind": kind, "weight_decay": 0.1}, "schedule": {"kind": schedule, "warmup": 0.3}}
    weights = (0.05, 0.2, 0.5)[:cells]
    assert_same_bits([config({"encoder_weight": weight}, training=training) for weight in weights])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_with_a_recurrent_context(kind: str) -> None:
    assert_same_bits([config({}, model={"context": {"kind": kind}})])


@pytest.mark.parametrize("precision", ["fp64", "tf32", "bf16"])
def test_in_every_precision(precision: str) -> None:
    assert_same_bits([config({"encoder_weight": weight}, training={"precision": precision}) for weight in (0.1, 0.2)])


def test_the_epoch_that_was_best_before_the_interruption_is_kept() -> None:
    configs = [config({}, training={"learning_rate": rate, "batch_size": 1, "epochs": 6}) for rate in (0.02, 0.02)]
    fits = assert_same_bits(configs, after=5)
    assert {fit.best_epoch for fit in fits} <= set(range(5))


def test_a_state_that_no_checkpoint_can_keep_is_refused() -> None:
    class Holder:
        def __init__(self) -> None:
            self.weight, self.seen, self.rule = torch.ones(2), [torch.zeros(1), (1.0, None)], torch.sin

    holder = Holder()
    assert state.taken(holder) == {"weight": holder.weight, "seen": holder.seen}
    holder.seen = {3}  # type: ignore[assignment]
    with pytest.raises(TypeError, match=r"Holder.seen is a set, which no checkpoint can keep"):
        state.taken(holder)
