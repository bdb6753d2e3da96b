"""A user's task goes through planner, executors, store and analysis like the model that comes with the project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ablations.problems import MatrixError
from ablations.study import load
from analysis import report
from analysis.runs import Store
from runners.ablate import app
from runners.planner import make_plan
from runners.provenance import code_digest
from runners.store.faults import check

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "digits" / "digits.yaml"
TASKS = "tests.model.tasks"
LINE = f"""
study: line
task: {TASKS}:Regression
base: {{training: {{epochs: 2}}}}
design: one_at_a_time
factors:
  loss.weight.absolute: [0, 0.5, 2]
  model.scale: [1, 3]
seeds: 3
"""


def written(folder: Path, text: str = LINE) -> Path:
    path = folder / "m.yaml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(MatrixError) as error:
        load(written(folder, text))
    return str(error.value)


def test_the_example_runs_and_its_report_is_verified(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    small = ["--seeds", "2", "--set", "training.epochs=2", "--set", "model.train=64"]
    commands = [
        ["runners.ablate", "--matrix", str(EXAMPLE), *small],
        ["analysis.report", "--study", "digits", "--out", str(tmp_path / "paper")],
        ["analysis.verify", str(tmp_path / "paper")],
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *command, "--tracking-uri", uri],
            cwd=ROOT, env={**os.environ, "TERM": "dumb"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    found = Store(uri).load("digits")
    assert found.frame["outcome"].eq("finished").all()
    assert len(found.plan.cells) == 8
    assert (tmp_path / "paper" / "classes.md").is_file()


def test_the_example_is_short() -> None:
    lines = EXAMPLE.with_name("task.py").read_text().splitlines()
    assert len(lines) < 80


def test_a_task_without_classes_has_every_table_but_those_of_classes(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    matrix = written(tmp_path)
    done = CliRunner().invoke(app, ["--matrix", str(matrix), "--executor", "inprocess", "--tracking-uri", uri])
    assert done.exit_code == 0, done.output
    from analysis.report import write

    opened = Store(uri)
    runs = opened.load("line")
    names = {path.stem for path in write(opened, runs, tmp_path / "paper")}
    assert {"cells", "effects", "margins", "variance", "choice", "breakdown", "forest", "curves", "report"} <= names
    assert not {"classes", "confusion"} & names
    assert (runs.plan.metric.name, runs.plan.metric.direction) == ("test/rmse", "min")
    assert check(uri) == []


def test_a_matrix_is_resolved_by_the_settings_of_its_task(tmp_path: Path) -> None:
    study = load(written(tmp_path))
    assert [cell.name for cell in study.cells] == ["baseline", "absolute=0", "absolute=2", "scale=3"]
    assert study.baseline.config.identity()["loss"]["weight"] == {"squared": 1.0, "absolute": 0.5}
    assert study.baseline.cell_id.startswith("epochs=2-")


MISTAKES = {
    "task": ("Regression", "Nothing", "m.yaml: line 3: task: tests.model.tasks has no task 'Nothing'"),
    "form": (f"{TASKS}:Regression", "tasks/Regression", "m.yaml: line 3: task: string should match pattern"),
    "module": (TASKS, "nowhere", "m.yaml: line 3: task: nowhere:Regression cannot be imported"),
    "term": ("weight.absolute", "weight.absolut", "line 7: unknown key 'loss.weight.absolut'; did you mean"),
    "setting": ("model.scale: [1, 3]", "model.scale: [1, -3]", "line 8: model.scale: input should be greater than 0"),
    "metric": ("seeds: 3", "metric: {name: test/f1}\nseeds: 3", "no metric 'test/f1'; there are test/rmse, test/r2"),
    "other task": ("model.scale", "task", "line 8: task: input should be 'tests.model.tasks:Reg"),
    "search": (
        "design: one_at_a_time",
        "design: search\nsearch: {method: grid, seeds: [7]}",
        "line 6: search.metric: no metric 'dev/rmse'; there are dev/r2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_the_way_out(tmp_path: Path, mistake: str) -> None:
    old, new, message = MISTAKES[mistake]
    assert message in refused(tmp_path, LINE.replace(old, new, 1))


BROKEN = {
    "Empty": "line: split dev is empty",
    "Unreadable": "line.csv: no such file",
    "OtherTerms": "losses gives the terms squared, absolute; the task declares squared, huber",
    "OtherMetrics": "evaluate gives rmse, r2; the declared mae is not among them",
    "NoScalar": "the term 'squared' has shape (32,), not that of a scalar",
    "Raises": "raises RuntimeError: no such layer",
    "NoGradient": "no term depends on a parameter of the network",
    "Unpackable": "set packable = False",
    "Counts": "when a run is trained twice with one seed in one process: the task or its network keeps a state",
    "OwnGenerator": "or draws from a generator of its own",
    "MovesFrozen": "training changes network.0.weight, which needs no gradient and which a pack shares",
    "LastOfOne": "the last batch of an epoch, 1 example of 33 in batches of 32, raises ValueError",
    "InPlace": "has been modified by an inplace operation",
    "OtherData": "load gives other data each time",
    "RaisesInLoad": "load of the task tests.model.tasks:RaisesInLoad raises KeyError: 'x'",
    "ReturnsLists": "split train must hold NumPy arrays, but 'x' is a list, 'y' is a list",
    "ReturnsTuple": "load of the task tests.model.tasks:ReturnsTuple returns a tuple; it must return Data",
    "NoTest": "missing 1 required positional argument: 'test'",
    "ExitsInLosses": "task: tests.model.tasks:ExitsInLosses calls sys.exit(0)",
    "ExitsAtOnce": "task: tests.model.tasks:ExitsAtOnce calls os._exit(0)",
    "FewNames": "2 names for 3 classes",
    "TermsInAList": "'terms' of tests.model.tasks:TermsInAList is a list; write {name: a weight",
    "MetricsInAList": "'metrics' of tests.model.tasks:MetricsInAList is a list; write {name: 'max' or 'min'}",
    "NegativeWeight": "'terms' of tests.model.tasks:NegativeWeight has 'squared': -1.0; each name needs a weight",
    "NumpyDefault": "the setting 'width' of tests.model.tasks:NumpyDefault has a default of NumPy's type int64",
}


@pytest.mark.parametrize("task", BROKEN)
def test_what_a_task_does_wrong_is_said_before_anything_starts(tmp_path: Path, task: str) -> None:
    text = LINE.replace("Regression", task).replace("loss.weight.absolute", "loss.weight.squared")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    arguments = ["--matrix", str(written(tmp_path, text)), "--executor", "inprocess", "--tracking-uri", uri]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, BROKEN[task] in done.output) == (2, True), done.output
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("task", ["OtherGenerators", "Frozen"])
def test_a_task_may_draw_from_the_usual_generators_and_freeze_parameters(tmp_path: Path, task: str) -> None:
    arguments = ["--matrix", str(written(tmp_path, LINE.replace("Regression", task))), "--executor", "inprocess"]
    done = CliRunner().invoke(app, [*arguments, "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"])
    assert done.exit_code == 0, done.output


def test_metrics_that_are_nan_are_noted_and_the_study_has_its_report(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    text = LINE.replace("Regression", "Undefined")
    options = ["--executor", "inprocess", "--tracking-uri", uri]
    done = CliRunner().invoke(app, ["--matrix", str(written(tmp_path, text)), *options])
    assert done.exit_code == 0, done.output
    assert (
        "note: on the 20 examples of dev r2 is nan after two steps; a metric that is not finite counts as missing"
        in (done.output)
    )
    frame = Store(uri).load("line").frame
    assert set(frame["outcome"]) == {"finished"}
    assert "test/r2" not in frame
    written_report = CliRunner().invoke(
        report.app, ["--study", "line", "--out", f"{tmp_path}/paper", "--tracking-uri", uri]
    )
    assert written_report.exit_code == 0, written_report.output


def test_runs_without_the_compared_metric_are_diverged_in_the_report(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    text = LINE.replace("Regression", "Undefined") + "metric: {name: test/r2, direction: max}\n"
    options = ["--executor", "inprocess", "--tracking-uri", uri, "--seeds", "1"]
    done = CliRunner().invoke(app, ["--matrix", str(written(tmp_path, text)), *options])
    assert done.exit_code == 0, done.output
    assert set(Store(uri).load("line").frame["outcome"]) == {"diverged"}


def test_other_code_of_a_task_makes_its_runs_stale_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_digest()
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text("WIDTH = 3\n")
    (package / "task.py").write_text(f"from {TASKS} import Regression\n\n\nclass Line(Regression):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    study = load(written(tmp_path, LINE.replace(f"{TASKS}:Regression", "mine.task:Line")))
    first = make_plan(study).code_digest
    (package / "layers.py").write_text("WIDTH = 3  # as before\n")
    assert make_plan(study).code_digest == first
    (package / "layers.py").write_text("WIDTH = 4\n")
    assert make_plan(study).code_digest != first
    assert code_digest() == before != first


def test_the_matrix_of_the_example_fits_the_schema_of_editors() -> None:
    import jsonschema

    from ablations.schema import schema

    jsonschema.Draft202012Validator(schema()).validate(yaml.safe_load(EXAMPLE.read_text()))
