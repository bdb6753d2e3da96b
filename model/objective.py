"""The terms of the loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.coefficients import Coefficients
from model.losses import Losses
from model.losses.classification import loss as classification_loss
from model.losses.infonce import InfoNCE, infonce
from model.losses.modality_weight import column_weights
from model.losses.reconstruction import huber
from model.losses.smoothing import targets
from model.network import Output


@dataclass(frozen=True)
class Objective:
    """The K terms of the total: what cells of one batched computation share of the loss.

    Each term is a mean over the utterances of the batch (Li et al. 2023, equation 13, where the published code by a
    slip sums the reconstructions over the last dialogue of a batch only).

    Attributes:
        names: of the terms, in order.
        multi_label: whether an utterance has any number of labels.
        views: how the views of the contrastive term are drawn; None where it has no weight.
        weigh_modalities: whether the modalities differ in weight.
    """

    names: tuple[str, ...]
    multi_label: bool
    views: InfoNCE | None
    weigh_modalities: bool

    @classmethod
    def of(cls, losses: Sequence[Losses], modalities: Sequence[str], gated: bool) -> "Objective":
        """What some losses share.

        Args:
            losses: of the cells.
            modalities: names.
            gated: whether the fusion has gates.
        """
        first = losses[0]
        contrastive = first.contrastive
        return cls(
            names=tuple(first.weights(gated)),
            multi_label=first.classification.multi_label,
            views=contrastive if contrastive.kind == "infonce" and contrastive.weight else None,
            weigh_modalities=any(len(set(cell.modality_weights(modalities))) > 1 for cell in losses),
        )

    def terms(self, output: Output, label: Tensor, numbers: Coefficients) -> list[Tensor]:
        """The K raw terms, scalars; those that the output has no part for (no views were drawn) are 0."""
        values = {"classification": self._classification(output.logits, label, numbers)}
        for name, (reconstructed, target, widths) in output.fused.reconstructions.items():
            loss = huber(reconstructed, target, numbers.reconstruction[0], numbers.reconstruction[1])
            if self.weigh_modalities:
                loss = loss * column_weights(numbers.modality_weight, widths)
            values[name] = loss.mean()
        if output.fused.gate is not None:
            values["gate"] = output.fused.gate.mean()
        anchor, *views = output.nodes
        if views and self.views:
            pairs = [infonce(anchor, view, numbers.temperature, self.views.exclude_self) for view in views]
            values["contrastive"] = torch.stack(pairs).sum(0).mean()
        zero = output.logits.new_zeros(())
        return [values.get(term, zero) for term in self.names]

    def _classification(self, logits: Tensor, label: Tensor, numbers: Coefficients) -> Tensor:
        target = targets(label, logits, numbers.smoothing)
        alpha, gamma = numbers.classification
        loss = classification_loss(logits, target, self.multi_label, alpha, gamma)
        weight = numbers.class_weight
        weight = weight[label, None] if label.ndim == 1 else weight.expand_as(loss)
        return (weight * loss).sum() / weight.sum()
