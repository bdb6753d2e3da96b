"""The graph of a batch of dialogues and the convolutions over it."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import RGCNConv, TransformerConv

from model.architecture import Graph


class Edges(NamedTuple):
    """``link`` (2, E) source and target utterance, ``relation`` (E,) in 0..R-1; sorted by (source, target)."""

    link: Tensor
    relation: Tensor


def window_edges(dialogue: Tensor, speaker: Tensor, speakers: int, config: Graph) -> Edges:
    """Connect each utterance with itself, the ``past`` utterances before it and the ``future`` ones after it.

    The relation is ``2 (S s_source + s_target) + (0 if source < target else 1)``: who speaks to whom, and the
    direction in time (Li et al. 2023, section 3.3; Ghosal et al. 2019, DialogueGCN).

    Args:
        dialogue: (N,) dialogue of each utterance, ascending.
        speaker: (N,) in 0..S-1.
        speakers: S; there are R = 2 S^2 relations.
        config: the window.
    """
    n = dialogue.size(0)
    source = torch.arange(n, device=dialogue.device)[:, None]
    target = source + torch.arange(-config.past, config.future + 1, device=dialogue.device)
    inside = target.clamp(0, n - 1)
    exists = (target == inside) & (dialogue[inside] == dialogue[source])
    index = torch.stack([source.expand_as(target)[exists], target[exists]])
    pair = speaker[index] * torch.tensor([[speakers], [1]], device=dialogue.device)
    return Edges(index, 2 * pair.sum(0) + (index[0] >= index[1]))


class RelationalConv(RGCNConv):
    """PyG's ``RGCNConv`` with mean aggregation, computed for all relations at once.

    ``h_i = W_0 x_i + b + sum_r W_r mean_{j in N_r(i)} x_j`` (Schlichtkrull et al. 2018, equation 2). The library's
    forward loops over the relations, of which nine speakers make 162; here one scatter and one matrix product serve
    all.
    """

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """(N, H) nodes to (N, H') nodes."""
        (source, target), n = edges.link, x.size(0)
        cell = target * self.num_relations + edges.relation
        count = torch.bincount(cell, minlength=n * self.num_relations)
        message = x[source] / count[cell, None]
        mean = x.new_zeros(n * self.num_relations, x.size(1)).index_add(0, cell, message)
        return torch.addmm(x @ self.root + self.bias, mean.view(n, -1), self.weight.flatten(0, 1))


class AttentiveConv(nn.Module):
    """Transformer convolution, batch norm, leaky ReLU, on the nodes that the relational convolution gives."""

    def __init__(self, config: Graph) -> None:
        super().__init__()
        width = config.hidden
        self.attention = TransformerConv(width, width, config.heads)
        self.norm = nn.BatchNorm1d(width * config.heads)

    def forward(self, node: Tensor, edges: Edges) -> Tensor:
        """(N, H) nodes after the relational convolution to (N, K H)."""
        x = self.attention(node, edges.link)
        # A batch of one utterance has no variance: it is normalised with the running statistics.
        x = self.norm(x) if x.size(0) > 1 else F.batch_norm(x, *self._statistics())
        return F.leaky_relu(x)

    def _statistics(self) -> tuple[Tensor | None, Tensor | None, Tensor, Tensor]:
        return self.norm.running_mean, self.norm.running_var, self.norm.weight, self.norm.bias
