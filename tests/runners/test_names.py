"""What a user calls terms, metrics, classes and settings may be called as the columns of the project's own tables."""

import keyword
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from ablations.columns import RESERVED
from analysis import report, verify
from analysis.course import read
from analysis.report import _tables
from analysis.runs import Store
from runners.ablate import app
from tests.runners.conftest import Store as Study

TASK = """
import numpy as np

from model.evaluation import Evaluation, classification
from tests.model.tasks import Regression

NAMES = {names!r}


class Named(Regression):
    terms = dict.fromkeys(NAMES, 1.0)
    metrics = {{"accuracy": "max", **dict.fromkeys(NAMES, "max")}}
    {fields}

    def losses(self, network, batch):
        terms, output = super().losses(network, batch)
        return dict.fromkeys(NAMES, terms["squared"]), output

    def evaluate(self, output, arrays):
        logits = np.outer(output, np.linspace(-1, 1, len(NAMES)))
        found = classification(logits, np.arange(len(output)) % len(NAMES), NAMES)
        return Evaluation({{**found.metrics, **dict.fromkeys(NAMES, float(output.mean()))}}, found.prediction)
"""
MATRIX = """
study: named
task: {module}:Named
base: {{training: {{epochs: 2, monitor_every: 1}}}}
design: one_at_a_time
factors:
{factors}
tied: {tied}
seeds: 2
"""
REFUSED = ("total", "model_dump")
ODD = ("json", "copy", "dict", "schema", "value", "x", "index", "count", "size", "T", "loc", "total", "model_dump")


def columns(store: Study) -> list[str]:
    """Of all tables of a study, and of the frames that they are made of."""
    opened = Store(store.uri)
    runs = opened.load(store.plan.study)
    course = read(opened, runs)
    assert course is not None
    frames = [
        runs.frame,
        course.frame,
        course.long("train/loss/"),
        *(t.numbers for t in _tables(opened, runs, None, course)),
    ]
    names = {str(name) for frame in frames for name in (*frame.columns, *frame.index.names)}
    own = {name for name in names if name.isidentifier()} - {*runs.plan.factors.values(), "None"}
    assert own <= RESERVED, own - RESERVED
    return sorted(name for name in RESERVED | {*ODD} if not keyword.iskeyword(name))


def test_every_name_of_a_column_may_be_that_of_a_term_metric_class_or_setting(
    store: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    names = columns(store)
    assert len(names) > 60
    allowed = [name for name in names if name not in REFUSED]
    for number, start in enumerate(range(0, len(allowed), 12)):
        some, module = allowed[start : start + 12], f"named_task_{number}"
        uri = f"sqlite:///{tmp_path}/{module}.db"
        # Of a class that somebody writes, pydantic itself warns where a field hides one of its methods.
        settings = [name for name in some if not hasattr(BaseModel, name)]
        fields = "\n    ".join(f"{name}: int = 1" for name in settings)
        factors = "\n".join(f"  model.{name}: [1, 2]" for name in settings)
        # Half of them change together: three cells have all names, and few figures.
        paths = [f"model.{name}" for name in settings]
        tied = [paths[: len(paths) // 2], paths[len(paths) // 2 :]]
        (tmp_path / f"{module}.py").write_text(TASK.format(names=tuple(some), fields=fields))
        (tmp_path / "m.yaml").write_text(MATRIX.format(module=module, factors=factors, tied=tied))
        for command, arguments in {
            app: ["--matrix", f"{tmp_path}/m.yaml", "--executor", "inprocess"],
            report.app: ["--study", "named", "--out", f"{tmp_path}/{module}"],
            # It writes the report once more: of the names of one study.
            **({verify.app: [f"{tmp_path}/{module}"]} if number == 0 else {}),
        }.items():
            done = CliRunner().invoke(command, [*arguments, "--tracking-uri", uri])
            if done.exception and done.exit_code == 1:
                raise done.exception
            assert done.exit_code == 0, (some, done.output, done.exception)


@pytest.mark.parametrize("name", REFUSED)
def test_a_term_with_a_name_in_use_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"refused_{name}.py").write_text(TASK.format(names=(name, "other"), fields="a: int = 1"))
    (tmp_path / "m.yaml").write_text(MATRIX.format(module=f"refused_{name}", factors="  model.a: [1, 2]", tied=[]))
    done = CliRunner().invoke(app, ["--matrix", f"{tmp_path}/m.yaml"])
    assert (done.exit_code, f"cannot be called {name}; that name is in use" in done.output) == (2, True), done.output
