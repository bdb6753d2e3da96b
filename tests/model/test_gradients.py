"""Gradients of single terms: against automatic differentiation of the whole, and what the monitor makes of them."""

import pytest
import torch
from torch import nn

from model.gradients import measure
from model.monitor import Monitor


class Network(nn.Module):
    """One part that both terms share, and one for each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shared, self.left, self.right = nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)

    def terms(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Two scalars."""
        hidden = self.shared(x).tanh()
        return [self.left(hidden).square().mean()[None], self.right(hidden).square().mean()[None]]


@pytest.fixture
def network() -> Network:
    return Network().double()


def parts(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    return {name: list(part.parameters()) for name, part in network.named_children()}


X = torch.arange(6, dtype=torch.float64).view(2, 3)
ONES = torch.ones(1, 2, dtype=torch.float64)


def gradient(network: Network, i: int, *parts: str) -> torch.Tensor:
    network.zero_grad()
    torch.autograd.backward(network.terms(X)[i].sum())
    grads = [p.grad for part in parts for p in getattr(network, part).parameters()]
    return torch.cat([g.flatten() for g in grads if g is not None])


def test_norms_products_and_cosines_are_those_of_the_gradients(network: Network) -> None:
    seen = measure(network.terms(X), ONES, parts(network))
    shared = [gradient(network, i, "shared") for i in range(2)]
    whole = [gradient(network, 0, "shared", "left"), gradient(network, 1, "shared", "right")]
    assert seen.norm[0, :, 0].tolist() == pytest.approx([float(g.norm()) for g in shared])
    assert seen.norm[0].square().sum(1).tolist() == pytest.approx([float(g.square().sum()) for g in whole])
    assert seen.gramian[0].diagonal().tolist() == pytest.approx([float(g.square().sum()) for g in whole])
    assert seen.gramian[0, 0, 1].item() == pytest.approx(float(shared[0] @ shared[1]))
    cosine = torch.cosine_similarity(shared[0], shared[1], dim=0)
    assert seen.cosine[0, 0, 1].item() == pytest.approx(cosine.item())
    assert seen.cosine[0].diagonal().tolist() == pytest.approx([1, 1])
    assert seen.reach.tolist() == [[True, True, False], [True, False, True]]


def test_a_slope_scales_gradients_and_keeps_cosines(network: Network) -> None:
    plain = measure(network.terms(X), ONES, parts(network))
    scale = torch.tensor([[2.0, 0.5]], dtype=torch.float64)
    scaled = measure(network.terms(X), scale, parts(network))
    torch.testing.assert_close(scaled.norm, plain.norm * scale[..., None])
    torch.testing.assert_close(scaled.cosine, plain.cosine)


def test_terms_without_a_common_parameter_have_no_cosine(network: Network) -> None:
    terms = [network.left.weight.square().sum()[None], network.right.weight.square().sum()[None]]
    seen = measure(terms, ONES, parts(network))
    assert seen.meet.tolist() == [[True, False], [False, True]]
    monitor = Monitor(("a", "b"), list(parts(network)), [[0, 1]], [False])
    monitor.step(2, ONES, ONES, ONES)
    monitor.gradients(ONES, seen)
    monitor.clipped(ONES[:, 0])
    metrics = monitor.metrics(0.1)[0]
    assert "train/gradient/a/left" in metrics
    assert not [name for name in metrics if "cosine" in name or name == "train/gradient/a/right"]


def test_the_monitor_averages_over_utterances() -> None:
    monitor = Monitor(("a", "b"), ["shared"], [[0, 1]], [False])
    for size, value in ((1, 4.0), (3, 2.0)):
        monitor.step(size, value * ONES, value * ONES, ONES / value)
        monitor.clipped(value * ONES[:, 0])
    metrics = monitor.metrics(0.1)[0]
    assert metrics["train/loss/a"] == pytest.approx((4 + 3 * 2) / 4)
    assert metrics["train/weight/a"] == pytest.approx((1 / 4 + 3 / 2) / 4)
    assert metrics["train/loss/total"] == pytest.approx(2.0)
    assert metrics["train/gradient/total"] == pytest.approx(3.0)
    assert metrics["train/learning_rate"] == 0.1
    monitor.step(1, ONES, ONES, ONES)
    monitor.clipped(ONES[:, 0])
    assert monitor.metrics(0.1)[0]["train/loss/a"] == 1.0


def test_the_cosine_of_tiny_gradients_is_right() -> None:
    weight = nn.Parameter(torch.ones(3))
    terms = [scale * (weight * torch.tensor([1.0, 2.0, 3.0])).sum()[None] for scale in (1e-20, 3e-20)]
    seen = measure(terms, torch.ones(1, 2), {"all": [weight]})
    assert seen.cosine[0, 0, 1].item() == pytest.approx(1)
