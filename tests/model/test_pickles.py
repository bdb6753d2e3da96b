"""The pickles of the field: what was published in them is read back, and what breaks a rule is refused by name."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from model.base import DataError
from model.config import RunConfig
from model.data import JoyfulPickle, MmgcnPickle
from model.data.dialogues import IEMOCAP, MELD
from model.data.mmgcn_pickle import dev_ids
from model.training import train
from tests.model.pickles import (
    dialogue,
    joyful_bytes,
    joyful_dialogues,
    mmgcn_tuple,
    python2_bytes,
    sample_class,
    write,
)

Attributes = dict[str, Any]
Splits = dict[str, list[Attributes]]


def joyful(
    path: Path,
    features: tuple[Literal["audio", "text", "visual", "sbert"], ...] = ("audio", "sbert", "visual"),
    **settings: Any,
) -> Any:
    return JoyfulPickle(path=str(path), features=features, **settings).load()


def mmgcn(
    path: Path, features: tuple[Literal["audio", "text", "visual"], ...] = ("audio", "text", "visual"), **settings: Any
) -> Any:
    return MmgcnPickle(path=str(path), features=features, **settings).load()


def stack(dialogues: list[Attributes], key: str) -> Any:
    return np.concatenate([np.stack(has[key]) for has in dialogues]).astype(np.float32)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("module", ["joyful.Sample", "cogmen.Sample"])
def test_samples_are_read_back_as_they_were_written(tmp_path: Path, protocol: int, module: str) -> None:
    splits = joyful_dialogues()
    path = write(tmp_path / "data_iemocap.pkl", joyful_bytes(splits, module=module, protocol=protocol))
    data = joyful(path, ("audio", "text", "visual", "sbert"))
    dialogues = [has for samples in splits.values() for has in samples]
    assert list(data.features) == ["audio", "text", "visual", "sbert"]
    for key in ("audio", "text", "visual"):
        np.testing.assert_array_equal(data.features[key], stack(dialogues, key))
    np.testing.assert_array_equal(data.features["sbert"], stack(dialogues, "sbert_sentence_embeddings"))
    assert data.label.tolist() == [label for has in dialogues for label in has["label"]]
    assert data.speaker.tolist() == ["MF".index(x) for has in dialogues for x in has["speaker"]]
    assert data.length.tolist() == [7] * 8
    assert [len(data.dialogues(split)) for split in range(3)] == [4, 2, 2]
    assert data.label_names == IEMOCAP


def test_one_hot_speakers_are_numbered_as_they_appear_in_the_dialogue(tmp_path: Path) -> None:
    splits = joyful_dialogues(meld=True)
    columns = [4, 4, 8, 0, 4, 0, 8]
    splits["train"][0]["speaker"] = np.eye(9)[columns].tolist()
    splits["train"][1]["speaker"] = np.eye(9, dtype=np.int32)[columns]
    splits["train"][2]["speaker"] = list(np.eye(9)[columns])
    data = joyful(write(tmp_path / "data_meld.pkl", joyful_bytes(splits)))
    assert data.speaker[:21].tolist() == [0, 0, 1, 2, 0, 2, 1] * 3
    assert data.label_names == MELD


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: rows,
        np.asfortranarray,
        lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
        list,
        lambda rows: tuple(map(tuple, rows.tolist())),
        lambda rows: [[int(x) if x == int(x) else x for x in row] for row in rows.tolist()],
        lambda rows: rows.astype(">f8"),
        lambda rows: np.array([*rows, None], dtype=object)[:-1],
    ],
    ids=["array", "Fortran", "strided", "rows", "tuples", "numbers", "big-endian", "objects"],
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_features_may_be_an_array_or_rows(tmp_path: Path, form: Callable[[Any], Any], protocol: int) -> None:
    splits = joyful_dialogues()
    expected = stack([splits["train"][0]], "visual")
    splits["train"][0]["visual"] = form(splits["train"][0]["visual"])
    data = joyful(write(tmp_path / "x.pkl", joyful_bytes(splits, protocol=protocol)), ("visual",))
    np.testing.assert_array_equal(data.features["visual"][:7], expected)


def test_numpy_strings_and_scalars_are_read(tmp_path: Path) -> None:
    splits = joyful_dialogues()
    has = splits["test"][0]
    for protocol in (0, 2, 5):
        changed = has | {
            "vid": np.str_("Ses05M_script01"),
            "label": [np.int64(x) for x in has["label"]],
            "speaker": np.array(has["speaker"]),
        }
        data = joyful(
            write(tmp_path / "x.pkl", joyful_bytes(splits | {"test": [changed]}, protocol=protocol)), ("text",)
        )
        assert data.label[-7:].tolist() == has["label"]
        assert data.speaker[-7:].tolist() == ["MF".index(x) for x in has["speaker"]]


def written_by_python_2(path: Path) -> tuple[Path, tuple[Any, ...]]:
    content = mmgcn_tuple()
    data = python2_bytes(content)
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in data
    assert b"caf\xe9" in data, "a byte above 127 in a string"
    assert max(np.concatenate([content[4][vid] for vid in content[7]]).tobytes()) > 127
    return write(path / "IEMOCAP_features.pkl", data), content


def test_the_nine_elements_of_python_2_are_read_back(tmp_path: Path) -> None:
    path, content = written_by_python_2(tmp_path)
    data = mmgcn(path)
    train, test = content[7:9]
    dev = sorted(dev_ids(train))
    order = [*(vid for vid in train if vid not in dev), *dev, *test]
    for key, table in zip(("text", "audio", "visual"), content[3:6], strict=True):
        expected = np.concatenate([np.stack(table[vid]) for vid in order]).astype(np.float32)
        np.testing.assert_array_equal(data.features[key], expected)
    assert data.label.tolist() == [label for vid in order for label in content[2][vid]]
    assert data.speaker.tolist() == ["MF".index(x) for vid in order for x in content[1][vid]]
    assert [len(data.dialogues(split)) for split in range(3)] == [11, 1, 3]
    assert data.label_names == IEMOCAP


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_ten_elements_of_meld_are_read_back(tmp_path: Path, protocol: int) -> None:
    content = mmgcn_tuple(meld=True, trained=20)
    data = mmgcn(write(tmp_path / "MELD_features_raw1.pkl", pickle.dumps(content, protocol)), ("text",))
    dev = dev_ids(content[7])
    order = sorted(sorted(content[7], key=str), key=lambda vid: vid in dev) + sorted(content[8], key=str)
    np.testing.assert_array_equal(data.features["text"], stack([dialogue(vid, meld=True) for vid in order], "text"))
    assert data.label.tolist() == [label for vid in order for label in content[2][vid]]
    assert [len(data.dialogues(split)) for split in range(3)] == [18, 2, 3]
    assert data.label_names == MELD


def test_dev_does_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    content = list(mmgcn_tuple())
    digests = set()
    for ids in (content[7], content[7][::-1], set(content[7]), np.array(content[7]), frozenset(content[7])):
        changed = [*content[:7], ids, content[8][::-1]]
        digests.add(mmgcn(write(tmp_path / "x.pkl", pickle.dumps(changed, 2))).digest)
    assert len(digests) == 1


def test_dev_is_the_tenth_with_the_smallest_hash() -> None:
    assert dev_ids(["Ses01F_impro01"]) == {"Ses01F_impro01"}
    ids = [f"Ses{i:03}" for i in range(120)]
    assert len(dev_ids(ids)) == 12
    assert dev_ids(ids[::-1]) == dev_ids(ids)
    assert sorted(dev_ids(range(30))) == [8, 9, 29], "pinned: a change of the rule changes every result"


def test_a_network_trains_on_a_published_file(tmp_path: Path) -> None:
    path, _ = written_by_python_2(tmp_path)
    data = f'{{"kind": "mmgcn_pickle", "path": "{path}", "features": ["audio", "text", "visual"]}}'
    config = RunConfig.model_validate_json(f'{{"data": {data}, "training": {{"epochs": 1}}}}')
    dataset = config.data.load().standardised()
    fit = train(config, dataset, 0, torch.device("cpu"))
    assert fit.test is not None
    assert fit.test.probability.shape == (21, 6)
    assert np.isfinite(fit.history[0]["train/loss/total"])


BROKEN_DIALOGUES: dict[str, tuple[Attributes, str]] = {
    "other speaker": (
        {"speaker": ["M", "F", "X", "M", "F", "M", "F"]},
        "dialogue 'Ses00F_impro01': speaker of utterance 2 is 'X'; it must be 'M' or 'F', or a one-hot row",
    ),
    "two ones": ({"speaker": [[1, 0], [1, 1], *[[1, 0]] * 5]}, r"speaker of utterance 1 is \[1, 1\]; it must be"),
    "no one": ({"speaker": np.zeros((7, 2))}, r"speaker of utterance 0 is \[0.0, 0.0\]; it must be"),
    "numbers as speakers": ({"speaker": [0, 1, 0, 1, 0, 1, 0]}, "speaker of utterance 0 is 0; it must be"),
    "letters and rows": ({"speaker": ["M", [1, 0], *"MMMMM"]}, r"speaker of utterance 1 is \[1, 0\]; it must be"),
    "one string": ({"speaker": "MFMFMFM"}, "'speaker' is 'MFMFMFM'; it must be a list or an array with an entry an"),
    "fewer speakers": ({"speaker": ["M"] * 6}, "'speaker' has 6 rows, 'label' has 7; they must agree"),
    "fewer rows": ({"audio": np.zeros((6, 2))}, "'audio' has 6 rows, 'label' has 7; they must agree"),
    "fewer labels": ({"label": [0] * 6}, "'speaker' has 7 rows, 'label' has 6; they must agree"),
    "no labels": ({"label": []}, "dialogue 'Ses00F_impro01': it has no utterances"),
    "label is text": ({"label": ["hap", *[0] * 6]}, "label of utterance 0 is 'hap'; it must be a class index from 0"),
    "label is negative": ({"label": [0] * 6 + [-1]}, "label of utterance 6 is -1; it must be a class index from 0"),
    "label is a fraction": ({"label": [0.5] * 7}, "label of utterance 0 is 0.5; it must be a class index from 0"),
    "label is large": ({"label": [1000] * 7}, "label of utterance 0 is 1000; it must be a class index from 0 to 999"),
    "label is huge": ({"label": [10**5000] * 7}, "label of utterance 0 is an integer of 16610 bits; it must be"),
    "label without a name": ({"label": [6] * 7}, "7 classes are none of the known sets"),
    "labels are a number": ({"label": 3}, "'label' is 3; it must be a list or an array with an entry an utterance"),
    "sentences as text": ({"audio": ["hello"] * 7}, "'audio' of utterance 0 is 'hello'; it must be a row of numbers"),
    "numbers in strings": ({"audio": [["1", "2"]] * 7}, r"'audio' of utterance 0 is \['1', '2'\]; it must be a row"),
    "frames": ({"audio": np.zeros((7, 5, 2))}, r"'audio' is an array of shape \(7, 5, 2\); it must be a list"),
    "rows of frames": ({"audio": [np.zeros((5, 2))] * 7}, r"'audio' of utterance 0 is an array of shape \(5, 2\)"),
    "one number a row": ({"audio": np.zeros(7)}, "'audio' of utterance 0 is 0.0; it must be a row of numbers"),
    "too large": ({"audio": [[10**400, 0]] * 7}, "'audio' of utterance 0 is .*; it must be a row of numbers"),
    "infinite in float32": ({"audio": [[1e300, 0]] * 7}, "'audio' has NaN or infinity in 7 rows, the first is 0"),
    "ragged": (
        {"audio": [[0.0, 0.0]] * 6 + [[0.0]]},
        "dialogue 'Ses00F_impro01': 'audio' of utterance 6 has 1 numbers, of utterance 0 2",
    ),
    "another width": (
        {"audio": np.zeros((7, 9))},
        "dialogue 'Ses01F_impro01': 'audio' has 2 columns, in the first dialogue 9",
    ),
    "no width": ({"audio": np.zeros((7, 0))}, r"'audio' is an array of shape \(7, 0\); it must be a list"),
    "endless rows": ({"audio": np.zeros((2**40, 0))}, r"'audio' is an array of shape \(1099511627776, 0\)"),
    "endless labels": ({"label": np.zeros((2**40, 0))}, r"'label' is an array of shape \(1099511627776, 0\)"),
    "labels of no width": ({"label": np.zeros((7, 2), int)}, r"label of utterance 0 is \[0, 0\]; it must be a class"),
    "nan": ({"audio": np.full((7, 2), np.nan)}, "'audio' has NaN or infinity in 7 rows, the first is 0"),
}


@pytest.mark.parametrize("case", BROKEN_DIALOGUES)
def test_a_dialogue_that_breaks_a_rule_is_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    changes, message = BROKEN_DIALOGUES[case]
    splits = joyful_dialogues()
    splits["train"][0] |= changes
    with pytest.raises(DataError, match=rf"^x\.pkl: .*{message}"):
        joyful(write(tmp_path / "x.pkl", joyful_bytes(splits)))


def change(splits: Splits, **changes: Any) -> Splits:
    return {key: value for key, value in (splits | changes).items() if value is not None}


BROKEN_SPLITS: dict[str, tuple[Callable[[Splits], Any], str]] = {
    "empty split": (lambda splits: change(splits, dev=[]), r"x\.pkl: split 1 \(dev\) is empty"),
    "missing split": (lambda splits: change(splits, dev=None), "holds no dict of the lists train, dev, test"),
    "another split": (lambda splits: change(splits, extra=[]), "holds no dict of the lists train, dev, test"),
    "in two splits": (
        lambda splits: change(splits, test=splits["train"]),
        r"x\.pkl: dialogue 'Ses00F_impro01': it is in train and in test",
    ),
    "no vid": (lambda splits: change(splits, dev=[{"label": [0]}]), r"x\.pkl: dev\[0\] has no vid, speaker; it has l"),
    "nothing": (lambda splits: change(splits, dev=[{}]), r"dev\[0\] has no vid, speaker, label; it has nothing"),
    "vid is a list": (lambda splits: change(splits, dev=[splits["dev"][0] | {"vid": []}]), "has a vid that is a list"),
    "no audio": (
        lambda splits: change(splits, dev=[{key: value for key, value in splits["dev"][0].items() if key != "audio"}]),
        "dialogue 'Ses04F_impro01': it has no 'audio'; it has text, visual, sbert",
    ),
}


@pytest.mark.parametrize("case", BROKEN_SPLITS)
def test_splits_that_break_a_rule_are_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    broken, message = BROKEN_SPLITS[case]
    with pytest.raises(DataError, match=message):
        joyful(write(tmp_path / "x.pkl", joyful_bytes(broken(joyful_dialogues()))))


def test_a_segmented_dialogue_may_be_in_its_split_more_than_once(tmp_path: Path) -> None:
    splits = joyful_dialogues()
    splits["train"].append(splits["train"][0])
    assert len(joyful(write(tmp_path / "x.pkl", joyful_bytes(splits))).length) == 9


def without(content: tuple[Any, ...], element: int, vid: str) -> tuple[Any, ...]:
    table = {key: value for key, value in content[element].items() if key != vid}
    return (*content[:element], table, *content[element + 1 :])


BROKEN_TUPLES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "eight elements": (lambda c: c[:8], r"holds no 9 or 10 elements \(ids, speakers, labels, text, audio, visual, sen"),
    "a list for a dict": (lambda c: (*c[:2], [], *c[3:]), "holds no 9 or 10 elements"),
    "a dict": (lambda c: {"train": c}, "holds no 9 or 10 elements"),
    "train is test": (lambda c: (*c[:8], c[7]), r"x\.pkl: dialogue 'Ses00F_impro01' is in train and in test"),
    "no train ids": (lambda c: (*c[:7], [], c[8]), r"x\.pkl: there are no train ids"),
    "no test ids": (lambda c: (*c[:8], []), r"x\.pkl: there are no test ids"),
    "one train id": (lambda c: (*c[:7], c[7][:1], c[8]), r"x\.pkl: split 0 \(train\) is empty"),
    "ids twice": (lambda c: (*c[:7], c[7] + c[7][:2], c[8]), r"x\.pkl: 2 of the train ids are given twice"),
    "ids are a number": (lambda c: (*c[:8], 5), r"x\.pkl: the test ids are a int, not a list of strings or integers"),
    "ids are lists": (lambda c: (*c[:8], [[]]), "the test ids are a list, not a list of strings or integers"),
    "no label": (
        lambda c: without(c, 2, "Ses03F_impro01"),
        r"x\.pkl: dialogue 'Ses03F_impro01': it is in the list of ids, but not in labels",
    ),
    "no visual": (
        lambda c: without(c, 5, "Ses14F_impro01"),
        "dialogue 'Ses14F_impro01': it is in the list of ids, but not in visual",
    ),
}


@pytest.mark.parametrize("case", BROKEN_TUPLES)
def test_tuples_that_break_a_rule_are_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    broken, message = BROKEN_TUPLES[case]
    with pytest.raises(DataError, match=message):
        mmgcn(write(tmp_path / "x.pkl", pickle.dumps(broken(mmgcn_tuple()))))


def test_other_classes_are_named_by_the_user(tmp_path: Path) -> None:
    splits = joyful_dialogues()
    for samples in splits.values():
        for has in samples:
            has["label"] = [0, 1, 0, 1, 0, 1, 1]
    path = write(tmp_path / "x.pkl", joyful_bytes(splits))
    with pytest.raises(DataError, match=r"x\.pkl: 2 classes are none of the known sets .*data\.label_names"):
        joyful(path)
    assert joyful(path, label_names=("no", "yes")).label_names == ("no", "yes")
    with pytest.raises(DataError, match=r"'Ses00F_impro01': it has the label 1; the labels are 0\.\.0"):
        joyful(path, label_names=("only",))


def test_seven_classes_of_speakers_m_and_f_are_not_taken_for_meld(tmp_path: Path) -> None:
    splits = joyful_dialogues()
    splits["train"][0]["label"] = list(range(7))
    with pytest.raises(DataError, match="7 classes are none of the known sets"):
        joyful(write(tmp_path / "x.pkl", joyful_bytes(splits)))


def test_an_object_that_is_no_sample_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pkl", pickle.dumps({"train": [{}], "dev": [], "test": []}))
    with pytest.raises(DataError, match=r"x\.pkl: train\[0\] is a dict, not a Sample"):
        joyful(path)


@pytest.mark.parametrize("kind", [JoyfulPickle, MmgcnPickle])
def test_pickle_kinds_treat_their_path_as_npz_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[JoyfulPickle | MmgcnPickle]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = kind(path="x.pkl", features=("text",))
    assert config.path == str(tmp_path / "x.pkl")
    assert config.identity() == kind(path="/elsewhere/x.pkl", features=("text",)).identity()
    assert config.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(DataError, match=r"data\.path: no file .*x\.pkl; give one with --set data\.path=FILE"):
        config.load()


def test_the_class_of_the_tests_leaves_no_module_behind() -> None:
    with sample_class("joyful.Sample") as cls:
        assert cls.__module__ == "joyful.Sample"
    with pytest.raises(ModuleNotFoundError):
        __import__("joyful.Sample")
