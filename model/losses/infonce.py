"""Contrastive loss between two views of the nodes of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor

Probability = Annotated[float, Field(ge=0, lt=1)]


class InfoNCE(Config):
    """InfoNCE with intra-view negatives (Zhu et al. 2020, GRACE, equations 1 and 2), both directions averaged.

    With cosine similarity ``s`` and temperature ``tau`` the loss of node n in view u against view v is

    ``-log( e^{s(u_n, v_n)/tau} / (sum_k e^{s(u_n, v_k)/tau} + sum_{k != n} e^{s(u_n, u_k)/tau}) )``

    ``exclude_self: false`` keeps ``k = n`` in the last sum, as the PyGCL implementation does by a slip; it is needed
    only to compare with numbers published with it.

    ``feature_mask`` and ``edge_perturbation`` are the probabilities with which the two views that are compared with
    the graph lose a feature of a node, and with which an edge is redirected (``model.views``). ``weight`` is the
    term's weight in the total.
    """

    kind: Literal["infonce"] = "infonce"
    weight: Annotated[NonNegativeFloat, Field(title="cl", description="of the term in the total; 0 is off")] = 0.2
    temperature: Annotated[PositiveFloat, Field(description="divides the similarities")] = 0.2
    exclude_self: Annotated[bool, Field(description="no node is its own negative")] = True
    feature_mask: Annotated[Probability, Field(description="probability that a view loses a feature of a node")] = 0.25
    edge_perturbation: Annotated[Probability, Field(description="probability that a view redirects an edge")] = 0.1

    def __call__(self, u: Tensor, v: Tensor) -> Tensor:
        """Loss of each node.

        Args:
            u: (N, H) nodes of one view.
            v: (N, H) the same nodes in the other view.

        Returns:
            (N,) losses in nats; 0 for a single node, which has no negatives.
        """
        return infonce(u, v, self.temperature, self.exclude_self)


def infonce(u: Tensor, v: Tensor, temperature: float | Tensor, exclude_self: bool) -> Tensor:
    """(N,) losses of (N, H) nodes in two views; the temperature is a number or a scalar tensor."""
    u, v = _unit(u), _unit(v)
    between = u @ v.T / temperature
    within = [x @ x.T / temperature for x in (u, v)]
    if exclude_self:
        # Not minus infinity: of a single node that would leave no term, and the gradient would be NaN.
        itself = u.new_full((u.size(0),), -1e9).diag()
        within = [similarity + itself for similarity in within]
    first, second = (_one_way(*pair) for pair in zip((between, between.T), within, strict=True))
    return (first + second) / 2


def _one_way(between: Tensor, within: Tensor) -> Tensor:
    return between.logsumexp(1).logaddexp(within.logsumexp(1)) - between.diagonal()


def _unit(x: Tensor) -> Tensor:
    return x * x.square().sum(-1, keepdim=True).clamp(min=1e-24).rsqrt()
