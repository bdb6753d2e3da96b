"""What the kinds of fusion share."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.architecture import FusionSizes


class Reconstruction(NamedTuple):
    """What an autoencoder gives back, and what it should have, both (N, D); columns of each modality sum to D."""

    output: Tensor
    target: Tensor
    widths: Sequence[int]


class Fused(NamedTuple):
    """Utterances after fusion.

    ``vector`` (N, 2L); the reconstructions by name of their loss term; ``gate`` (N,), how far the gates are from being
    undecided, None for a fusion without gates.
    """

    vector: Tensor
    reconstructions: dict[str, Reconstruction]
    gate: Tensor | None = None


class Autoencoder(nn.Module):
    """``z = relu(W2 tanh(W1 x))`` and ``x' = W4 tanh(W3 z)`` (Sahu and Vechtomova 2021, AutoFusion)."""

    def __init__(self, widths: Sequence[int], config: FusionSizes) -> None:
        super().__init__()
        self.widths = widths
        self.encode = encoder(sum(widths), config)
        self.decode = decoder(sum(widths), config)

    def forward(self, x: Tensor) -> tuple[Tensor, Reconstruction]:
        """(N, D) to (N, L), and the reconstruction of the (N, D)."""
        latent = self.encode(x)
        return latent, Reconstruction(self.decode(latent), x, self.widths)


def encoder(width: int, config: FusionSizes) -> nn.Sequential:
    """(N, D) to (N, L)."""
    first, second = nn.Linear(width, config.hidden), nn.Linear(config.hidden, config.latent)
    return nn.Sequential(first, nn.Tanh(), second, nn.ReLU())


def decoder(width: int, config: FusionSizes) -> nn.Sequential:
    """(N, L) to (N, D)."""
    return nn.Sequential(nn.Linear(config.latent, config.hidden), nn.Tanh(), nn.Linear(config.hidden, width))


class Attended(nn.Module):
    """Projections of the modalities that attend to their own components (Li et al. 2023, section 3.2).

    The features of modality m, (N, d_m), are projected to (N, P). A learned query ``b`` (P,), the same for all
    utterances and modalities, attends to the P components of the projection x: ``y_i = sum_j softmax_j(b_i x_j) x_j``.
    """

    def __init__(self, widths: Sequence[int], projection: int) -> None:
        super().__init__()
        self.widths = list(widths)
        self.project = nn.ModuleList(nn.Linear(width, projection) for width in widths)
        self.query = nn.Linear(projection, projection)

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) features of M modalities, concatenated in the order of the widths, to (N, M P)."""
        parts = torch.split(features, self.widths, -1)
        projected = torch.stack([project(part) for project, part in zip(self.project, parts, strict=True)], 1)
        return self.attend(projected).flatten(1)

    def attend(self, x: Tensor) -> Tensor:
        """(N, M, P) to (N, M, P).

        The P x P outer product ``b x'`` is scaled dot-product attention with heads of size 1, which never holds the
        matrix: at P = 460 it is ten times faster than the softmax written out.
        """
        b = self.query(x.new_ones(x.size(-1)))
        key = x.unsqueeze(-1)
        return F.scaled_dot_product_attention(b[:, None].expand_as(key), key, key, scale=1.0).squeeze(-1)
