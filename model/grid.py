"""Utterances of a batch in the padded grid of its dialogues."""

from torch import Tensor


def padded(x: Tensor, slot: Tensor, like: Tensor) -> Tensor:
    """Put each utterance in its place; the rest is 0. ``grid.flatten(0, 1)[slot]`` takes them out again.

    Args:
        x: (N, W) utterances.
        slot: (N,) place of each in the flattened grid.
        like: (B, T, ...) of which the first two dimensions are those of the grid.

    Returns:
        (B, T, W).
    """
    places = like.size(0) * like.size(1)
    return x.new_zeros(places, x.size(-1)).index_copy(0, slot, x).view(*like.shape[:2], -1)
