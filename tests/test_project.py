"""The project's own files agree with one another."""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from typer.testing import CliRunner

from runners.ablate import app
from tests.model.pickles import joyful_bytes, joyful_dialogues, write
from tests.runners.conftest import SMOKE, run

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])
def test_each_requirement_is_pinned_within_its_bounds(line: str) -> None:
    requirement = Requirement(line)
    pins = {canonical(name): version for name, version in PINS.items()}
    assert requirement.specifier.contains(Version(pins[canonical(requirement.name)]))
    assert any(part.operator == ">=" for part in requirement.specifier)
    assert any(part.operator == "<" for part in requirement.specifier)


def test_conda_and_make_install_the_same() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[dev]"]}
    python = next(line for line in conda if line.startswith("python="))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python.partition("=")[2])
    makefile = (ROOT / "Makefile").read_text()
    assert "install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'" in makefile
    assert f"PYTHON ?= python{python.partition('=')[2]}" in makefile


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("block", re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.DOTALL))
def test_what_is_said_of_clusters_is_valid_shell(block: str, tmp_path: Path) -> None:
    done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for line in block.replace("\\\n", " ").splitlines():
        if "runners.ablate" in line:
            options = re.findall(r"--[a-z-]+", line)
            known = subprocess.run(
                [sys.executable, "-m", "runners.ablate", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
            assert [option for option in options if option not in known] == []


def test_the_readme_has_the_two_commands() -> None:
    assert {"make ablate", "make test"} <= set(readme_commands())


@pytest.mark.parametrize("command", sorted({c for c in readme_commands() if c.startswith("make ")}))
def test_make_targets_of_the_readme_exist(command: str) -> None:
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command", sorted({c for c in readme_commands() if c.startswith("python -m runners.ablate --matrix")})
)
def test_study_commands_of_the_readme_are_accepted(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ROOT.parent / "shared" / "data"
    if "data.path" in command and not data.is_dir():
        pytest.skip("the real data are not part of the repository")
    arguments = shlex.split(command.replace("DATA", str(data)))[3:]
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, [*arguments, *([] if "--dry-run" in arguments else ["--dry-run"])])
    assert done.exit_code == 0, done.output
    assert "to run:" in done.output


def test_the_matrix_to_start_from_is_written_and_runs(tmp_path: Path) -> None:
    (command,) = [c for c in readme_commands() if c.startswith("python -m runners.ablate init")]
    (tmp_path / "ablations").mkdir()
    arguments, environment = shlex.split(command)[1:], {**os.environ, "PYTHONPATH": str(ROOT)}
    for more in (arguments, [*arguments[:2], "--matrix", arguments[-1], "--dry-run"]):
        done = subprocess.run(
            [sys.executable, *more], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "study mine: 6 cells x 5 seeds" in done.stdout


@pytest.mark.parametrize("command", sorted({c for c in readme_commands() if c.startswith("python -m model.data")}))
def test_inspections_of_the_readme_are_run(command: str, tmp_path: Path) -> None:
    write(tmp_path / "data_iemocap.pkl", joyful_bytes(joyful_dialogues()))
    arguments = shlex.split(command.replace("DATA", str(tmp_path)))[1:]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "kind: joyful_pickle" in done.stdout


@pytest.mark.parametrize("command", sorted({c for c in readme_commands() if c.startswith("python -m runners.train")}))
def test_runs_by_hand_of_the_readme_run(command: str, tmp_path: Path) -> None:
    small = ["--set", "data.dialogues=12", "--set", "training.epochs=2"]
    where = ["--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, *shlex.split(command)[1:], *small, *where],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| gate " in done.stdout


def test_upkeep_commands_of_the_readme_run_in_their_order(tmp_path: Path) -> None:
    uri = run(tmp_path, SMOKE.replace("study: tiny", "study: loss")).uri
    commands = [c for c in readme_commands() if c.startswith("python -m runners.store")]
    assert [shlex.split(c)[3] for c in commands] == ["check", "gc", "export", "import"]
    for command in commands:
        arguments = shlex.split(command)[1:]
        if "--tracking-uri" not in arguments:
            arguments += ["--tracking-uri", uri]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere" / "mlflow.db").is_file()


def test_every_command_of_the_readme_is_tested() -> None:
    tested = (
        *(
            "make ",
            "python -m runners.ablate",
            "python -m runners.train",
            "python -m runners.store",
            "python -m analysis.report --study loss",
            "python -m analysis.across --studies presets,presets_mosi,presets_meld",
            "python -m analysis.verify paper/loss",
            "python -m model.data inspect",
        ),
        *("git clone", "cd "),
    )
    assert [command for command in readme_commands() if not command.startswith(tested)] == []


def test_files_and_functions_keep_to_their_size() -> None:
    sizes = {
        path.relative_to(ROOT): len(path.read_text().splitlines())
        for package in ("ablations", "model", "runners", "analysis")
        for path in (ROOT / package).rglob("*.py")
    }
    assert max(sizes.values()) <= 300
    assert sorted(sizes.values())[len(sizes) // 2] <= 100
    lengths = [
        node.end_lineno - node.lineno + 1
        for path in sizes
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno
    ]
    assert max(lengths) <= 60
    assert sorted(lengths)[len(lengths) // 2] <= 8
