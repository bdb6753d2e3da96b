"""The networks of a pack: one architecture, P sets of parameters."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from model.workloads import Numbers, Workload

EPSILON = 1e-6  # as in torch.nn.utils.clip_grad_norm_


class Networks:
    """P networks that start alike, as one batched computation; a single one is computed as it is.

    A parameter that needs no gradient (``requires_grad_(False)``, as in transfer learning) stays as it is: the cells of
    a pack share it, and neither the optimiser nor the clipping nor the monitor sees it.

    Attributes:
        parameters: what is trained, by name; in a pack with the cells as first dimension.
        state: parameters and statistics by name, each with the cells as first dimension; without what a pack shares.
        shared: parameters that a pack shares, by name.
    """

    def __init__(self, workload: Workload) -> None:
        """Make a copy of the network for each cell."""
        self.workload, self.network, self.cells = workload, workload.network, len(workload.weights)
        own = dict(self.network.named_parameters())
        trained: dict[str, Tensor] = {name: parameter for name, parameter in own.items() if parameter.requires_grad}
        frozen = {name: parameter.detach() for name, parameter in own.items() if not parameter.requires_grad}
        buffers = dict(self.network.named_buffers())
        self.shared: dict[str, Tensor] = {}
        if self.cells > 1:
            self.parameters = {
                name: torch.stack([parameter.detach()] * self.cells).requires_grad_()
                for name, parameter in trained.items()
            }
            self.own = self.parameters | {name: torch.stack([value] * self.cells) for name, value in buffers.items()}
            self.state = {name: value.detach() for name, value in self.own.items()}
            self.shared = frozen
        else:
            # The network of a single cell may change what it freezes, as a moving average of its weights.
            self.parameters = trained
            self.own = trained | frozen | buffers
            self.state = {name: value.detach()[None] for name, value in self.own.items()}
        self.best: dict[str, Tensor] = {}

    def of(self, cell: int) -> dict[str, Tensor]:
        """Parameters and statistics of a cell, by name."""
        return {name: value[cell] for name, value in self.state.items()} | self.shared

    def parts(self) -> dict[str, list[Tensor]]:
        """What is trained, by part of the network."""
        found: dict[str, list[Tensor]] = {}
        for name, value in self.parameters.items():
            found.setdefault(name.removeprefix(self.workload.prefix).partition(".")[0], []).append(value)
        return found

    def train(self) -> None:
        """Training mode."""
        self.network.train()

    def eval(self) -> None:
        """Evaluation mode."""
        self.network.eval()

    def __call__(self, batch: Any, training: bool) -> tuple[Sequence[Tensor], Tensor]:
        """Terms of the loss and outputs.

        Args:
            batch: of N examples.
            training: whether to compute also the terms that are there in training alone.

        Returns:
            K raw terms (P,), and outputs (P, N, ...).
        """
        compute, numbers = self.workload.compute, self.workload.numbers

        def one(state: Any, own: Numbers) -> tuple[tuple[Tensor, ...], Tensor]:
            terms, output = compute(functools.partial(_called, self.network, state), batch, own, training)
            return tuple(terms), output

        if self.cells == 1:
            terms, output = compute(self.network, batch, tuple(value[0] for value in numbers), training)
            return [term[None] for term in terms], output[None]
        # The same randomness: all cells of a seed share dropout masks and views, as they would alone.
        return vmap(one, randomness="same")(self.own, tuple(numbers))

    def alone(self, cell: int, batch: Any) -> tuple[Sequence[Tensor], Tensor]:
        """K raw terms, scalars, and outputs (N, ...) of one cell, computed without the batching and not in training."""
        compute, numbers = self.workload.compute, tuple(value[cell] for value in self.workload.numbers)
        if self.cells == 1:
            return compute(self.network, batch, numbers, False)
        return compute(functools.partial(_called, self.network, self.of(cell)), batch, numbers, False)

    def clip(self, largest: float) -> Tensor:
        """Scale the gradient of each cell to a norm of at most ``largest``; returns the (P,) norms before."""
        if self.cells == 1:
            return torch.nn.utils.clip_grad_norm_(self.parameters.values(), largest)[None]
        gradients = [parameter.grad for parameter in self.parameters.values() if parameter.grad is not None]
        norms: Tensor = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]), dim=0
        )
        scale = (largest / (norms + EPSILON)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale.view(-1, *[1] * (gradient.ndim - 1)))
        return norms

    def keep(self, cells: Sequence[int]) -> None:
        """Remember the networks of some cells as they are now."""
        if not self.best:
            self.best = {name: value.clone() for name, value in self.state.items()}
        elif cells:
            for name, value in self.state.items():
                self.best[name][cells] = value[cells]

    def restore(self) -> None:
        """Set every network to what was remembered of it."""
        self.resume(self.best, self.best)

    def resume(self, state: Mapping[str, Tensor], best: Mapping[str, Tensor]) -> None:
        """Set every network, and what is remembered of it."""
        for name, value in state.items():
            self.state[name].copy_(value)
        self.best = dict(best)


def _called(network: torch.nn.Module, state: Any, *arguments: Any) -> Any:
    return functional_call(network, state, arguments)
