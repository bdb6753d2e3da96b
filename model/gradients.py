"""Gradients of single terms of the loss: how long they are, and whether they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TINY = 1e-150  # whose square is not 0 yet


@dataclass(frozen=True)
class Gradients:
    """Measured at one step, for P cells.

    Attributes:
        gramian: (P, K, K) inner products over all parameters, in double precision.
        norm: (P, K, M) length of each term's gradient in each module.
        reach: (K, M) whether the term depends on the module at all.
        cosine: (P, K, K) between two terms, over the parameters that both reach.
        meet: (K, K) whether there are such parameters.
    """

    gramian: Tensor
    norm: Tensor
    reach: Tensor
    cosine: Tensor
    meet: Tensor


def measure(terms: Sequence[Tensor], slope: Tensor, parameters: Mapping[str, Sequence[Tensor]]) -> Gradients:
    """Gradient of each term; the graph is kept for the backward pass of their sum.

    Args:
        terms: K tensors (P,), each with a graph of its own: what a term does not depend on is not visited for it.
        slope: (P, K) what each gradient is multiplied with.
        parameters: of each of the M modules, with the cells as first dimension if P > 1.
    """
    flat = [parameter for part in parameters.values() for parameter in part]
    rows = [_gradient(term, flat) for term in terms]
    reached = torch.tensor([[gradient is not None for gradient in row] for row in rows], device=slope.device)
    columns = zip(zip(*rows, strict=True), flat, strict=True)
    products = torch.stack([_products(column, parameter, len(slope)) for column, parameter in columns], 1)
    gramian = products.sum(1) * slope[:, None] * slope[:, :, None]
    squared = products.diagonal(dim1=2, dim2=3).transpose(1, 2) * slope[..., None] ** 2
    norm = _by_module(squared, parameters).sqrt()
    # [j, k]: length of the gradient of j over what k reaches.
    shared = (squared @ reached.T.to(squared.dtype)).sqrt().clamp(min=TINY)
    meet = (reached[:, None] & reached).any(-1)
    reach = _by_module(reached, parameters) > 0
    return Gradients(gramian, norm.to(slope.dtype), reach, gramian / shared / shared.transpose(1, 2), meet)


def _gradient(term: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if not term.requires_grad:  # it was not computed
        return [None] * len(parameters)
    return torch.autograd.grad(term.sum(), parameters, retain_graph=True, allow_unused=True)


def _products(gradients: Sequence[Tensor | None], parameter: Tensor, cells: int) -> Tensor:
    """(P, K, K) inner products of the gradients of one parameter, in double precision."""
    rows = [(torch.zeros_like(parameter) if g is None else g).reshape(cells, -1) for g in gradients]
    flat = torch.stack(rows, 1).double()
    return flat @ flat.transpose(1, 2)


def _by_module(values: Tensor, parameters: Mapping[str, Sequence[Tensor]]) -> Tensor:
    """(…, K, parameters) values, summed to (…, K, M)."""
    sizes = [len(part) for part in parameters.values()]
    return torch.stack([part.sum(-1) for part in torch.split(values, sizes, -1)], -1)
