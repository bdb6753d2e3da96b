"""Writes the pickles of the field in the forms in which they are published."""

import pickle
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

WIDTH = {"text": 3, "audio": 2, "visual": 4}


def _initialise(self: Any, **attributes: object) -> None:
    self.__dict__.update(attributes)


@contextmanager
def sample_class(module: str) -> Iterator[type]:
    """The class ``Sample`` of a module that exists as long as this lasts, so that pickle finds it by its name."""
    package = module.partition(".")[0]
    cls = type("Sample", (), {"__module__": module, "__init__": _initialise})
    modules = {package: types.ModuleType(package), module: types.ModuleType(module)}
    vars(modules[module])["Sample"] = cls
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield cls
    finally:
        for name, old in before.items():
            sys.modules.pop(name)
            if old is not None:
                sys.modules[name] = old


def dialogue(seed: int, *, meld: bool = False) -> dict[str, Any]:
    """The attributes of a published dialogue: rows of features as a list of arrays, labels as integers."""
    rng = np.random.default_rng([seed, 7])
    n = 7
    speaker: list[Any] = rng.choice(["M", "F"], n).tolist()
    if meld:
        speaker = np.eye(9, dtype=int)[rng.integers(0, 9, n)].tolist()
    return {
        "vid": seed if meld else f"Ses{seed:02}F_impro01",
        "speaker": speaker,
        "label": [(seed + i) % 7 if meld else (seed + i) % 6 for i in range(n)],
        "text": list(rng.normal(size=(n, WIDTH["text"]))),
        "audio": list(rng.normal(size=(n, WIDTH["audio"]))),
        "visual": rng.normal(size=(n, WIDTH["visual"])),
        "sentence": [f"Utterance {i} of café {seed}." for i in range(n)],
        "sbert_sentence_embeddings": rng.normal(size=(n, 5)).astype(np.float32),
    }


def joyful_dialogues(*, meld: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Attributes of the samples of each split."""
    numbers = {"train": range(4), "dev": range(4, 6), "test": range(6, 8)}
    return {split: [dialogue(i, meld=meld) for i in seeds] for split, seeds in numbers.items()}


def joyful_bytes(
    splits: Mapping[str, list[dict[str, Any]]], *, module: str = "joyful.Sample", protocol: int = 4
) -> bytes:
    """A dict of lists of samples, as JOYFUL and COGMEN write it."""
    with sample_class(module) as cls:
        return pickle.dumps({split: [cls(**has) for has in samples] for split, samples in splits.items()}, protocol)


def mmgcn_tuple(*, meld: bool = False, trained: int = 12, tested: int = 3) -> tuple[Any, ...]:
    """The 9 elements of IEMOCAP, or the 10 of MELD."""
    dialogues = [dialogue(i, meld=meld) for i in range(trained + tested)]
    vids = [has["vid"] for has in dialogues]

    def table(key: str) -> dict[Any, Any]:
        return {has["vid"]: has[key] for has in dialogues}

    ids = {vid: [f"{vid}_{i}" for i in range(7)] for vid in vids}
    tables = [table(key) for key in ("speaker", "label", "text", "audio", "visual", "sentence")]
    elements = (ids, *tables, vids[:trained], vids[trained:])
    return (*elements, {vid: [0] * 7 for vid in vids}) if meld else elements


class _Python2(pickle._Pickler):
    """Writes as Python 2 did: ``str``, and the buffers of arrays with it, as bytes without an encoding."""

    def save_latin1(self, text: str | bytes) -> None:
        data = text.encode("latin1") if isinstance(text, str) else text
        head = b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + len(data).to_bytes(4, "little")
        self.write(head + data)  # type: ignore[attr-defined]
        self.memoize(text)  # type: ignore[attr-defined]

    dispatch: ClassVar[dict[type, Any]] = {**pickle._Pickler.dispatch, str: save_latin1, bytes: save_latin1}


def python2_bytes(value: object) -> bytes:
    """A pickle of protocol 2 as Python 2 and numpy 1 wrote it."""
    stream = BytesIO()
    _Python2(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def write(path: Path, data: bytes) -> Path:
    """A file with these bytes."""
    path.write_bytes(data)
    return path
