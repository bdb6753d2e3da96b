"""The project's own files agree with one another."""

import ast
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

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
    assert "install --disable-pip-version-check -c constraints.txt -e '.[dev]'" in makefile
    assert f"PYTHON ?= python{python.partition('=')[2]}" in makefile


def ci(tmp_path: Path, *pythons: str) -> subprocess.CompletedProcess[str]:
    """What CI does on a machine with these Pythons, of which and of whose ``make`` only the calls are kept."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    tools = dict.fromkeys(("chromium", "initdb", "pdflatex", "kpsewhich", *pythons), "exit 0")
    tools["make"] = f'echo make "$@" >> {tmp_path}/calls'
    for name, body in tools.items():
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)
    pytest_ = tmp_path / ".venv" / "bin" / "pytest"
    pytest_.parent.mkdir(parents=True)
    pytest_.symlink_to("/bin/true")
    for name in ("bash", "sed", "dirname", "id"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    environment = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    command = ["bash", ".ci/run"]
    return subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)


LOWEST, BELOW = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
HIGHEST = f"3.{int(BELOW) - 1}"


def test_ci_tests_the_lowest_and_the_highest_python_that_are_claimed(tmp_path: Path) -> None:
    done = ci(tmp_path, f"python3.{LOWEST}", f"python{HIGHEST}")
    assert done.returncode == 0, done.stderr
    first, last = (tmp_path / "calls").read_text().splitlines()
    assert first == f"make test PYTHON={tmp_path}/bin/python3.{LOWEST}"
    assert last == f"make test-quick PYTHON={tmp_path}/bin/python{HIGHEST} VENV=.venv-{HIGHEST}"


def test_ci_says_which_python_it_does_not_test(tmp_path: Path) -> None:
    done = ci(tmp_path, f"python3.{LOWEST}")
    assert done.returncode == 0, done.stderr
    assert f"NOT TESTED: Python {HIGHEST}, the highest that pyproject.toml claims, is not on this" in done.stdout


def test_ci_fails_without_the_lowest_python(tmp_path: Path) -> None:
    done = ci(tmp_path, f"python{HIGHEST}")
    assert done.returncode == 1
    assert f"Python 3.{LOWEST}, the lowest that pyproject.toml claims, is not on this machine" in done.stderr


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
