"""The package as a notebook uses it."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import analysis
from ablations.record import Outcome
from analysis.runs import StudyError
from tests.runners.conftest import SMOKE, Store, run

HEAVY = ["torch", "ray", "mlflow", "sqlalchemy", "matplotlib"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("notebook"), SMOKE)


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_import_alone_loads_nothing() -> None:
    assert not {*HEAVY, "pandas", "numpy", "scipy"} & loaded("import analysis; dir(analysis)")


def test_loading_and_comparing_needs_neither_torch_nor_ray_nor_mlflow(store: Store) -> None:
    code = f"import analysis; f = analysis.load('tiny', {store.uri!r}); analysis.contrasts(f, f.attrs['baseline'])"
    assert not {"torch", "ray", "mlflow", "sqlalchemy"} & loaded(code)


def test_every_public_name_is_there_and_no_other() -> None:
    for name in analysis.__all__:
        assert callable(getattr(analysis, name))
        assert name in dir(analysis)
    with pytest.raises(AttributeError, match="module 'analysis' has no attribute 'lod'; it has advice"):
        _ = analysis.lod


def test_frames_go_in_and_come_out(store: Store) -> None:
    frame = analysis.load("tiny", store.uri)
    runs = analysis.study("tiny", store.uri)
    pd.testing.assert_series_equal(frame["score"], runs.score, check_names=False)
    assert frame.attrs["baseline"] == store.plan.baseline
    assert frame.attrs["factors"] == list(store.plan.factors.values())
    assert len(analysis.contrasts(frame, baseline=frame.attrs["baseline"])) == 3
    assert "enc" in analysis.effects(frame, frame.attrs["factors"]).index
    assert analysis.means(frame["score"], frame["name"])["n"].tolist() == [2] * 4


FRAME = pd.DataFrame({"cell": list("aabb"), "seed": [0, 1, 0, 1], "score": [0.5, 0.6, 0.7, 0.9]})


@pytest.mark.parametrize("compare", ["contrasts", "verdicts", "sizes", "screen", "pairwise"])
@pytest.mark.parametrize(
    ("frame", "baseline", "message"),
    [
        (FRAME.assign(dataset=list("xxxy")), "a", r"several data sets \(x, y\), whose scores do not compare"),
        (FRAME.assign(seed=0), "a", "2 rows too many: cell 'a' with seed 0 is there twice"),
        (FRAME.rename(columns={"cell": "name"}), "a", "no column cell; it has name, seed, score"),
        (FRAME.replace("a", "baseline"), "base_line", "no cell 'base_line'; did you mean 'baseline'"),
        (FRAME, "zzz", "no cell 'zzz'; the cells are a, b"),
        (FRAME.assign(seed=range(4)), "a", r"no other cell has one of the baseline's seeds \(0, 1\)"),
    ],
)
def test_a_frame_that_would_give_a_wrong_answer_is_refused(
    compare: str, frame: pd.DataFrame, baseline: str, message: str
) -> None:
    rest = [["score"]] if compare == "screen" else []
    arguments = [] if compare == "pairwise" else [baseline, *rest]
    if compare == "pairwise" and ("no cell" in message or "no other" in message):
        assert len(analysis.pairwise(frame)) == 1
        return
    with pytest.raises(ValueError, match=message):
        getattr(analysis, compare)(frame, *arguments)


def test_the_history_is_of_the_cells_that_are_asked_for(store: Store) -> None:
    baseline = store.plan.baseline
    few, every = analysis.history("tiny", store.uri, [baseline]), analysis.history("tiny", store.uri)
    assert set(few["cell"]) == {baseline}
    assert len(few) == 2 * 2
    assert len(every) == 8 * 2
    assert (analysis.load("tiny", store.uri)["outcome"] == Outcome.FINISHED).all()
    assert {"seed", "epoch", "train/loss/total"} <= set(every)


def test_predictions_give_the_stored_accuracy_and_a_row_for_each_test_utterance(store: Store) -> None:
    row = analysis.load("tiny", store.uri).iloc[0]
    table = analysis.predictions(row["run_id"], store.uri)
    assert (table["label"] == table["predicted"]).mean() == pytest.approx(row["test/accuracy"])
    assert (table.groupby("dialogue")["position"].max() + 1).sum() == len(table)
    probability = table.filter(like="p(")
    assert probability.sum(axis=1).to_numpy() == pytest.approx(1, abs=2e-3)
    assert table["label"].cat.categories.tolist() == [str(name)[2:-1] for name in probability]


def test_predictions_of_a_run_that_is_not_there_are_refused(store: Store) -> None:
    with pytest.raises(StudyError, match=r"the run 0123 has no predictions\.npz"):
        analysis.predictions("0123", store.uri)


def test_the_readme_shows_what_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    _, _, rest = text.partition("```python\n")
    code, _, _ = rest.partition("```")
    assert "import analysis" in code
    shown = code.replace('"loss"', f'"tiny", {store.uri!r}')
    assert shown != code
    scope: dict[str, object] = {}
    exec(shown, scope)
    assert isinstance(scope["frame"], pd.DataFrame)
