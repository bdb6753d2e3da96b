"""Context by a recurrent network in both directions."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from model.architecture import GRU, LSTM
from model.grid import padded

NETWORKS = {"lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(nn.Module):
    """Bidirectional LSTM or GRU over each dialogue, then a linear map to the graph's width.

    Dialogues are packed, so that padding is never read: the last state of a short dialogue is that of its last
    utterance.
    """

    def __init__(self, width: int, out: int, config: LSTM | GRU) -> None:
        super().__init__()
        dropout = config.dropout if config.layers > 1 else 0.0  # it acts between layers alone
        network = NETWORKS[config.kind]
        self.encoder = network(
            width, config.hidden, config.layers, batch_first=True, dropout=dropout, bidirectional=True
        )
        self.out = nn.Linear(2 * config.hidden, out)

    def forward(self, x: Tensor, slot: Tensor, padding: Tensor) -> Tensor:
        """Encode.

        Args:
            x: (N, W) utterances of the batch.
            slot: (N,) place of each utterance in the flattened (B, T) grid of dialogues and positions.
            padding: (B, T) true where there is no utterance.

        Returns:
            (N, H) utterances in context.
        """
        length = (~padding).sum(1).cpu()
        packed = pack_padded_sequence(padded(x, slot, padding), length, batch_first=True, enforce_sorted=False)
        encoded, _ = pad_packed_sequence(self.encoder(packed)[0], batch_first=True, total_length=padding.size(1))
        return torch.as_tensor(self.out(encoded.flatten(0, 1)[slot]))
