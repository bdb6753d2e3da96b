"""What varies within a study: of a run's settings, these alone are params in MLflow, so that its UI groups by them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from ablations.record import Plan, PlannedCell
from ablations.settings import at, leaves
from ablations.words import NOT_APPLICABLE
from model.configuration import Configuration

ABSENT = object()


def varying(*plans: Plan) -> set[str]:
    """Dotted paths of the factors, and of the other settings in which cells of these plans differ.

    Where kinds differ, the path is that of what has the kind: its settings are told with it.
    """
    factors = {path for plan in plans for path in _factors(plan)}
    settings = [leaves(cell.config) for plan in plans for cell in plan.cells]
    values: dict[str, set[str]] = {}
    for path in {path for found in settings for path in found}:
        values[path] = {json.dumps(found[path]) if path in found else "" for found in settings}
    differing = {path for path, found in values.items() if len(found) > 1}
    kinds = {path.removesuffix(".kind") for path in differing if path.endswith(".kind")}
    rest = {path for path in differing | kinds if not _below(path, factors | kinds)}
    return factors | rest


def _factors(plan: Plan) -> Iterable[str]:
    """The settings among the factors; the parts that a design switches off are others."""
    paths = {path for factor in plan.factors for path in factor.split("+")}
    return (path for path in paths if any(_has(cell, path) for cell in plan.cells))


def _has(cell: PlannedCell, path: str) -> bool:
    return at(cell.config, path) is not None


def _below(path: str, others: Iterable[str]) -> bool:
    return any(path.startswith(f"{other}.") for other in others)


def params(config: Configuration, paths: Iterable[str]) -> dict[str, str]:
    """The value of each path as text; a dash where the kinds of the configuration have no such setting.

    It depends on the configuration alone, since MLflow never changes a param.
    """
    inert = config.inert()
    return {path: NOT_APPLICABLE if path in inert else _text(_found(config, path), path) for path in sorted(paths)}


def _found(config: Configuration, path: str) -> Any:
    found: Any = config
    for key in path.split("."):
        found = found.get(key, ABSENT) if isinstance(found, Mapping) else getattr(found, key, ABSENT)
    return found


def _text(value: Any, path: str) -> str:
    """``0.05``, ``text+audio``, ``focal(gamma=5)``: a kind with the settings that are not its defaults."""
    if value is ABSENT:
        return NOT_APPLICABLE
    if isinstance(value, BaseModel):
        value = {"kind": getattr(value, "kind", "")} | value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, Mapping):
        kind = value.get("kind", "")
        told = ",".join(f"{key}={_text(x, key)}" for key, x in leaves(value).items() if key != "kind")
        return f"{kind}({told})" if told else str(kind)
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    # A file's folder does not identify it.
    return PurePath(value).name if path.rpartition(".")[2] == "path" else str(value)
