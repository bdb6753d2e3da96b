"""The weighted sum of the terms."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from model import gradients, state
from model.configuration import Weighted
from model.gradients import Gradients
from model.monitor import Metrics, Monitor
from model.normalisation import Normalisation
from model.seeding import WEIGHT, reseed
from model.weighting.base import Step, Strategy


class Total:
    """``total = sum_k weight_k normalised(term_k)`` of P cells: weights, normalisation, and what is seen of them."""

    def __init__(
        self,
        losses: Sequence[Weighted],
        names: Sequence[str],
        base: Tensor,
        parameters: Mapping[str, Sequence[Tensor]],
        monitor_every: int,
    ) -> None:
        """Start a run of each cell.

        Args:
            losses: of the cells.
            names: of their K terms.
            base: (P, K) weights of the terms at the start.
            parameters: of each module, with the cells as first dimension if there are several.
            monitor_every: steps between measurements for the monitor; 0 for none.
        """
        self.weight, self.parameters, self.every = base.clone(), parameters, monitor_every
        kinds = [cell.normalisation for cell in losses]
        self.normalisations = [Normalisation(kind) for kind in kinds] if set(kinds) != {"none"} else None
        self.on = [row.nonzero()[:, 0] for row in base]
        self.strategies = [cell.weighting.start(row[on]) for cell, row, on in zip(losses, base, self.on, strict=True)]
        # Strategies that never change a weight are not asked.
        self.moving = [i for i, strategy in enumerate(self.strategies) if type(strategy) is not Strategy]
        self.steps = 0
        on = [terms.tolist() for terms in self.on]
        self.monitor = Monitor(names, list(parameters), on, [kind != "none" for kind in kinds])

    def __call__(self, terms: Sequence[Tensor], size: int, seed: int, place: tuple[int, int]) -> Tensor:
        """(P,) totals of a training step.

        Args:
            terms: K raw terms, each (P,).
            size: utterances of the batch.
            seed: of the run.
            place: epoch, and step in the epoch: with the seed, what random weights are drawn from.
        """
        raw = torch.stack(list(terms), 1)
        normalised = self._normalised(raw)
        seen = bool(self.every and place[1] % self.every == 0)
        asking = [i for i in self.moving if self.strategies[i].every and self.steps % self.strategies[i].every == 0]
        measured = self._measure(terms, raw, normalised) if seen or asking else None
        for i in self.moving:
            reseed(seed, WEIGHT, *place)
            on = self.on[i]
            gramian = measured.gramian[i][on[:, None], on] if measured and i in asking else None
            self.strategies[i].on_step(Step(raw[i, on].detach(), normalised[i, on].detach(), gramian))
        self._take_weights()
        self.monitor.step(size, raw.detach(), normalised.detach(), self.weight)
        if measured and seen:
            self.monitor.gradients(self.weight, measured)
        self.steps += 1
        return (normalised * self.weight).sum(1)

    def _take_weights(self) -> None:
        if self.moving:
            # Not in place: the last step's weights belong to its graph.
            self.weight = self.weight.clone()
        for i in self.moving:
            self.weight[i, self.on[i]] = self.strategies[i].weight

    def _normalised(self, raw: Tensor) -> Tensor:
        if self.normalisations is None:
            return raw
        return torch.stack([normalise(row) for normalise, row in zip(self.normalisations, raw, strict=True)])

    def _measure(self, terms: Sequence[Tensor], raw: Tensor, normalised: Tensor) -> Gradients:
        slope = torch.ones_like(raw)
        if self.normalisations:
            (slope,) = torch.autograd.grad(normalised.sum(), raw, retain_graph=True)
        return gradients.measure(terms, slope, self.parameters)

    def end_epoch(self, learning_rate: float) -> list[Metrics]:
        """Metrics of the epoch for each cell; the strategies have seen it."""
        means = self.monitor.terms().to(self.weight.dtype)
        for i in self.moving:
            self.strategies[i].on_epoch(means[i, self.on[i]])
        return self.monitor.metrics(learning_rate)

    def state(self) -> dict[str, Any]:
        """What training has changed, between epochs: the monitor begins anew with each; the weights are asked for."""
        holders = [state.taken(holder) for holder in self._holders()]
        return {"steps": self.steps, "holders": holders}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from a ``state``."""
        self.steps = kept["steps"]
        for holder, own in zip(self._holders(), kept["holders"], strict=True):
            state.given(holder, own)

    def _holders(self) -> Sequence[object]:
        return [*self.strategies, *(self.normalisations or ())]
