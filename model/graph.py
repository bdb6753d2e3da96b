"""The graph of a batch of dialogues and the convolutions over it."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import RGCNConv

from model.architecture import Graph
from model.grid import padded


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


def window_mask(present: Tensor, config: Graph) -> Tensor:
    """The same window for the utterances in a padded grid.

    Args:
        present: (B, T) where there is an utterance.
        config: the window.

    Returns:
        (B, T, T) whether the second sends a message to the first. Each sees itself, also in the padding.
    """
    place = torch.arange(present.size(1), device=present.device)
    ahead = place[:, None] - place
    band = (ahead >= -config.past) & (ahead <= config.future)
    return (band & present[:, None, :]) | (ahead == 0)


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
    """Transformer convolution, batch norm, leaky ReLU, on the nodes that the relational convolution gives.

    ``h_i = W_s x_i + sum_j softmax_j(q_i k_j / sqrt(H)) v_j`` for each of K heads, side by side, over the neighbours j
    of i (Shi et al. 2021, equations 1 to 3; PyG's ``TransformerConv``). Since the neighbours are a window of the
    dialogue, it is attention in the padded grid of the batch under a band: a few dense products, where the library
    gathers and scatters along edges.
    """

    def __init__(self, config: Graph) -> None:
        super().__init__()
        width, self.heads = config.hidden, config.heads
        self.query, self.key, self.value, self.skip = (nn.Linear(width, width * self.heads) for _ in range(4))
        self.norm = nn.BatchNorm1d(width * self.heads)

    def forward(self, node: Tensor, slot: Tensor, window: Tensor) -> Tensor:
        """Convolve.

        Args:
            node: (N, H) nodes after the relational convolution.
            slot: (N,) place of each node in the flattened (B, T) grid.
            window: (B, T, T) whether the second is a neighbour of the first.

        Returns:
            (N, K H) nodes.
        """
        x = self.attend(node, slot, window)
        # A batch of one utterance has no variance: it is normalised with the running statistics.
        x = self.norm(x) if x.size(0) > 1 else F.batch_norm(x, *self._statistics())
        return F.leaky_relu(x)

    def attend(self, node: Tensor, slot: Tensor, window: Tensor) -> Tensor:
        """The convolution alone: (N, H) to (N, K H)."""
        both = torch.cat([self.query(node), self.key(node), self.value(node)], -1)
        # (3, B, K, T, H)
        grid = padded(both, slot, window).view(*window.shape[:2], 3, self.heads, -1)
        query, key, value = grid.permute(2, 0, 3, 1, 4)
        score = query @ key.transpose(-1, -2) * key.size(-1) ** -0.5
        weight = score.masked_fill(~window[:, None], -torch.inf).softmax(-1)
        attended = (weight @ value).transpose(1, 2).flatten(2).flatten(0, 1)[slot]
        return torch.as_tensor(attended + self.skip(node))

    def _statistics(self) -> tuple[Tensor | None, Tensor | None, Tensor, Tensor]:
        return self.norm.running_mean, self.norm.running_var, self.norm.weight, self.norm.bias
