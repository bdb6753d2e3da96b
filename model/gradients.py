"""Gradients of single terms of the loss: how long they are, and whether they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TINY = 1e-150  # whose square is not 0 yet


@dataclass(frozen=True)
class Gradients:
    """Measured at one step.

    Attributes:
        gramian: (K, K) inner products over all parameters, in double precision.
        norm: (K, M) length of each term's gradient in each module.
        reach: (K, M) whether the term depends on the module at all.
        cosine: (K, K) between two terms, over the parameters that both reach.
        meet: (K, K) whether there are such parameters.
    """

    gramian: Tensor
    norm: Tensor
    reach: Tensor
    cosine: Tensor
    meet: Tensor


def modules(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Parameters of each part of the network, by the part's name."""
    return {name: list(part.parameters()) for name, part in network.named_children()}


def measure(terms: Sequence[Tensor], slope: Tensor, parameters: Mapping[str, Sequence[nn.Parameter]]) -> Gradients:
    """Gradient of each term; the graph is kept for the backward pass of their sum.

    Args:
        terms: K scalars, each with a graph of its own: what a term does not depend on is not visited for it.
        slope: (K,) what each gradient is multiplied with.
        parameters: of each of the M modules.
    """
    flat = [parameter for part in parameters.values() for parameter in part]
    rows = [torch.autograd.grad(term, flat, retain_graph=True, allow_unused=True) for term in terms]
    reached = torch.tensor([[gradient is not None for gradient in row] for row in rows], device=slope.device)
    products = torch.stack([_products(column, p) for column, p in zip(zip(*rows, strict=True), flat, strict=True)])
    gramian = products.sum(0) * slope * slope[:, None]
    squared = products.diagonal(dim1=1, dim2=2).T * slope[:, None] ** 2
    norm = _by_module(squared, parameters).sqrt()
    # [j, k]: length of the gradient of j over what k reaches.
    shared = (squared @ reached.T.to(squared.dtype)).sqrt().clamp(min=TINY)
    meet = (reached[:, None] & reached).any(-1)
    reach = _by_module(reached, parameters) > 0
    return Gradients(gramian, norm.to(slope.dtype), reach, gramian / shared / shared.T, meet)


def _products(gradients: Sequence[Tensor | None], parameter: nn.Parameter) -> Tensor:
    """(K, K) inner products of the gradients of one parameter, in double precision."""
    flat = torch.stack([(torch.zeros_like(parameter) if g is None else g).flatten() for g in gradients]).double()
    return flat @ flat.T


def _by_module(values: Tensor, parameters: Mapping[str, Sequence[nn.Parameter]]) -> Tensor:
    """(K, P) values by parameter, summed to (K, M)."""
    sizes = [len(part) for part in parameters.values()]
    return torch.stack([part.sum(1) for part in torch.split(values, sizes, 1)], 1)
