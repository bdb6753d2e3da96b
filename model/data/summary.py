"""What is in a data file of any kind."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from model.base import DataError
from model.data import joyful_pickle, mmgcn_pickle
from model.data.archive import Archive
from model.data.dataset import Dataset
from model.data.dialogues import Dialogue, classes, dataset, known_names, stacked
from model.data.file import is_there
from model.data.npz import Npz
from model.data.unpickle import unpickle

ANNOTATIONS = ("label", "length", "speaker")


@dataclass(frozen=True)
class Summary:
    """A data file.

    Attributes:
        setting: what a matrix says under ``data`` to use all of it.
        dataset: the file as it is read by ``setting``.
        notes: what else to know, a sentence each.
    """

    setting: Mapping[str, Any]
    dataset: Dataset
    notes: Sequence[str] = field(default_factory=tuple)


def summarise(path: Path) -> Summary:
    """Read a file; its kind follows from its contents.

    Raises:
        DataError: there is no such file, or its contents are of no kind or break a rule.
    """
    if not is_there(path):
        raise DataError(f"no file {path}.")
    if zipfile.is_zipfile(path):
        return _npz(path)
    content = unpickle(path)
    if joyful_pickle.is_joyful(content):
        return _pickle("joyful_pickle", path, joyful_pickle.dialogues(path, content), tuple(joyful_pickle.MODALITIES))
    if mmgcn_pickle.is_mmgcn(content):
        return _pickle("mmgcn_pickle", path, mmgcn_pickle.dialogues(path, content), mmgcn_pickle.MODALITIES)
    raise DataError(
        f"{path} holds a {type(content).__name__}; known are a dict of the lists train, dev and test (joyful_pickle), "
        f"9 or 10 dicts and lists of ids (mmgcn_pickle), and .npz."
    )


def _pickle(kind: str, path: Path, dialogues: Sequence[Dialogue], modalities: Sequence[str]) -> Summary:
    unusable = {key: error for key in modalities if (error := _error(partial(stacked, dialogues, key)))}
    features = [key for key in modalities if key not in unusable]
    if not features:
        raise DataError("; ".join(unusable.values()))
    names = known_names(dialogues) or tuple(map(str, range(classes(dialogues))))
    setting = {"kind": kind, "path": str(path.absolute()), "features": features}
    notes = [f"{key} cannot be used: {error}" for key, error in unusable.items()]
    if not known_names(dialogues):
        setting["label_names"] = list(names)
        notes.append("The classes are those of no known set: name them.")
    return Summary(setting, dataset(path.name, dialogues, features, names), notes)


def _error(read: Callable[[], object]) -> str | None:
    try:
        read()
    except DataError as error:
        return str(error)
    return None


def _npz(path: Path) -> Summary:
    archive = Archive(path)
    arrays = {name: archive.read(name) for name in archive.names}
    n = arrays["label"].shape[:1] if "label" in arrays else ()
    rows = {key: array for key, array in arrays.items() if array.shape[:1] == n and key not in ANNOTATIONS}
    features = tuple(key for key, array in rows.items() if array.ndim == 2 and array.dtype.kind in "fiu")
    if not features:
        shapes = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "no arrays"
        raise DataError(f"{path}: no (N, d) array of numbers with as many rows as 'label'; the file has {shapes}.")
    columns = sorted((key for key, array in rows.items() if array.ndim == 1), key=lambda key: key != "split")
    splits = [key for key in columns if not _error(Npz(path=str(path), features=features, split=key).load)]
    config = Npz(path=str(path), features=features, split=splits[0] if splits else "split")
    notes = [f"{key} can be the split, too." for key in splits[1:]]
    return Summary({"kind": "npz"} | config.model_dump(mode="json"), config.load(), notes)
