"""The code of a task is every module of the user's own that it imports, and nothing else."""

from pathlib import Path

import pytest

from model.base import InputError
from model.task_code import files, shipped
from runners.provenance import code_digest, code_files

TASK = """
import numpy
from unknown_package import nothing
import {name}_net as net
from model.base import DataError
from tests.model.tasks import Regression


class Mine(Regression):
    code = {code}

    def build(self, data):
        from {name}_blocks.deep import layer
        import importlib
        importlib.import_module("{name}_dynamic")
        return super().build(data)
"""


class Project:
    """A folder with a task and what it imports."""

    def __init__(self, folder: Path, name: str, code: str = "()") -> None:
        self.folder, self.name = folder, name
        try_first = TASK.format(name=name, code=code).replace(
            "from unknown_package import nothing", "try:\n    import unknown_package\nexcept ImportError:\n    pass"
        )
        self.write("task", try_first)
        self.write("net", f"from {name}_more import WIDTH\n")
        self.write("more", "WIDTH = 3\n")
        self.write("dynamic", "A = 1\n")
        self.write("other", "B = 1\n")
        self.write("blocks/__init__", "from . import start\n")
        self.write("blocks/start", "")
        self.write("blocks/deep/__init__", "from ..shared import C\nfrom .layer import D\n")
        self.write("blocks/deep/layer", "D = 1\n")
        self.write("blocks/shared", "C = 1\n")
        self.write("blocks/unused", "this is no Python\n")

    def write(self, module: str, text: str) -> None:
        path = self.folder / f"{self.name}_{module}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)

    @property
    def task(self) -> str:
        return f"{self.name}_task:Mine"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Project:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Project(tmp_path, f"mine{abs(hash(request.node.nodeid)) % 10**9}")


def own(project: Project) -> set[str]:
    return {name.removeprefix(f"{project.name}_") for name in files(project.task) if name.startswith(project.name)}


def test_it_is_all_that_is_imported_at_any_depth_and_anywhere(project: Project) -> None:
    assert own(project) == {
        "task", "net", "more", "dynamic",
        "blocks", "blocks.start", "blocks.shared", "blocks.deep", "blocks.deep.layer",
    }  # fmt: skip
    tops = {name.partition(".")[0] for name in files(project.task)}
    assert {top for top in tops if not top.startswith(project.name)} == {"tests"}


@pytest.mark.parametrize("module", ["net", "more", "dynamic", "blocks/deep/layer", "blocks/shared"])
def test_an_edit_of_any_of_it_makes_runs_stale_and_one_elsewhere_does_not(project: Project, module: str) -> None:
    before = code_digest(project.task)
    project.write("other", "B = 2\n")
    project.write("blocks/unused", "neither is this\n")
    assert code_digest(project.task) == before
    project.write(module, (project.folder / f"{project.name}_{module}.py").read_text() + "# as before\n")
    assert code_digest(project.task) == before
    project.write(module, "WIDTH = C = D = 4\n")
    assert code_digest(project.task) != before


def test_a_task_may_list_more(project: Project, tmp_path: Path) -> None:
    extra = tmp_path / "tables"
    extra.mkdir()
    (extra / "classes.json").write_text("[1]")
    listing = Project(tmp_path, f"{project.name}l", '["tables"]')
    assert files(listing.task)["./tables/classes.json"] == extra / "classes.json"
    before = code_digest(listing.task)
    (extra / "classes.json").write_text("[2]")
    assert code_digest(listing.task) != before
    missing = Project(tmp_path, f"{project.name}m", '["gone.json"]')
    with pytest.raises(InputError, match=r"lists 'gone.json' as its code, but .* does not exist"):
        files(missing.task)


def test_the_runs_say_what_it_is(project: Project) -> None:
    assert f"{project.name}_more" in code_files(project.task).split(", ")


def test_of_a_package_it_is_also_what_nothing_imports() -> None:
    assert set(files("examples.digits.task:Digits")) >= {"examples.digits", "examples.digits.task"}


def test_another_machine_gets_the_folders_and_files_that_it_is_in(project: Project) -> None:
    sent = {path.name for path in shipped(project.task)}
    assert {f"{project.name}_{name}" for name in ("task.py", "net.py", "more.py", "dynamic.py", "blocks")} <= sent
