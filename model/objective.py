"""The terms of the loss and their weighted sum."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.losses import Losses
from model.losses.class_weight import class_weights
from model.losses.smoothing import targets
from model.network import Output


@dataclass(frozen=True)
class Objective:
    """``total = sum_k weight_k term_k`` over K terms.

    Each term is a mean over the utterances of the batch (Li et al. 2023, equation 13, where the published code by a
    slip sums the reconstructions over the last dialogue of a batch only).

    Attributes:
        losses: kinds of the terms.
        names: of the K terms, in order.
        class_weight: (C,) weight of each class.
        weight: (K,) weight of each term.
    """

    losses: Losses
    names: tuple[str, ...]
    class_weight: Tensor
    weight: Tensor

    @classmethod
    def of(cls, losses: Losses, count: Tensor, gated: bool) -> "Objective":
        """Objective for ``count`` (C,) training utterances of each class, and a fusion that is ``gated`` or not."""
        weights = losses.weights(gated)
        weight = count.new_tensor(list(weights.values()))
        return cls(losses, tuple(weights), class_weights(losses.class_weight, count), weight)

    def terms(self, output: Output, label: Tensor) -> Tensor:
        """(K,) raw terms; those that the output has no part for (no views were drawn) are 0."""
        weight = self.class_weight[label]
        target = targets(label, output.log_prob, self.losses.label_smoothing)
        values = {"classification": (weight * self.losses.classification(output.log_prob, target)).sum() / weight.sum()}
        for name, (reconstructed, target) in output.fused.reconstructions.items():
            values[name] = self.losses.reconstruction(reconstructed, target).mean()
        if output.fused.gate is not None:
            values["gate"] = output.fused.gate.mean()
        anchor, *views = output.nodes
        if views:
            pairs = [self.losses.contrastive(anchor, view) for view in views]
            values["contrastive"] = torch.stack(pairs).sum(0).mean()
        zero = output.log_prob.new_zeros(())
        return torch.stack([values.get(term, zero) for term in self.names])
