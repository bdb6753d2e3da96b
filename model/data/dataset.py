"""A data set of conversations in memory, checked once where it enters."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.base import DataError

TRAIN, DEV, TEST = range(3)
SPLITS = ("train", "dev", "test")
LONGEST_NAME = 100  # of a class: metrics are called after it
MOST_CLASSES, MOST_SPEAKERS = 1000, 100  # more are a slip: an identifier where an index belongs


@dataclass(frozen=True)
class Dataset:
    """Utterances of D dialogues, concatenated in dialogue order; N utterances in all.

    Attributes:
        name: what it is called in messages.
        features: for each modality, in order, (N, d_m) float32.
        label: (N,) class indices in 0..C-1; or (N, C) of 0 and 1, where an utterance has any number of labels.
        length: (D,) utterances of each dialogue, at least 1, sums to N.
        speaker: (N,) speaker within the dialogue, counted from 0.
        split: (N,) 0 train, 1 dev, 2 test, constant within a dialogue.
        label_names: the C names of the classes or labels.
    """

    name: str
    features: Mapping[str, NDArray[np.float32]]
    label: NDArray[np.int64]
    length: NDArray[np.int64]
    speaker: NDArray[np.int64]
    split: NDArray[np.int64]
    label_names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check every rule of the attributes.

        Raises:
            DataError: for the first rule that is broken.
        """
        n = len(self.label)
        rows: dict[str, NDArray[Any]] = {"speaker": self.speaker, "split": self.split, **self.features}
        for key, array in rows.items():
            self._require(len(array) == n, f"'{key}' has {len(array)} rows, 'label' has {n}; they must agree")
        for key, feature in self.features.items():
            self._require(key.isprintable(), f"the name of the array {key!r} has control characters")
            is_matrix = feature.ndim == 2 and feature.shape[1] > 0
            self._require(is_matrix, f"'{key}' has shape {feature.shape}, not (N, d)")
            bad = np.flatnonzero(~np.isfinite(feature).all(1))
            self._require(
                not len(bad), f"'{key}' has NaN or infinity in {len(bad)} rows, the first is {bad.min(initial=n)}"
            )
        self._require(n > 0, "it has no utterances")
        self._require(bool((self.length > 0).all()), "'length' has a dialogue without utterances")
        # Compared one by one first: a sum of numbers that large may come round to any other.
        self._require(
            int(self.length.max(initial=0)) <= n, f"'length' has {self.length.max(initial=0)}, 'label' has {n} rows"
        )
        self._require(int(self.length.sum()) == n, f"'length' sums to {self.length.sum()}, 'label' has {n} rows")
        self._require(int(self.speaker.min(initial=0)) >= 0, "'speaker' has a negative number")
        most = int(self.speaker.max(initial=0))
        self._require(
            most < MOST_SPEAKERS, f"'speaker' has the number {most}; speakers are counted from 0 within each dialogue"
        )
        self._check_labels()
        constant = bool((self.split == np.repeat(self.split[self.start], self.length)).all())
        self._require(constant, "'split' changes within a dialogue")
        known = bool(((self.split >= TRAIN) & (self.split <= TEST)).all())
        self._require(known, "'split' has a value other than 0 (train), 1 (dev) and 2 (test)")
        for index, split in enumerate(SPLITS):
            self._require(bool((self.split == index).any()), f"split {index} ({split}) is empty")

    def _check_labels(self) -> None:
        classes = len(self.label_names)
        named = [name for name in self.label_names if 0 < len(name) <= LONGEST_NAME and "/" not in name]
        named = [name for name in named if name.isprintable()]
        rule = f"are empty, equal, or have a '/', control characters or more than {LONGEST_NAME} characters"
        self._require(0 < len(set(named)) == classes, f"'label_names' {self.label_names} {rule}")
        if self.multi_label:
            fits = self.label.shape == (len(self.label), classes)
            self._require(fits, f"'label' has shape {self.label.shape}, but there are {classes} label names")
        high = 1 if self.multi_label else classes - 1
        inside = bool(((self.label >= 0) & (self.label <= high)).all())
        self._require(inside, f"'label' has values outside 0..{high}")

    def _require(self, holds: bool, message: str) -> None:
        if not holds:
            raise DataError(f"{self.name}: {message}.")

    @property
    def multi_label(self) -> bool:
        """Whether an utterance has any number of labels instead of one class."""
        return self.label.ndim == 2

    def count(self, split: int) -> NDArray[np.int64]:
        """(C,) utterances of each class or label in a split."""
        label = self.label[self.split == split]
        return label.sum(0) if self.multi_label else np.bincount(label, minlength=len(self.label_names))

    @property
    def start(self) -> NDArray[np.int64]:
        """(D,) index of the first utterance of each dialogue."""
        return np.concatenate([[0], np.cumsum(self.length)[:-1]]).astype(np.int64)

    @property
    def speakers(self) -> int:
        """Largest number of speakers that a dialogue can have."""
        return int(self.speaker.max()) + 1

    def dialogues(self, split: int) -> NDArray[np.int64]:
        """Indices of the dialogues of a split."""
        return np.flatnonzero(self.split[self.start] == split)

    @cached_property
    def digest(self) -> str:
        """Hash of all contents: two data sets with one digest give the same results."""
        sha = hashlib.sha256(repr((sorted(self.features), self.label_names)).encode())
        features: list[NDArray[Any]] = [self.features[key] for key in sorted(self.features)]
        for array in [*features, self.label, self.length, self.speaker, self.split]:
            sha.update(f"{array.dtype} {array.shape}".encode())
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()[:16]

    def prepared(self) -> "Dataset":
        """As it is trained on."""
        return self.standardised()

    def standardised(self) -> "Dataset":
        """The same with each feature column at mean 0 and standard deviation 1 over the training split.

        A column that is constant there becomes 0 everywhere: dividing by its deviation would blow up dev and test.
        """
        train = self.split == TRAIN
        return replace(self, features={key: _standardise(x, train) for key, x in self.features.items()})


def _standardise(x: NDArray[np.float32], train: NDArray[np.bool_]) -> NDArray[np.float32]:
    reference = x[train].astype(np.float64)
    mean, deviation = reference.mean(0), reference.std(0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-8)
    return np.asarray((x - mean) * scale, dtype=np.float32)
