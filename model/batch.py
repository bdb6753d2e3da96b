"""Dialogues of a data set as tensors, and batches of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.architecture import Graph
from model.data import Dataset
from model.graph import Edges, window_edges, window_mask


class Batch(NamedTuple):
    """B whole dialogues with N utterances; T is the longest.

    ``features`` (N, D), ``label`` (N,) or (N, C), ``slot`` (N,) place in the flattened (B, T) grid, ``padding``
    (B, T), the ``window`` (B, T, T) of neighbours in that grid, and the ``edges``, which are the same.
    """

    features: Tensor
    label: Tensor
    slot: Tensor
    padding: Tensor
    window: Tensor
    edges: Edges


@dataclass(frozen=True)
class Conversations:
    """A data set on a device: it is copied there once, and batches are gathered from it.

    Attributes:
        features: (N, D) modalities side by side.
        label: (N,) classes, or (N, C) labels.
        speaker: (N,) speaker within the dialogue.
        start: (dialogues,) first utterance of each dialogue, on the host.
        length: (dialogues,) utterances of each dialogue, on the host.
        widths: width of each modality, sums to D.
        classes: C.
        speakers: S, the most that a dialogue can have.
    """

    features: Tensor
    label: Tensor
    speaker: Tensor
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    widths: tuple[int, ...]
    classes: int
    speakers: int

    @classmethod
    def of(cls, dataset: Dataset, device: torch.device, dtype: torch.dtype) -> "Conversations":
        """Copy a data set to a device."""
        features = np.concatenate(list(dataset.features.values()), 1)
        return cls(
            features=torch.as_tensor(features).to(device, dtype),
            label=torch.as_tensor(dataset.label).to(device),
            speaker=torch.as_tensor(dataset.speaker).to(device),
            start=dataset.start,
            length=dataset.length,
            widths=tuple(feature.shape[1] for feature in dataset.features.values()),
            classes=len(dataset.label_names),
            speakers=dataset.speakers,
        )

    def batches(self, dialogues: NDArray[np.int64], size: int, graph: Graph) -> Iterator[Batch]:
        """Batches of ``size`` dialogues, in the order given."""
        for first in range(0, len(dialogues), size):
            yield self.batch(dialogues[first : first + size], graph)

    def batch(self, dialogues: NDArray[np.int64], graph: Graph) -> Batch:
        """The batch of the given dialogues."""
        length, longest = self.length[dialogues], int(self.length[dialogues].max())
        present = np.arange(longest) < length[:, None]
        row, position = np.nonzero(present)
        device = self.features.device
        utterance = torch.as_tensor(self.start[dialogues][row] + position).to(device)
        dialogue = torch.as_tensor(row).to(device)
        return Batch(
            features=self.features[utterance],
            label=self.label[utterance],
            slot=torch.as_tensor(row * longest + position).to(device),
            padding=torch.as_tensor(~present).to(device),
            window=window_mask(torch.as_tensor(present).to(device), graph),
            edges=window_edges(dialogue, self.speaker[utterance], self.speakers, graph),
        )
