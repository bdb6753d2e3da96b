"""Fusion of the modalities of an utterance into one vector, with the reconstructions that regularise it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.architecture import AutoFusion as AutoFusionConfig


class Reconstruction(NamedTuple):
    """What an autoencoder gives back, and what it should have: both (N, D)."""

    output: Tensor
    target: Tensor


class Fused(NamedTuple):
    """``vector`` (N, 2L) of each utterance, and the reconstructions by name of their loss term."""

    vector: Tensor
    reconstructions: dict[str, Reconstruction]


class Autoencoder(nn.Module):
    """``z = relu(W2 tanh(W1 x))`` and ``x' = W4 tanh(W3 z)`` (Sahu and Vechtomova 2021, AutoFusion)."""

    def __init__(self, width: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, latent), nn.ReLU())
        self.decode = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> tuple[Tensor, Reconstruction]:
        """(N, D) to (N, L), and the reconstruction of the (N, D)."""
        latent = self.encode(x)
        return latent, Reconstruction(self.decode(latent), x)


class AutoFusion(nn.Module):
    """Global fusion of the raw features and interactive fusion of attended projections (Li et al. 2023, section 3.2).

    The features of modality m, (N, d_m), are projected to (N, P). A learned query ``b`` (P,), the same for all
    utterances and modalities, attends to the P components of the projection x: ``y_i = sum_j softmax_j(b_i x_j)
    x_j``. The global latent compresses the concatenated features (N, sum d_m), the interactive one the concatenated
    y (N, M P).

    The reconstruction's target of the interactive part is learned too; as in the published code the gradient
    flows through it.
    """

    def __init__(self, widths: Sequence[int], config: AutoFusionConfig) -> None:
        super().__init__()
        self.widths = list(widths)
        self.project = nn.ModuleList(nn.Linear(width, config.projection) for width in widths)
        self.query = nn.Linear(config.projection, config.projection)
        self.global_ = Autoencoder(sum(widths), config.hidden, config.latent)
        self.inter = Autoencoder(len(widths) * config.projection, config.hidden, config.latent)

    def forward(self, features: Tensor) -> Fused:
        """Fuse.

        Args:
            features: (N, D) features of the modalities, concatenated in the order of ``widths``.

        Returns:
            (N, 2L) vectors, and the reconstructions ``reconstruction_global`` and ``reconstruction_inter``.
        """
        parts = torch.split(features, self.widths, -1)
        projected = torch.stack([project(part) for project, part in zip(self.project, parts, strict=True)], 1)
        attended = self._attend(projected).flatten(1)
        global_latent, global_ = self.global_(features)
        inter_latent, inter = self.inter(attended)
        vector = torch.cat([global_latent, inter_latent], -1)
        return Fused(vector, {"reconstruction_global": global_, "reconstruction_inter": inter})

    def _attend(self, x: Tensor) -> Tensor:
        # (N, M, P) -> (N, M, P). The P x P outer product b x' is scaled dot-product attention with heads of size 1,
        # which never holds the matrix: at P = 460 it is ten times faster than the softmax written out.
        b = self.query(x.new_ones(x.size(-1)))
        key = x.unsqueeze(-1)
        return F.scaled_dot_product_attention(b[:, None].expand_as(key), key, key, scale=1.0).squeeze(-1)
