"""The pickles of MMGCN: ``IEMOCAP_features.pkl`` and ``MELD_features_raw1.pkl``."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

import numpy as np
from pydantic import AfterValidator, Field

from model.base import DataError, distinct
from model.data.dataset import DEV, TEST, TRAIN, Dataset
from model.data.dialogues import Dialogue, LabelNames, dataset, is_id
from model.data.file import DataFile
from model.data.unpickle import unpickle

TABLES = ("ids", "speakers", "labels", "text", "audio", "visual", "sentences")
MODALITIES = ("audio", "text", "visual")

Modality = Literal["audio", "text", "visual"]
Id = str | int


class MmgcnPickle(DataFile):
    """Nine dicts and lists: ids, speakers, labels, text, audio, visual, sentences by dialogue, train ids, test ids.

    The file of MELD has a tenth element, which is not used. The files have no dev split: dev is the tenth of the train
    dialogues (at least one) whose ids have the smallest SHA-256, whatever their order in the file. The rule keeps
    dialogues whole. It does not keep people apart: dialogues of one IEMOCAP session share their two actors, so that dev
    has the actors of train while test (session 5) has others, and dev scores are optimistic. MELD's train ids include
    the dialogues that its authors published as dev. Dialogues in neither list are left out.

    ``features`` chooses modalities; ``label_names`` is needed only for a set other than IEMOCAP with 6 or 4 classes
    and MELD. Speakers M and F are 0 and 1; one-hot speakers (MELD) are numbered as they appear in a dialogue.
    """

    kind: Literal["mmgcn_pickle"] = "mmgcn_pickle"
    features: Annotated[
        tuple[Modality, ...], Field(min_length=1, description="modalities to read"), AfterValidator(distinct)
    ]
    label_names: LabelNames = None

    def load(self) -> Dataset:
        """Read and check the file.

        Raises:
            DataError: missing or unreadable file, a name that is not allowed, or contents that break a rule.
        """
        path = self.existing()
        return dataset(path.name, dialogues(path, unpickle(path)), self.features, self.label_names)


def is_mmgcn(content: object) -> TypeGuard[tuple[Any, ...]]:
    """Whether an unpickled file has the outer form: 9 or 10 elements, the first seven of them dicts."""
    return (
        isinstance(content, tuple | list)
        and len(content) in {9, 10}
        and all(isinstance(table, dict) for table in content[: len(TABLES)])
    )


def dialogues(path: Path, content: object) -> list[Dialogue]:
    """The dialogues of train, dev and test, in this order, each sorted by id.

    Raises:
        DataError: not of the form, an empty split, an id twice, or one that a dict does not have.
    """
    if not is_mmgcn(content):
        raise DataError(
            f"data.path: {path} holds no 9 or 10 elements ({', '.join(TABLES)} as dicts, train ids, test ids), as "
            f"mmgcn_pickle needs them."
        )
    tables = dict(zip(TABLES, content[: len(TABLES)], strict=True))
    train, test = (_ids(path.name, name, content[len(TABLES) + i]) for i, name in enumerate(("train", "test")))
    both = [id_ for id_ in train if id_ in set(test)]
    if both:
        raise DataError(f"{path.name}: dialogue {both[0]!r:.80} is in train and in test.")
    dev = dev_ids(train)
    splits = {TRAIN: [id_ for id_ in train if id_ not in dev], DEV: sorted(dev, key=str), TEST: test}
    return [_dialogue(path.name, tables, split, id_) for split, ids in splits.items() for id_ in ids]


def dev_ids(train: Collection[Id]) -> set[Id]:
    """The tenth of the ids, at least one, whose SHA-256 is smallest."""
    ranked = sorted(train, key=lambda id_: hashlib.sha256(str(id_).encode(errors="backslashreplace")).digest())
    return set(ranked[: max(1, len(ranked) // 10)])


def _ids(file: str, name: str, value: object) -> list[Id]:
    """Sorted, since a set of strings has another order in every process."""
    ids = value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value
    if not isinstance(ids, list | tuple | set | frozenset) or not all(map(is_id, ids)):
        raise DataError(f"{file}: the {name} ids are a {type(value).__name__}, not a list of strings or integers.")
    if not ids:
        raise DataError(f"{file}: there are no {name} ids.")
    unique = sorted(set(ids), key=str)
    if len(unique) < len(ids):
        raise DataError(f"{file}: {len(ids) - len(unique)} of the {name} ids are given twice.")
    return unique


def _dialogue(file: str, tables: Mapping[str, Mapping[Id, object]], split: int, id_: Id) -> Dialogue:
    place = f"{file}: dialogue {id_!r:.80}"
    missing = [name for name in ("speakers", "labels", *MODALITIES) if id_ not in tables[name]]
    if missing:
        raise DataError(f"{place}: it is in the list of ids, but not in {', '.join(missing)}.")
    features = {key: tables[key][id_] for key in MODALITIES}
    return Dialogue(place, split, tables["labels"][id_], tables["speakers"][id_], features)
