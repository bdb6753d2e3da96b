"""The terms of the loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.losses import Losses
from model.losses.class_weight import class_weights
from model.losses.modality_weight import column_weights
from model.losses.smoothing import targets
from model.network import Output


@dataclass(frozen=True)
class Objective:
    """The K terms of the total.

    Each term is a mean over the utterances of the batch (Li et al. 2023, equation 13, where the published code by a
    slip sums the reconstructions over the last dialogue of a batch only).

    Attributes:
        losses: kinds of the terms.
        names: of the K terms, in order.
        weight: (K,) weight of each term at the start.
        class_weight: (C,) weight of each class.
        modality_weight: of each modality in the reconstructions.
    """

    losses: Losses
    names: tuple[str, ...]
    weight: Tensor
    class_weight: Tensor
    modality_weight: list[float]

    @classmethod
    def of(cls, losses: Losses, count: Tensor, modalities: tuple[str, ...], gated: bool) -> "Objective":
        """Set up.

        Args:
            losses: kinds and weights.
            count: (C,) training utterances of each class or label.
            modalities: names.
            gated: whether the fusion has gates.
        """
        weights = losses.weights(gated)
        return cls(
            losses,
            tuple(weights),
            count.new_tensor(list(weights.values())),
            class_weights(losses.class_weight, count),
            losses.modality_weights(modalities),
        )

    def terms(self, output: Output, label: Tensor) -> list[Tensor]:
        """The K raw terms, scalars; those that the output has no part for (no views were drawn) are 0."""
        values = {"classification": self._classification(output.logits, label)}
        for name, (reconstructed, target, widths) in output.fused.reconstructions.items():
            loss = self.losses.reconstruction(reconstructed, target)
            if len(set(self.modality_weight)) > 1:
                loss = loss * column_weights(self.modality_weight, widths, loss)
            values[name] = loss.mean()
        if output.fused.gate is not None:
            values["gate"] = output.fused.gate.mean()
        anchor, *views = output.nodes
        contrastive = self.losses.contrastive
        if views and contrastive.kind == "infonce":
            values["contrastive"] = torch.stack([contrastive(anchor, view) for view in views]).sum(0).mean()
        zero = output.logits.new_zeros(())
        return [values.get(term, zero) for term in self.names]

    def _classification(self, logits: Tensor, label: Tensor) -> Tensor:
        target = targets(label, logits, self.losses.label_smoothing)
        loss = self.losses.classification(logits, target)
        weight = self.class_weight[label, None] if label.ndim == 1 else self.class_weight.expand_as(loss)
        return (weight * loss).sum() / weight.sum()
