"""The whole network: fusion, context, graph, classifier."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model import context, fusion
from model.architecture import Architecture
from model.batch import Batch
from model.fusion.parts import Fused
from model.graph import AttentiveConv, RelationalConv
from model.losses import InfoNCE
from model.views import random_view, stack_views


class Output(NamedTuple):
    """``logits`` (N, C); the utterances after fusion; ``nodes`` of the graph and of its views, each (N, H)."""

    logits: Tensor
    fused: Fused
    nodes: tuple[Tensor, ...]


class Joyful(nn.Module):
    """JOYFUL (Li et al., EMNLP 2023): joint modality fusion and graph contrastive learning."""

    def __init__(self, widths: tuple[int, ...], speakers: int, classes: int, config: Architecture) -> None:
        super().__init__()
        hidden = config.graph.hidden
        self.fusion = fusion.build(widths, config.fusion)
        self.context = context.build(2 * config.fusion.latent, hidden, config.context)
        self.relational = RelationalConv(hidden, hidden, 2 * speakers**2)
        self.attentive = AttentiveConv(config.graph)
        self.classifier = Classifier(hidden * (1 + config.graph.heads), hidden, classes, config.dropout)

    def forward(self, batch: Batch, contrastive: InfoNCE | None = None) -> Output:
        """Classify each utterance.

        Args:
            batch: the dialogues.
            contrastive: how to draw the two views of the graph; None draws none, and ``nodes`` is the graph alone.
        """
        fused = self.fusion(batch.features)
        x = self.context(fused.vector, batch.slot, batch.padding)
        views = [random_view(x, batch.edges, contrastive) for _ in range(2)] if contrastive else []
        nodes = self.relational(*stack_views(x, batch.edges, views)).split(x.size(0))
        logits = self.classifier(torch.cat([x, self.attentive(nodes[0], batch.slot, batch.window)], -1))
        return Output(logits, fused, nodes)


class Classifier(nn.Module):
    """``W2 dropout(relu(W1 x))``."""

    def __init__(self, width: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, W) to (N, C) logits."""
        logits: Tensor = self.out(self.dropout(F.relu(self.hidden(x))))
        return logits
