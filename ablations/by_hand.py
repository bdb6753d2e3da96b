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
from ablations.study import Study
from model.config import RunConfig


@dataclass(frozen=True)
class Setting:
    """The value of a dotted path, and the option that gave it."""

    option: str
    path: str
    value: Any


def by_hand(study: str, given: list[Setting], seed: int) -> Study:
    """The study of one cell and one seed; its text is a matrix that declares the same.

    Args:
        study: its name.
        given: differences to the defaults, the later over the earlier.
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


def _problems(error: ValidationError, written: Mapping[str, Any], given: list[Setting]) -> list[str]:
    problems = []
    for detail in error.errors():
        path = path_of(detail, written)
        dotted = ".".join(map(str, path))
        option = next(
            (x.option for x in reversed(given) if dotted.startswith(x.path) or x.path.startswith(dotted)), "defaults"
        )
        problems.append(f"{option}: {message_of(detail, path, RunConfig, written)}")
    return problems
