"""Gradients of single terms of the loss: how long they are, and whether they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TINY = 1e-24


@dataclass(frozen=True)
class Gradients:
    """Measured at one step.

    Attributes:
        gramian: (K, K) inner products over all parameters.
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
    reached = slope.new_tensor([[gradient is not None for gradient in row] for row in rows])
    jacobian = slope[:, None] * torch.stack([_flat(row, flat) for row in rows])
    sizes = [parameter.numel() for parameter in flat]
    squared = torch.stack([part.square().sum(1) for part in torch.split(jacobian, sizes, 1)], 1)
    gramian = jacobian @ jacobian.T
    # [j, k]: squared length of the gradient of j over what k reaches.
    shared = squared @ reached.T
    norm, reach = (_by_module(values, parameters) for values in (squared, reached))
    cosine = gramian / (shared * shared.T).clamp(min=TINY).sqrt()
    return Gradients(gramian, norm.sqrt(), reach > 0, cosine, reached @ reached.T > 0)


def _flat(row: Sequence[Tensor | None], parameters: Sequence[nn.Parameter]) -> Tensor:
    pairs = zip(row, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if gradient is None else gradient).flatten() for gradient, p in pairs])


def _by_module(values: Tensor, parameters: Mapping[str, Sequence[nn.Parameter]]) -> Tensor:
    """(K, P) values by parameter, summed to (K, M)."""
    sizes = [len(part) for part in parameters.values()]
    return torch.stack([part.sum(1) for part in torch.split(values, sizes, 1)], 1)
