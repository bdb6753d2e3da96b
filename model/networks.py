"""The networks of a pack: one architecture, P sets of parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from model.batch import Batch
from model.coefficients import Coefficients
from model.losses import InfoNCE
from model.network import Joyful
from model.objective import Objective

EPSILON = 1e-6  # as in torch.nn.utils.clip_grad_norm_


class Networks:
    """P networks that start alike, as one batched computation; a single one is computed as it is.

    Attributes:
        state: parameters and statistics by name, each with the cells as first dimension.
    """

    def __init__(self, network: Joyful, cells: int) -> None:
        """Make ``cells`` copies of the network."""
        self.network, self.cells = network, cells
        network.fusion.attended.packed = cells > 1
        if cells > 1:
            self.parameters = {
                name: torch.stack([parameter.detach()] * cells).requires_grad_()
                for name, parameter in network.named_parameters()
            }
            self.buffers = {name: torch.stack([buffer] * cells) for name, buffer in network.named_buffers()}
            self.state = {name: value.detach() for name, value in (self.parameters | self.buffers).items()}
        else:
            self.parameters, self.buffers = dict(network.named_parameters()), dict(network.named_buffers())
            self.state = {name: value.detach()[None] for name, value in (self.parameters | self.buffers).items()}
        self.best: dict[str, Tensor] = {}

    def parts(self) -> dict[str, list[Tensor]]:
        """Parameters by part of the network."""
        names = [name for name, _ in self.network.named_children()]
        return {
            part: [value for name, value in self.parameters.items() if name.startswith(f"{part}.")] for part in names
        }

    def train(self) -> None:
        """Training mode."""
        self.network.train()

    def eval(self) -> None:
        """Evaluation mode."""
        self.network.eval()

    def __call__(
        self, batch: Batch, objective: Objective, numbers: Coefficients, views: InfoNCE | None
    ) -> tuple[Sequence[Tensor], Tensor]:
        """Terms of the loss and logits.

        Args:
            batch: the dialogues, of N utterances.
            objective: the K terms.
            numbers: of each cell.
            views: how the views of the contrastive term are drawn; None for none.

        Returns:
            K raw terms (P,), and logits (P, N, C).
        """

        def one(state: Any, own: Coefficients) -> tuple[tuple[Tensor, ...], Tensor]:
            output = functional_call(self.network, state, (batch, views)) if state else self.network(batch, views)
            return tuple(objective.terms(output, batch.label, own)), output.logits

        if self.cells == 1:
            terms, logits = one(None, Coefficients(*(value[0] for value in numbers)))
            return [term[None] for term in terms], logits[None]
        # The same randomness: all cells of a seed share dropout masks and views, as they would alone.
        terms, logits = vmap(one, randomness="same")(self.parameters | self.buffers, numbers)
        return terms, logits

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
