"""A study of one cell, put together from options instead of a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from ablations import settings
from ablations.cell import Cell, differences
from ablations.matrix import Matrix
from ablations.problems import MatrixError, message_of, path_of
from ablations.settings import leaves
from ablations.study import Study
from model.config import RunConfig


@dataclass(frozen=True)
class Setting:
    """The value of a dotted path, and the option that gave it."""

    option: str
    path: str
    value: Any
    hint: str = ""  # what may have been meant instead, to be added to a message


def by_hand(study: str, given: list[Setting], seed: int) -> Study:
    """The study of one cell and one seed; its text is a matrix that declares the same.

    Args:
        study: its name.
        given: differences to the defaults; none may leave another without effect.
        seed: of the run.

    Raises:
        MatrixError: with every problem found, one a line, each with its option.
    """
    changes = {setting.path: setting.value for setting in given}
    written = settings.applied(settings.defaults(), changes)
    try:
        config = RunConfig.model_validate_json(json.dumps(written))
    except ValidationError as error:
        raise MatrixError("\n".join(dict.fromkeys(_problems(error, written, given)))) from error
    _refuse_contradictions(given, leaves(config.model_dump(mode="json")))
    name = " ".join(differences(config)) or "default"
    declared = {"study": study, "baseline": name, "design": "cells", "cells": {name: changes}, "seeds": [seed]}
    try:
        matrix = Matrix.model_validate_json(json.dumps(declared))
    except ValidationError as error:
        details = [(detail, path_of(detail, declared)) for detail in error.errors()]
        problems = [f"--{path[0]} {message_of(detail, path, Matrix, declared)}" for detail, path in details]
        raise MatrixError("\n".join(problems)) from error
    cell = Cell(config, name)
    return Study(matrix, (cell,), cell, matrix.seed_list(), yaml.safe_dump(declared, sort_keys=False))


def _refuse_contradictions(given: list[Setting], result: Mapping[str, Any]) -> None:
    """An option that another one leaves without effect is a slip."""
    for setting in given:
        wanted = leaves(settings.nested(setting.path, setting.value))
        lost = [path for path, value in wanted.items() if path not in result or result[path] != value]
        if lost:
            others = [x.option for x in given if x is not setting and _touch(x.path, lost[0])]
            raise MatrixError(f"{setting.option} has no effect beside {' and '.join(others)}")


def _touch(path: str, other: str) -> bool:
    """Whether one path lies in the other, or beside it in one mapping with a kind."""
    return path.startswith(other) or other.startswith(path.removesuffix(".kind"))


def _problems(error: ValidationError, written: Mapping[str, Any], given: list[Setting]) -> list[str]:
    problems = []
    for detail in error.errors():
        path = path_of(detail, written)
        dotted = ".".join(map(str, path))
        touching = [x for x in given if dotted.startswith(x.path) or x.path.startswith(dotted)]
        option, hint = (touching[-1].option, touching[-1].hint) if touching else ("defaults", "")
        problems.append(f"{option}: {message_of(detail, path, RunConfig, written)}{hint}")
    return problems
