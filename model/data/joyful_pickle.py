"""The pickles of JOYFUL and COGMEN: ``data_iemocap.pkl``, ``data_iemocap_4.pkl``, ``data_meld.pkl``."""

from pathlib import Path
from typing import Annotated, Literal, TypeGuard

from pydantic import AfterValidator, Field

from model.base import DataError, distinct
from model.data.dataset import SPLITS, Dataset
from model.data.dialogues import Dialogue, LabelNames, dataset, is_id
from model.data.file import DataFile
from model.data.unpickle import Sample, unpickle

# The attribute of a sample that holds each modality.
MODALITIES = {"audio": "audio", "text": "text", "visual": "visual", "sbert": "sbert_sentence_embeddings"}

Modality = Literal["audio", "text", "visual", "sbert"]


class JoyfulPickle(DataFile):
    """Train, dev and test lists of samples, each a dialogue, read without running what the file may ask for.

    ``features`` chooses modalities. The published networks read ``[audio, sbert, visual]``: their text is the sentence
    embedding ``sbert`` (the attribute ``sbert_sentence_embeddings``), not the attribute ``text``. ``label_names`` is
    needed only for a set other than IEMOCAP with 6 or 4 classes and MELD.

    Speakers M and F are 0 and 1; one-hot speakers (MELD) are numbered as they appear in a dialogue.
    """

    kind: Literal["joyful_pickle"] = "joyful_pickle"
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


def is_joyful(content: object) -> TypeGuard[dict[str, list[object]]]:
    """Whether an unpickled file has the outer form: a dict of the lists train, dev and test."""
    return (
        isinstance(content, dict)
        and set(content) == set(SPLITS)
        and all(isinstance(samples, list) for samples in content.values())
    )


def dialogues(path: Path, content: object) -> list[Dialogue]:
    """Every sample, in the order train, dev, test.

    Raises:
        DataError: not of the form, an empty split, or a dialogue that is in two splits.
    """
    if not is_joyful(content):
        raise DataError(f"data.path: {path} holds no dict of the lists {', '.join(SPLITS)}, as joyful_pickle needs it.")
    result: list[Dialogue] = []
    owner: dict[object, str] = {}
    for split, name in enumerate(SPLITS):
        if not content[name]:
            raise DataError(f"{path.name}: split {split} ({name}) is empty.")
        for i, sample in enumerate(content[name]):
            if not isinstance(sample, Sample):
                raise DataError(f"{path.name}: {name}[{i}] is a {type(sample).__name__}, not a Sample.")
            dialogue = _dialogue(path.name, f"{name}[{i}]", split, sample)
            first = owner.setdefault(sample.attributes["vid"], name)
            if first != name:
                dialogue.refuse(f"it is in {first} and in {name}")
            result.append(dialogue)
    return result


def _dialogue(file: str, place: str, split: int, sample: Sample) -> Dialogue:
    has = sample.attributes
    missing = [key for key in ("vid", "speaker", "label") if key not in has]
    if missing:
        raise DataError(f"{file}: {place} has no {', '.join(missing)}; it has {', '.join(has) or 'nothing'}.")
    if not is_id(has["vid"]):
        raise DataError(
            f"{file}: {place} has a vid that is a {type(has['vid']).__name__}, not a string or integer of 64 bits."
        )
    features = {key: has[attribute] for key, attribute in MODALITIES.items() if attribute in has}
    return Dialogue(f"{file}: dialogue {has['vid']!r:.80}", split, has["label"], has["speaker"], features)
