"""The neutral file format: one .npz of concatenated utterances."""

import zipfile
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from model.base import DataError, distinct
from model.data.archive import Archive
from model.data.dataset import MOST_CLASSES, Dataset
from model.data.file import DataFile


class Npz(DataFile):
    """Arrays of an .npz file, read without unpickling.

    The file holds one (N, d) array for each modality, ``label`` (N,) of classes, or (N, C) of 0 and 1 where an
    utterance has any number of labels, ``length`` (D,), ``speaker`` (N,), a split (N,) with 0 train, 1 dev, 2 test,
    and optionally ``label_names`` (C,). ``features`` names the arrays of the modalities, in the order in which the
    fusion concatenates them; ``split`` names that of the split.
    """

    kind: Literal["npz"] = "npz"
    features: Annotated[
        tuple[str, ...], Field(min_length=1, description="names of the modalities' arrays"), AfterValidator(distinct)
    ]
    split: Annotated[str, Field(description="name of the array of the split")] = "split"

    def load(self) -> Dataset:
        """Read and check the file.

        Raises:
            DataError: missing or unreadable file, missing array, or contents that break a rule of ``Dataset``.
        """
        path = self.existing()
        if not zipfile.is_zipfile(path):
            raise DataError(f"data.path: {path} is no .npz file.")
        return self._dataset(path.name, self._arrays(Archive(path)))

    def _arrays(self, archive: Archive) -> dict[str, NDArray[Any]]:
        required = (*self.features, "label", "length", "speaker", self.split)
        missing = [key for key in required if key not in archive.names]
        if missing:
            has = ", ".join(sorted(archive.names)) or "nothing"
            raise DataError(f"{archive.path}: no array {', '.join(missing)}; the file has {has}.")
        return {key: archive.read(key) for key in (*required, "label_names") if key in archive.names}

    def _dataset(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> Dataset:
        label = _labels(name, arrays["label"])
        classes = label.shape[1] if label.ndim == 2 else int(label.max(initial=0)) + 1
        if classes > MOST_CLASSES:
            raise DataError(f"{name}: 'label' counts {classes} classes, more than {MOST_CLASSES}; is it an identifier?")
        names = arrays.get("label_names")
        return Dataset(
            name=name,
            features={key: _numbers(name, key, arrays[key]) for key in self.features},
            label=label,
            length=_integers(name, "length", arrays["length"]),
            speaker=_integers(name, "speaker", arrays["speaker"]),
            split=_integers(name, self.split, arrays[self.split]),
            label_names=tuple(map(str, range(classes))) if names is None else _names(name, names),
        )


def _labels(name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if array.ndim == 2 and array.dtype.kind in "iu":
        return array.astype(np.int64)
    return _integers(name, "label", array)


def _integers(name: str, key: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(f"{name}: '{key}' has shape {array.shape} of {array.dtype}; it must be (N,) integers.")
    return array.astype(np.int64)


def _numbers(name: str, key: str, array: NDArray[Any]) -> NDArray[np.float32]:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DataError(f"{name}: '{key}' has shape {array.shape} of {array.dtype}; it must be (N, d) numbers.")
    with np.errstate(over="ignore"):  # infinity is refused with its row
        return array.astype(np.float32)


def _names(name: str, array: NDArray[Any]) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        raise DataError(f"{name}: 'label_names' has shape {array.shape} of {array.dtype}; it must be (C,) strings.")
    try:
        return tuple(map(str, array))
    except ValueError as error:  # numpy takes any four bytes for a character
        raise DataError(f"{name}: 'label_names' cannot be read: {error}.") from error
