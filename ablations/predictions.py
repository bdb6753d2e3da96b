"""The file of a run's test predictions: a compressed .npz of typed arrays, which ``numpy.load`` opens without pickles.

N utterances, C classes or labels:

| array | shape | |
|---|---|---|
| ``label_names`` | (C,) text | |
| ``dialogue`` | (N,) integers | number of the dialogue in the data |
| ``label``, ``predicted`` | (N,) integers, or (N, C) of 0 and 1 | index of the class; or whether each label applies |
| ``probability`` | (N, C) float16 | of each class or label |

Integers have the smallest type that holds them. A half-precision probability is exact to three digits, so where two
classes are that close ``predicted`` decides and not the largest probability.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablations.record import SchemaError

IntArray = NDArray[np.integer]


@dataclass(frozen=True)
class TypedPredictions:
    """Test utterances in the order of the data.

    Attributes:
        label_names: the C names.
        dialogue: (N,) the dialogue, or other group, of each utterance.
        label: (N,) true classes, or (N, C) labels that are 0 or 1.
        predicted: the same, as predicted.
        probability: (N, C); None if it was not read.
    """

    label_names: tuple[str, ...]
    dialogue: IntArray
    label: IntArray
    predicted: IntArray
    probability: NDArray[np.floating] | None

    @property
    def position(self) -> NDArray[np.int64]:
        """(N,) place of each utterance among those of its dialogue, from 0."""
        order = np.argsort(self.dialogue, kind="stable")
        _, count = np.unique(self.dialogue, return_counts=True)
        position = np.empty(len(order), np.int64)
        position[order] = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
        return position

    def encode(self) -> bytes:
        """The file."""
        assert self.probability is not None
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            label_names=np.array(self.label_names, dtype=np.str_),
            dialogue=_smallest(self.dialogue),
            label=_smallest(self.label),
            predicted=_smallest(self.predicted),
            probability=self.probability.astype(np.float16),
        )
        return buffer.getvalue()

    @classmethod
    def decode(cls, content: bytes, probability: bool = True) -> "TypedPredictions":
        """From a file; without the probabilities, most of its bytes are not decompressed.

        Raises:
            SchemaError: it is damaged, or no such file.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls(
                    tuple(arrays["label_names"].tolist()),
                    arrays["dialogue"],
                    arrays["label"],
                    arrays["predicted"],
                    arrays["probability"] if probability else None,
                )
        except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, AttributeError) as error:
            raise SchemaError(f"the predictions cannot be read: {error}") from error


def _smallest(array: IntArray) -> IntArray:
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    return array.astype(np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high)))
