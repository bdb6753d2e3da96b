"""Context by self-attention."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.architecture import Transformer as Config
from model.grid import padded


class Transformer(nn.Module):
    """Transformer encoder over each dialogue, then a linear map to the graph's width (Li et al. 2023, section 3.3).

    Padding is masked; the published code has no mask, so that there the result of a short dialogue depends on the
    longest of its batch. Like the published code it has no positional encoding: order enters through the graph's
    relations.
    """

    def __init__(self, width: int, out: int, config: Config) -> None:
        super().__init__()
        layer = Layer(width, config.heads, config.feed_forward, config.dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.out = nn.Linear(width, out)

    def forward(self, x: Tensor, slot: Tensor, padding: Tensor) -> Tensor:
        """Encode.

        Args:
            x: (N, W) utterances of the batch.
            slot: (N,) place of each utterance in the flattened (B, T) grid of dialogues and positions.
            padding: (B, T) true where there is no utterance.

        Returns:
            (N, H) utterances in context.
        """
        encoded = padded(x, slot, padding)
        for layer in self.encoder.layers:
            encoded = layer(encoded, padding)
        return torch.as_tensor(self.out(encoded.flatten(0, 1)[slot]))


class Layer(nn.TransformerEncoderLayer):
    """PyTorch's layer, written out (Vaswani et al. 2017, section 3.1): self-attention, then a feed-forward network.

    Each is followed by dropout, the sum with its input, and layer norm. The library's forward draws its dropout masks
    in an order that depends on the layout of memory: written out, a cell draws the same masks alone and in a pack.
    """

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:  # type: ignore[override]
        """(B, T, W) utterances in the padded grid, and (B, T) true where there is none, to (B, T, W)."""
        x = self.norm1(x + self._drop(self._attend(x, padding)))
        return torch.as_tensor(self.norm2(x + self._drop(self.linear2(self._drop(F.relu(self.linear1(x)))))))

    def _attend(self, x: Tensor, padding: Tensor) -> Tensor:
        attention = self.self_attn
        projected = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
        # (3, B, heads, T, W / heads)
        query, key, value = projected.view(*x.shape[:2], 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        score = query @ key.transpose(-1, -2) * attention.head_dim**-0.5
        weight = score.masked_fill(padding[:, None, None], -torch.inf).softmax(-1)
        return torch.as_tensor(attention.out_proj((self._drop(weight) @ value).transpose(1, 2).flatten(2)))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x.contiguous(), self.dropout.p, self.training)
