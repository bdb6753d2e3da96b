"""The project's own files agree with one another."""

import ast
import re
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
