"""Random views of a graph for the contrastive loss."""

from typing import NamedTuple

import torch
from torch import Tensor

from model.graph import Edges
from model.losses import InfoNCE


class View(NamedTuple):
    """``mask`` (N, H) 0/1 over the features of the nodes, and the edges of the view."""

    mask: Tensor
    edges: Edges


def random_view(node: Tensor, edges: Edges, config: InfoNCE) -> View:
    """Mask features and redirect edges, drawn from torch's default generator; the graph itself is left as it is.

    Each feature of each node is dropped with probability ``feature_mask``. Each edge gets with probability
    ``edge_perturbation`` a target drawn uniformly from the batch and keeps its relation, as in the published code.

    Args:
        node: (N, H) nodes.
        edges: the graph.
        config: the probabilities.
    """
    mask = (torch.rand_like(node) >= config.feature_mask).to(node.dtype)
    target = edges.link[1]
    redirected = torch.rand(target.shape, device=target.device) < config.edge_perturbation
    index = torch.stack([edges.link[0], torch.where(redirected, torch.randint_like(target, node.size(0)), target)])
    return View(mask, Edges(index, edges.relation))


def stack_views(node: Tensor, edges: Edges, views: list[View]) -> tuple[Tensor, Edges]:
    """The graph and its V views as one graph of (1 + V) N nodes, so that one convolution serves all."""
    n = node.size(0)
    nodes = torch.cat([node, *(node * view.mask for view in views)])
    index = torch.cat([edges.link, *(view.edges.link + n * (i + 1) for i, view in enumerate(views))], 1)
    relation = torch.cat([edges.relation, *(view.edges.relation for view in views)])
    return nodes, Edges(index, relation)
