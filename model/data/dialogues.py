"""Dialogues as the pickles of the field hold them, checked one by one and put together."""

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model.base import DataError
from model.data.dataset import MOST_CLASSES, Dataset

LETTERS = {"M": 0, "F": 1}
IEMOCAP = ("happy", "sad", "neutral", "angry", "excited", "frustrated")
IEMOCAP_4 = IEMOCAP[:4]
MELD = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
INTEGERS = (int, np.integer)
NUMBERS = (int, float, np.integer, np.floating)

LabelNames = Annotated[
    Annotated[tuple[str, ...], Field(min_length=1)] | None,
    Field(description="names of the classes, of a set other than IEMOCAP and MELD"),
]


@dataclass(frozen=True)
class Dialogue:
    """One dialogue of n utterances as it was read; the properties check it.

    Attributes:
        place: file and dialogue, as messages name them.
        split: 0 train, 1 dev, 2 test.
        label: n class indices.
        speaker: n letters M or F, or n one-hot rows.
        features: for each modality (n, d) numbers, or n rows of d.
    """

    place: str
    split: int
    label: object
    speaker: object
    features: Mapping[str, object]

    @cached_property
    def labels(self) -> list[int]:
        """The n class indices.

        Raises:
            DataError: there are none, or one is no class index.
        """
        labels = self._sequence("label", self.label)
        if not labels:
            self.refuse("it has no utterances")
        return [self._label(i, value) for i, value in enumerate(labels)]

    def _label(self, i: int, value: object) -> int:
        if not isinstance(value, INTEGERS) or not 0 <= value < MOST_CLASSES:
            rule = f"it must be a class index from 0 to {MOST_CLASSES - 1}"
            self.refuse(f"label of utterance {i} is {_described(value)}; {rule}")
        return int(value)

    @property
    def one_hot(self) -> bool:
        """Whether speakers are rows and not letters."""
        return not any(isinstance(value, str) for value in self._sequence("speaker", self.speaker))

    @property
    def speakers(self) -> list[int]:
        """The n speakers within the dialogue: M is 0 and F is 1; one-hot rows are numbered as they appear.

        Raises:
            DataError: one is neither letter nor one-hot row, or there are not n.
        """
        values = self._aligned("speaker", self.speaker)
        if not self.one_hot:
            return [self._letter(i, value) for i, value in enumerate(values)]
        seen: dict[int, int] = {}
        return [seen.setdefault(self._column(i, row), len(seen)) for i, row in enumerate(values)]

    def _letter(self, i: int, value: object) -> int:
        if not isinstance(value, str) or value not in LETTERS:
            self._no_speaker(i, value)
        return LETTERS[value]

    def _column(self, i: int, row: object) -> int:
        numbers = _items(row)
        if not numbers or not all(isinstance(x, NUMBERS) and x in (0, 1) for x in numbers) or numbers.count(1) != 1:
            self._no_speaker(i, row)
        return numbers.index(1)

    def _no_speaker(self, i: int, value: object) -> NoReturn:
        rule = "it must be 'M' or 'F', or a one-hot row such as [0, 1, 0]"
        self.refuse(f"speaker of utterance {i} is {_described(value)}; {rule}")

    def rows(self, key: str) -> NDArray[np.float32]:
        """(n, d) features of a modality; a number too large for float32 becomes infinity.

        Raises:
            DataError: there is no such modality, there are not n rows, or they are not d numbers each.
        """
        if key not in self.features:
            self.refuse(f"it has no '{key}'; it has {', '.join(self.features) or 'nothing'}")
        rows = [self._row(key, i, row) for i, row in enumerate(self._aligned(key, self.features[key]))]
        for i, row in enumerate(rows):
            if len(row) != len(rows[0]):
                self.refuse(f"'{key}' of utterance {i} has {len(row)} numbers, of utterance 0 {len(rows[0])}")
        with np.errstate(over="ignore"):
            return np.stack(rows).astype(np.float32)

    def _row(self, key: str, i: int, row: object) -> NDArray[Any]:
        # The types are looked at first: numpy would read strings as numbers, and nested lists without end.
        flat = isinstance(row, list | tuple) and all(issubclass(kind, NUMBERS) for kind in {type(x) for x in row})
        array = np.array(row) if flat else row
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "fiu":
            self.refuse(f"'{key}' of utterance {i} is {_described(row)}; it must be a row of numbers")
        return array

    def _aligned(self, key: str, value: object) -> list[object]:
        items = self._sequence(key, value)
        if len(items) != len(self.labels):
            self.refuse(f"'{key}' has {len(items)} rows, 'label' has {len(self.labels)}; they must agree")
        return items

    def _sequence(self, key: str, value: object) -> list[object]:
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1]:
            return list(value)
        items = _items(value)
        if items is None:
            self.refuse(f"'{key}' is {_described(value)}; it must be a list or an array with an entry an utterance")
        return items

    def refuse(self, message: str) -> NoReturn:
        """Say what is wrong with this dialogue.

        Raises:
            DataError: always.
        """
        raise DataError(f"{self.place}: {message}.")


def _items(value: object) -> list[object] | None:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return list(value.tolist())
    return list(value) if isinstance(value, list | tuple) else None


def is_id(value: object) -> bool:
    """Whether a value may name a dialogue: a string, or an integer of a size that can be written."""
    return isinstance(value, str) or (isinstance(value, int) and value.bit_length() <= 64)


def _described(value: object) -> str:
    if isinstance(value, np.ndarray) and value.ndim > 1:
        return f"an array of shape {value.shape}"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"an integer of {value.bit_length()} bits"
    return reprlib.repr(value if _items(value) is None else _items(value))


def stacked(dialogues: Sequence[Dialogue], key: str) -> NDArray[np.float32]:
    """(N, d) features of a modality in all dialogues.

    Raises:
        DataError: a dialogue has none, or another d than the first.
    """
    parts = [dialogue.rows(key) for dialogue in dialogues]
    for dialogue, part in zip(dialogues, parts, strict=True):
        if part.shape[1] != parts[0].shape[1]:
            dialogue.refuse(f"'{key}' has {part.shape[1]} columns, in the first dialogue {parts[0].shape[1]}")
    return np.concatenate(parts)


def known_names(dialogues: Sequence[Dialogue]) -> tuple[str, ...] | None:
    """Class names of the published set with these speakers and so many classes: IEMOCAP, IEMOCAP 4-way or MELD."""
    sets = [MELD] if dialogues[0].one_hot else [IEMOCAP, IEMOCAP_4]
    return next((names for names in sets if len(names) == classes(dialogues)), None)


def classes(dialogues: Sequence[Dialogue]) -> int:
    """One more than the largest label."""
    return 1 + max(max(dialogue.labels) for dialogue in dialogues)


def dataset(
    name: str, dialogues: Sequence[Dialogue], features: Sequence[str], label_names: tuple[str, ...] | None
) -> Dataset:
    """The dialogues, in order, as one data set.

    Args:
        name: of the file, for messages.
        dialogues: at least one.
        features: the modalities, in order.
        label_names: class names; None takes those of ``known_names``.

    Raises:
        DataError: a dialogue breaks a rule, a label has no name, or a split is empty.
    """
    speaker = np.concatenate([dialogue.speakers for dialogue in dialogues]).astype(np.int64)
    names = label_names or known_names(dialogues)
    if names is None:
        raise DataError(
            f"{name}: {classes(dialogues)} classes are none of the known sets (with speakers M and F: 6 of IEMOCAP, "
            f"4 of IEMOCAP; with one-hot speakers: 7 of MELD); name them with --set 'data.label_names=[..]'."
        )
    for dialogue in dialogues:
        if max(dialogue.labels) >= len(names):
            dialogue.refuse(f"it has the label {max(dialogue.labels)}; the labels are 0..{len(names) - 1}: {names}")
    length = [len(dialogue.labels) for dialogue in dialogues]
    return Dataset(
        name=name,
        features={key: stacked(dialogues, key) for key in features},
        label=np.concatenate([dialogue.labels for dialogue in dialogues]).astype(np.int64),
        length=np.array(length, dtype=np.int64),
        speaker=speaker,
        split=np.repeat([dialogue.split for dialogue in dialogues], length).astype(np.int64),
        label_names=names,
    )
