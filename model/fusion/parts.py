"""What the kinds of fusion share."""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
    ``packed`` says that the module will run under ``vmap``.
    """

    def __init__(self, widths: Sequence[int], projection: int) -> None:
        super().__init__()
        self.widths = list(widths)
        self.packed = False
        self.project = nn.ModuleList(nn.Linear(width, projection) for width in widths)
        self.query = nn.Linear(projection, projection)

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) features of M modalities, concatenated in the order of the widths, to (N, M P)."""
        parts = torch.split(features, self.widths, -1)
        projected = torch.stack([project(part) for project, part in zip(self.project, parts, strict=True)], 1)
        return self.attend(projected).flatten(1)

    def attend(self, x: Tensor) -> Tensor:
        """(N, M, P) to (N, M, P)."""
        query = self.query(x.new_ones(x.size(-1)))
        if not self.packed:
            return rank_one_attention(query, x)
        return torch.as_tensor(PackedAttention.apply(query, x))  # type: ignore[no-untyped-call]


def rank_one_attention(query: Tensor, x: Tensor) -> Tensor:
    """``y_i = sum_j softmax_j(b_i x_j) x_j``.

    The P x P outer product ``b x'`` is scaled dot-product attention with heads of size 1, which never holds the
    matrix: at P = 460 it is ten times faster than the softmax written out.

    Args:
        query: (…, P) b.
        x: (…, N, M, P).

    Returns:
        (…, N, M, P).
    """
    key = x.unsqueeze(-1)
    wide = query[..., None, None, :, None].expand_as(key)
    flat = [part.flatten(0, -4) for part in (wide, key, key)]
    return F.scaled_dot_product_attention(flat[0], flat[1], flat[2], scale=1.0).view_as(x)


class PackedAttention(torch.autograd.Function):
    """The same under ``vmap``, for which the library's kernel has no rule: the cells become part of the batch."""

    @staticmethod
    def forward(query: Tensor, x: Tensor) -> Tensor:
        """See ``rank_one_attention``."""
        return rank_one_attention(query, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004
        """Keep what the gradient needs."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """Gradient of both inputs."""
        with torch.enable_grad():
            inputs = [tensor.detach().requires_grad_() for tensor in ctx.saved_tensors]
            output = rank_one_attention(*inputs)
        return torch.autograd.grad(output, inputs, gradient)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """All cells at once."""
        cells = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(inputs, in_dims, strict=True)
        ]
        return rank_one_attention(*cells), 0
