"""The total: what is descended on is the weighted sum that is logged."""

import pytest
import torch

from model.base import kinds
from model.config import RunConfig
from model.data import TRAIN
from model.losses import Losses
from model.normalisation import Normalisation
from model.training import Trainer
from model.weighting import Weighting


def trainer(**loss: object) -> Trainer:
    settings = {
        "data": {"kind": "synthetic", "dialogues": 12, "min_dev_dialogues": 0, "min_test_dialogues": 0},
        "training": {"monitor_every": 1},
        "loss": loss,
    }
    config = RunConfig.model_validate(settings)
    return Trainer([config], config.data.load().standardised(), 0, torch.device("cpu"))


def terms(made: Trainer) -> tuple[list[torch.Tensor], int]:
    batch = made.workload.batch(made.workload.units(TRAIN)[:4])
    torch.manual_seed(0)
    values, _ = made.networks(batch, training=True)
    return list(values), made.workload.size(batch)


@pytest.mark.parametrize("normalisation", ["none", "log", "minmax"])
@pytest.mark.parametrize("strategy", kinds(Weighting))
def test_the_gradient_is_the_weighted_sum_of_those_of_the_terms(strategy: str, normalisation: str) -> None:
    made = trainer(weighting={"kind": strategy}, normalisation=normalisation)
    values, size = terms(made)
    total = made.total(values, size, 0, (0, 0))
    parameters = list(made.networks.parameters.values())
    weight = dict(zip(made.workload.names, made.total.weight[0], strict=True))
    normalised = Normalisation(made.configs[0].loss.normalisation)(torch.cat(values))
    expected = sum(weight[name] * term for name, term in zip(made.workload.names, normalised, strict=True))
    assert isinstance(expected, torch.Tensor)
    torch.testing.assert_close(total[0], expected)
    for actual, wanted in zip(
        *(torch.autograd.grad(x, parameters, retain_graph=True, allow_unused=True) for x in (total[0], expected)),
        strict=True,
    ):
        assert (actual is None) == (wanted is None)
        if actual is not None:
            torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_equal_weights_are_the_mean_of_the_terms(weight: float) -> None:
    made = trainer(encoder_weight=1.0, contrastive={"kind": "infonce", "weight": 1.0})
    made.total.weight = torch.full((1, 4), weight)
    values, size = terms(made)
    total = made.total(values, size, 0, (0, 0))
    torch.testing.assert_close(total[0], 4 * weight * torch.stack(values).mean())


def test_a_gate_weighs_in_the_total_as_the_product_of_both_weights() -> None:
    weights = Losses(encoder_weight=0.1, gate_weight=0.5).weights(gated=True)
    assert weights["gate"] == pytest.approx(0.05)
    assert list(weights) == ["classification", "contrastive", "reconstruction_global", "reconstruction_inter", "gate"]
