"""Context by self-attention."""

import torch
from torch import Tensor, nn

from model.architecture import Transformer as Config


class Transformer(nn.Module):
    """Transformer encoder over each dialogue, then a linear map to the graph's width (Li et al. 2023, section 3.3).

    Padding is masked; the published code has no mask, so that there the result of a short dialogue depends on the
    longest of its batch. Like the published code it has no positional encoding: order enters through the graph's
    relations.
    """

    def __init__(self, width: int, out: int, config: Config) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, config.heads, config.feed_forward, config.dropout, batch_first=True)
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
        grid = x.new_zeros(padding.numel(), x.size(-1)).index_copy(0, slot, x)
        encoded = self.encoder(grid.view(*padding.shape, -1), src_key_padding_mask=padding)
        return torch.as_tensor(self.out(encoded.flatten(0, 1)[slot]))
