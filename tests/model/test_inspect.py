"""``python -m model.data inspect`` says what a file holds, and what a matrix says to use it."""

import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from model.config import RunConfig
from model.data.__main__ import app
from tests.model.pickles import joyful_bytes, joyful_dialogues, mmgcn_tuple, python2_bytes, write

ROOT = Path(__file__).parents[2]


def inspect(path: Path) -> Result:
    return CliRunner().invoke(app, ["inspect", str(path)])


def npz(path: Path, **changes: Any) -> Path:
    length = np.array([3, 2, 2, 1])
    arrays = {
        "text": np.arange(24.0).reshape(8, 3),
        "audio": np.zeros((8, 2), np.float16),
        "label": np.array([0, 1, 1, 0, 1, 0, 1, 0]),
        "length": length,
        "speaker": np.array([0, 1, 0, 0, 0, 1, 0, 0]),
        "other": np.repeat([2, 1, 0, 0], length),
        "split": np.repeat([0, 0, 1, 2], length),
        "duration": np.arange(8),
        "label_names": np.array(["no", "yes"]),
        "means": np.zeros((2, 3)),
    }
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return path


def files(folder: Path) -> dict[str, Path]:
    return {
        "joyful_pickle": write(folder / "data_iemocap.pkl", joyful_bytes(joyful_dialogues())),
        "mmgcn_pickle": write(folder / "IEMOCAP_features.pkl", python2_bytes(mmgcn_tuple())),
        "npz": npz(folder / "data.npz"),
    }


@pytest.mark.parametrize("kind", ["joyful_pickle", "mmgcn_pickle", "npz"])
def test_the_line_for_a_matrix_loads_what_is_shown(tmp_path: Path, kind: str) -> None:
    result = inspect(files(tmp_path)[kind])
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    data = yaml.safe_load(lines[-1].removeprefix("in the base of a matrix: "))["data"]
    assert next(iter(data)) == "kind"
    assert data["kind"] == kind
    config = RunConfig.model_validate_json(RunConfig.model_validate({"data": data}, strict=False).model_dump_json())
    assert f"digest {config.data.load().digest}" in lines


def cells(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


def test_counts_dimensions_and_balance_are_those_of_the_file(tmp_path: Path) -> None:
    splits = joyful_dialogues()
    output = inspect(write(tmp_path / "x.pkl", joyful_bytes(splits))).stdout
    rows = cells(output)
    assert "x.pkl: joyful_pickle, speakers in a dialogue: up to 2" in output
    assert ["train", "dev", "test"] in rows
    assert ["dialogues", "4", "2", "2"] in rows
    assert ["utterances", "28", "14", "14"] in rows
    happy = [sum(has["label"].count(0) for has in samples) for samples in splits.values()]
    shares = [word for n, total in zip(happy, (28, 14, 14), strict=True) for word in (str(n), f"({n / total:.1%})")]
    assert ["happy", *shares] in rows
    assert rows[-7:-3] == [["audio", "2"], ["text", "3"], ["visual", "4"], ["sbert", "5"]]


def test_the_splits_that_an_npz_offers_are_named(tmp_path: Path) -> None:
    output = inspect(npz(tmp_path / "data.npz")).stdout
    assert "features: [text, audio], split: split" in output
    assert "other can be the split, too." in output
    assert "duration can be" not in output
    alone = inspect(npz(tmp_path / "data.npz", split=None)).stdout
    assert ["dialogues", "2", "1", "1"] in cells(alone)
    assert "features: [text, audio], split: other" in alone


def test_a_modality_that_cannot_be_used_is_left_out_with_the_reason(tmp_path: Path) -> None:
    splits = joyful_dialogues()
    for samples in splits.values():
        for has in samples:
            has["text"] = has["sentence"]
            del has["visual"]
    output = inspect(write(tmp_path / "x.pkl", joyful_bytes(splits))).stdout
    assert "text cannot be used: x.pkl: dialogue 'Ses00F_impro01': 'text' of utterance 0 is 'Utterance 0 o" in output
    assert (
        "visual cannot be used: x.pkl: dialogue 'Ses00F_impro01': it has no 'visual'; it has audio, text, s" in output
    )
    assert "features: [audio, sbert]" in output


def test_unknown_classes_are_to_be_named(tmp_path: Path) -> None:
    content = list(mmgcn_tuple())
    content[2] = {vid: [label % 3 for label in labels] for vid, labels in content[2].items()}
    output = inspect(write(tmp_path / "x.pkl", pickle.dumps(tuple(content)))).stdout
    assert "The classes are those of no known set: name them." in output
    assert "label_names: ['0', '1', '2']" in output


def refused(path: Path, message: str) -> None:
    result = inspect(path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith(f"error: {message}"), result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    refused(path, f"no file {path}.")
    refused(tmp_path, f"no file {tmp_path}.")
    refused(write(path, b"cos\nsystem\n."), f"{path} asks for os.system, which no data file needs; nothing of it was r")
    refused(write(path, b"hello"), f"{path} cannot be read as a pickle: ")
    refused(write(path, joyful_bytes(joyful_dialogues())[:-50]), f"{path} cannot be read as a pickle: ")
    refused(write(path, pickle.dumps([1, 2])), f"{path} holds a list; known are a dict of the lists train, dev and te")
    refused(write(path, pickle.dumps(mmgcn_tuple()[:8])), f"{path} holds a tuple; known are")
    refused(write(path, joyful_bytes(joyful_dialogues() | {"dev": []})), "x.pkl: split 1 (dev) is empty.")
    splits = joyful_dialogues()
    for has in splits["test"]:
        has["speaker"][0] = "child"
    refused(write(path, joyful_bytes(splits)), "x.pkl: dialogue 'Ses06F_impro01': speaker of utterance 0 is 'child'; i")
    for has in splits["train"]:
        has.update(text=[], audio=[], visual=[], sbert_sentence_embeddings=[])
    refused(write(path, joyful_bytes(splits)), "x.pkl: dialogue 'Ses00F_impro01': 'audio' has 0 rows, 'label' has 7; t")


def test_an_npz_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    refused(npz(path, label=None), f"{path}: no (N, d) array of numbers with as many rows as 'label'; the file has te")
    refused(
        npz(path, text=np.array([{}] * 8)), f"'text' of {path} cannot be read as .npz: Object arrays cannot be loaded"
    )
    refused(npz(path, split=None, other=None), f"{path}: no array split; the file has audio, duration, label")
    refused(npz(path, speaker=None), f"{path}: no array speaker; the file has audio")
    refused(npz(path, text=np.full((8, 3), np.nan)), "data.npz: 'text' has NaN or infinity in 8 rows, the first is 0.")
    refused(npz(path, length=np.array([8])), "data.npz: 'split' changes within a dialogue.")


def test_a_zip_without_arrays_is_refused(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n.")
    refused(path, f"{path}: no (N, d) array of numbers with as many rows as 'label'; the file has no arrays.")


def test_help_is_quick_and_loads_no_torch() -> None:
    code = "import sys, model.data.__main__; sys.exit('torch' in sys.modules or 'rich.table' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "model.data", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "inspect" in done.stdout
    assert time.perf_counter() - started < 5, "0.3 s on a machine with nothing else to do"
