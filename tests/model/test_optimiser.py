"""Optimisers and schedules: PyTorch's own, by another route."""

from itertools import pairwise

import pytest
import torch

from model.base import kinds
from model.config import RunConfig
from model.optimiser import Optimiser
from model.schedule import Constant, Cosine, Linear, Schedule
from model.training import Trainer

CPU = torch.device("cpu")
SMALL = {"data": {"kind": "synthetic", "dialogues": 16, "min_dev_dialogues": 0, "min_test_dialogues": 0}}


def history(**training: object) -> list[float]:
    config = RunConfig.model_validate(SMALL | {"training": {"epochs": 4, "batch_size": 4} | training})
    (fit,) = Trainer([config], config.data.load().standardised(), 0, CPU).fit()
    return [metrics["train/learning_rate"] for metrics in fit.history]


@pytest.mark.parametrize(
    ("kind", "expected"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_a_kind_is_the_class_of_pytorch_with_the_settings_given(kind: str, expected: type) -> None:
    settings = SMALL | {"training": {"optimiser": {"kind": kind, "weight_decay": 0.3}, "learning_rate": 0.5}}
    config = RunConfig.model_validate(settings)
    optimiser = Trainer([config], config.data.load().standardised(), 0, CPU).optimiser
    assert type(optimiser) is expected
    (group,) = optimiser.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.3)
    assert group.get("momentum", 0.9) == 0.9
    assert group.get("eps", 1e-5) == 1e-5


def test_every_optimiser_lowers_the_loss() -> None:
    for kind in kinds(Optimiser):
        training = {"epochs": 4, "batch_size": 4, "optimiser": {"kind": kind}, "learning_rate": 1e-2}
        config = RunConfig.model_validate(SMALL | {"training": training})
        (fit,) = Trainer([config], config.data.load().standardised(), 0, CPU).fit()
        losses = [metrics["train/loss/total"] for metrics in fit.history]
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_a_cosine_is_that_of_pytorch(steps: int) -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    for step in range(steps):
        assert Cosine().factor(step, steps) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()


def test_a_line_is_straight() -> None:
    assert [Linear().factor(step, 4) for step in range(4)] == [1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("schedule", [Constant(warmup=0.5), Linear(warmup=0.5), Cosine(warmup=0.5)])
def test_a_warm_up_rises_to_the_rate_and_never_above(schedule: Schedule) -> None:
    factors = [schedule.factor(step, 8) for step in range(8)]
    assert factors[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert all(a >= b for a, b in pairwise(factors[4:]))
    assert min(factors) > 0
    assert max(factors) == 1


def test_the_rate_of_the_last_step_of_each_epoch_is_logged() -> None:
    rates = history(learning_rate=0.1, schedule={"kind": "linear"})
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < rates[0] < 0.1
    assert history(learning_rate=0.1) == [0.1] * 4
