"""No context: what an ablation of it leaves."""

from torch import Tensor, nn


class NoContext(nn.Module):
    """A linear map of each utterance to the graph's width."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, out)

    def forward(self, x: Tensor, slot: Tensor, padding: Tensor) -> Tensor:
        """(N, W) utterances to (N, H); ``slot`` and ``padding`` say nothing of an utterance alone."""
        del slot, padding
        out: Tensor = self.out(x)
        return out
