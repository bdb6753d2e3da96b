"""Data sets: what the synthetic one promises, what a file must keep to."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model.base import DataError
from model.data import DEV, TEST, TRAIN, Dataset, Npz, Synthetic


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    """A valid file: 4 dialogues, the last of one utterance."""
    rng = np.random.default_rng(0)
    length = np.array([3, 2, 2, 1])
    return {
        "text": rng.normal(size=(8, 3)),
        "audio": rng.normal(size=(8, 2)).astype(np.float16),
        "label": np.array([0, 1, 1, 0, 1, 0, 1, 0]),
        "length": length,
        "speaker": np.array([0, 1, 0, 0, 0, 1, 0, 0]),
        "split": np.repeat([0, 0, 1, 2], length),
        "label_names": np.array(["no", "yes"]),
    }


def load(folder: Path, arrays: dict[str, Any], **changes: Any) -> Any:
    path = folder / "data.npz"
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return Npz(path=str(path), features=("text", "audio")).load()


def test_synthetic_has_the_size_and_imbalance_it_promises() -> None:
    data = Synthetic().load()
    assert len(data.length) >= 80
    assert len(data.label) >= 1000
    share = np.bincount(data.label) / len(data.label)
    assert len(share) == 6
    assert share.max() > 4 * share.min()
    assert 2 <= data.speakers <= 3


def test_synthetic_speakers_keep_their_emotion() -> None:
    data = Synthetic(dialogues=400).load()
    stays = [
        data.label[start + i] == data.label[start + j]
        for start, n in zip(data.start, data.length, strict=True)
        for i in range(1, int(n))
        for j in range(i - 1, -1, -1)
        if data.speaker[start + i] == data.speaker[start + j]
        and not (data.speaker[start + j + 1 : start + i] == data.speaker[start + i]).any()
    ]
    chance = float(np.bincount(data.label) / len(data.label) @ np.bincount(data.label) / len(data.label))
    assert np.mean(stays) > chance + 0.3


def test_synthetic_features_have_heavy_tails() -> None:
    text = Synthetic().load().standardised().features["text"]
    kurtosis = (text[:, 16:] ** 4).mean() / (text[:, 16:] ** 2).mean() ** 2
    assert kurtosis > 5


def test_synthetic_text_is_best_and_the_others_add_to_it() -> None:
    data = Synthetic().load().standardised()
    train, test = data.split == 0, data.split == 2

    def accuracy(*modalities: str) -> float:
        x = np.concatenate([data.features[m] for m in modalities], 1)
        return float(
            LogisticRegression(C=0.1, max_iter=1000).fit(x[train], data.label[train]).score(x[test], data.label[test])
        )

    majority = float((data.label[test] == 0).mean())
    text = accuracy("text")
    assert majority < min(accuracy("audio"), accuracy("visual")) < text < accuracy("audio", "text", "visual") < 0.9


SMALLEST: dict[str, Any] = {"min_dev_dialogues": 0, "min_test_dialogues": 0}


def contents(data: Dataset, split: int) -> str:
    """Hash of everything in a split."""
    rows, dialogues = data.split == split, data.dialogues(split)
    arrays = [data.features[key][rows] for key in sorted(data.features)]
    sha = hashlib.sha256()
    for array in [*arrays, data.label[rows], data.speaker[rows], data.length[dialogues]]:
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]


@pytest.mark.parametrize(
    ("settings", "digest"),
    [
        ({}, "1fbf81caedd26531"),
        ({"multi_label": True}, "9c603645d1e4c38b"),
        ({"dialogues": 12}, "07f4fc1cb6b22bf5"),
        ({"seed": 3, "signal": 1.2, "features": ("text", "audio")}, "70f9a6c56b13a01e"),
    ],
)
@pytest.mark.parametrize("sizes", [SMALLEST, {}, {"min_dev_dialogues": 40, "min_test_dialogues": 1200}])
def test_the_sizes_of_dev_and_test_leave_every_bit_of_train(
    settings: dict[str, Any], digest: str, sizes: dict[str, Any]
) -> None:
    assert contents(Synthetic(**settings, **sizes).load(), TRAIN) == digest


def test_a_split_that_is_too_small_is_filled_up_and_a_larger_one_is_left() -> None:
    data = Synthetic(min_dev_dialogues=0, min_test_dialogues=70).load()
    assert [len(data.dialogues(split)) for split in range(3)] == [72, 18, 70]
    few = Synthetic(**SMALLEST).load()
    assert contents(few, DEV) == contents(data, DEV)
    kept = int(few.length.sum())
    assert data.dialogues(TEST)[:30].tolist() == few.dialogues(TEST).tolist()
    np.testing.assert_array_equal(data.features["text"][:kept], few.features["text"])
    assert [len(Synthetic(dialogues=4000).load().dialogues(split)) for split in range(3)] == [2400, 600, 1000]


def test_the_added_dialogues_are_of_the_same_population() -> None:
    """A linear model of train does as well on the added dialogues as on those that were there before."""
    data = Synthetic(dialogues=1200, min_test_dialogues=1200).load().standardised()
    x = np.concatenate(list(data.features.values()), 1)
    fitted = LogisticRegression(C=0.1, max_iter=1000).fit(x[data.split == TRAIN], data.label[data.split == TRAIN])
    test = data.dialogues(TEST)
    before, added = np.split(np.repeat(test, data.length[test]), [int(data.length[test[:300]].sum())])
    rows = data.split == TEST
    score = (fitted.predict(x[rows]) == data.label[rows]).astype(float)
    first, second = score[: len(before)], score[len(before) :]
    assert len(second) == len(added)
    assert abs(first.mean() - second.mean()) < 3 * (first.var() / len(first) + second.var() / len(second)) ** 0.5
    assert np.abs(x[rows][len(before) :].std(0) - 1).max() < 0.5


def test_the_dialogues_of_dev_and_test_are_not_those_of_train() -> None:
    data = Synthetic(min_dev_dialogues=100).load()
    texts = [data.features["text"][start : start + 6].tobytes() for start in data.start]
    assert len(set(texts)) == len(texts)


def test_synthetic_is_the_same_every_time_and_another_with_another_seed() -> None:
    assert Synthetic().load().digest == Synthetic().load().digest != Synthetic(seed=1).load().digest


def test_standardisation_uses_the_training_split_alone() -> None:
    data = Synthetic().load().standardised()
    train = data.features["text"][data.split == 0]
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(0), 1, atol=1e-5)
    assert abs(data.features["text"][data.split == 2].mean(0)).max() > 1e-3


def test_a_column_that_is_constant_in_training_becomes_zero(tmp_path: Path, arrays: dict[str, Any]) -> None:
    text = arrays["text"].copy()
    text[:, 1] = np.arange(8) >= 5
    assert (load(tmp_path, arrays, text=text).standardised().features["text"][:, 1] == 0).all()


def test_npz_gives_back_what_was_written(tmp_path: Path, arrays: dict[str, Any]) -> None:
    data = load(tmp_path, arrays)
    np.testing.assert_allclose(data.features["text"], arrays["text"], rtol=1e-6)
    assert list(data.features) == ["text", "audio"]
    assert data.label_names == ("no", "yes")
    assert data.dialogues(2).tolist() == [3]
    assert data.digest == load(tmp_path, arrays).digest != load(tmp_path, arrays, text=arrays["text"] + 1).digest


def test_npz_with_several_labels(tmp_path: Path, arrays: dict[str, Any]) -> None:
    label = np.eye(3, dtype=int)[[0, 1, 2, 0, 0, 1, 2, 2]]
    data = load(tmp_path, arrays, label=label, label_names=None)
    assert data.multi_label
    assert data.label.tolist() == label.tolist()
    assert data.label_names == ("0", "1", "2")
    assert data.count(0).tolist() == [3, 1, 1]
    assert not load(tmp_path, arrays).multi_label
    assert load(tmp_path, arrays).count(0).tolist() == [2, 3]


def test_synthetic_with_several_labels_lets_emotions_linger() -> None:
    single, several = Synthetic().load(), Synthetic(multi_label=True).load()
    assert several.label_names == single.label_names[1:]
    own = np.eye(6, dtype=np.int64)[single.label][:, 1:]
    assert (several.label >= own).all()
    added = several.label - own
    before = np.roll(own, 1, axis=0)
    before[single.start] = 0
    assert (added <= before).all()
    assert 0.4 < added.sum() / (before > own).sum() < 0.6
    assert set(several.label.sum(1)) == {0, 1, 2}


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "nan": ({"text": np.full((8, 3), np.nan)}, "'text' has NaN or infinity in 8 rows, the first is 0"),
    "rows": ({"audio": np.zeros((7, 2))}, "'audio' has 7 rows, 'label' has 8"),
    "sum": ({"length": np.array([3, 2, 2, 2])}, "'length' sums to 9, 'label' has 8 rows"),
    "empty dialogue": ({"length": np.array([3, 2, 3, 0])}, "'length' has a dialogue without utterances"),
    "no column": ({"text": np.zeros((8, 0))}, r"'text' has shape \(8, 0\), not \(N, d\)"),
    "negative label": ({"label": np.array([0, 1, 1, 0, 1, 0, 1, -1])}, r"'label' has values outside 0\.\.1"),
    "negative speaker": ({"speaker": np.array([-1] * 8)}, "'speaker' has a negative number"),
    "split within dialogue": ({"split": np.array([0, 0, 1, 0, 0, 1, 1, 2])}, "'split' changes within a dialogue"),
    "empty split": ({"split": np.repeat([0, 0, 1, 1], [3, 2, 2, 1])}, r"split 2 \(test\) is empty"),
    "missing array": ({"speaker": None}, "no array speaker; the file has audio, label"),
    "float labels": ({"label": np.zeros(8)}, r"'label' has shape \(8,\) of float64; it must be \(N,\) integers"),
    "text features": ({"text": np.full((8, 3), "x")}, r"'text' has shape \(8, 3\) of <U1; it must be \(N, d\) numbers"),
    "unknown split": ({"split": np.repeat([0, 0, 1, 3], [3, 2, 2, 1])}, "'split' has a value other than 0"),
    "equal names": (
        {"label_names": np.array(["a", "a"])},
        r"'label_names' \('a', 'a'\) are empty, equal, or have a '/'",
    ),
    "name with slash": ({"label_names": np.array(["a/", "b"])}, "'label_names' .* have a '/'"),
    "label neither 0 nor 1": ({"label": np.full((8, 2), 2)}, r"'label' has values outside 0\.\.1"),
    "labels without a name": (
        {"label": np.zeros((8, 3), int)},
        r"'label' has shape \(8, 3\), but there are 2 label names",
    ),
    "several labels as fractions": ({"label": np.full((8, 2), 0.5)}, r"'label' has shape \(8, 2\) of float64"),
    "identifiers as labels": ({"label": np.array([0, 1, 1, 0, 1, 0, 1, 10**9])}, "'label' counts 1000000001 classes"),
    "identifiers as speakers": ({"speaker": np.array([10**6] * 8)}, "'speaker' has the number 1000000; speakers are"),
    "nothing": ({"label": np.zeros(0, int), "length": np.zeros(0, int)}, "'speaker' has 8 rows, 'label' has 0"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_the_reason(tmp_path: Path, arrays: dict[str, Any], case: str) -> None:
    changes, message = BROKEN[case]
    with pytest.raises(DataError, match=rf"data\.npz: {message}"):
        load(tmp_path, arrays, **changes)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DataError, match=r"no file /nowhere/x\.npz; give one with --set data\.path=FILE"):
        Npz(path="/nowhere/x.npz", features=("text",)).load()


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 truncated", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz is no \.npz file"):
        Npz(path=str(path), features=("text",)).load()


def test_a_damaged_file_is_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **arrays)
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"data\.npz cannot be read as \.npz"):
        Npz(path=str(path), features=("text", "audio")).load()


def test_objects_are_not_unpickled(tmp_path: Path, arrays: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="Object arrays cannot be loaded"):
        load(tmp_path, arrays, text=np.array([{}] * 8))


def test_the_folder_of_a_file_is_not_part_of_its_identity() -> None:
    a, b = (Npz(path=path, features=("text",)).identity() for path in ("/a/x.npz", "b/x.npz"))
    assert a == b


def test_a_relative_path_is_made_absolute_for_workers_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = Npz(path="x.npz", features=("text",))
    assert config.path == str(tmp_path / "x.npz")
    assert config.model_validate_json(config.model_dump_json()) == config
