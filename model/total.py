"""The weighted sum of the terms."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model import gradients
from model.gradients import Gradients
from model.monitor import Metrics, Monitor
from model.normalisation import Normalisation
from model.objective import Objective
from model.seeding import WEIGHT, reseed
from model.weighting.base import Step


class Total:
    """``total = sum_k weight_k normalised(term_k)`` during a run: weights, normalisation, and what is seen of them."""

    def __init__(self, objective: Objective, network: nn.Module, monitor_every: int) -> None:
        """Start a run.

        Args:
            objective: the K terms.
            network: whose parameters the gradients are measured for.
            monitor_every: steps between measurements for the monitor; 0 for none.
        """
        self.base, self.every = objective.weight, monitor_every
        on = [i for i, weight in enumerate(objective.weight.tolist()) if weight]
        self.on = torch.as_tensor(on, device=self.base.device)
        self.parameters = gradients.modules(network)
        normalisation = objective.losses.normalisation
        self.normalise = Normalisation(normalisation)
        self.strategy = objective.losses.weighting.start(self.base[self.on])
        self.monitor = Monitor(objective.names, on, list(self.parameters), normalisation != "none")
        self.steps = 0

    def __call__(self, terms: Sequence[Tensor], size: int, seed: int, place: tuple[int, int]) -> Tensor:
        """The total of a training step, a scalar.

        Args:
            terms: the K raw terms.
            size: utterances of the batch.
            seed: of the run.
            place: epoch, and step in the epoch: with the seed, what random weights are drawn from.
        """
        raw = torch.stack(list(terms))
        normalised = self.normalise(raw)
        seen = bool(self.every and place[1] % self.every == 0)
        needed = bool(self.strategy.every and self.steps % self.strategy.every == 0)
        measured = self._measure(terms, raw, normalised) if seen or needed else None
        reseed(seed, WEIGHT, *place)
        gramian = measured.gramian if measured and needed else None
        self.strategy.on_step(Step(raw.detach()[self.on], normalised.detach()[self.on], gramian))
        weight = torch.zeros_like(self.base).index_copy(0, self.on, self.strategy.weight)
        self.monitor.step(size, raw.detach(), normalised.detach(), weight)
        if measured and seen:
            self.monitor.gradients(self.strategy.weight, measured)
        self.steps += 1
        return normalised @ weight

    def _measure(self, terms: Sequence[Tensor], raw: Tensor, normalised: Tensor) -> Gradients:
        (slope,) = torch.autograd.grad(normalised.sum(), raw, retain_graph=True)
        return gradients.measure([terms[i] for i in self.on.tolist()], slope[self.on], self.parameters)

    def end_epoch(self, learning_rate: float) -> Metrics:
        """Metrics of the epoch; the strategy has seen it."""
        self.strategy.on_epoch(self.monitor.terms()[self.on].to(self.base.dtype))
        return self.monitor.metrics(learning_rate)
