"""Settings as nested mappings: differences to the defaults, put on top of one another."""

import json
from collections.abc import Mapping
from typing import Any

from model.config import RunConfig
from model.configuration import Configuration

Settings = dict[str, Any]


def kind(task: str) -> type[Configuration]:
    """The class of the configurations of a task; of the model that comes with the project if it is empty.

    Raises:
        TaskError: there is no such task.
    """
    if not task:
        return RunConfig
    from model.task_config import task_class

    return task_class(task)


def defaults(task: str = "") -> Settings:
    """The default configuration."""
    return kind(task)().model_dump(mode="json")


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> Settings:
    """``base`` with ``change`` on top.

    Mappings are merged key by key; anything else is replaced. A mapping whose ``kind`` differs from the one below
    starts from the defaults of its own kind: no setting of the other kind is left over.
    """
    if "kind" in change and change["kind"] != base.get("kind"):
        return dict(change)
    result = dict(base)
    for key, value in change.items():
        below = base.get(key)
        result[key] = merged(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return result


def nested(path: str, value: object) -> Settings:
    """``a.b`` and a value to ``{a: {b: value}}``."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def applied(base: Mapping[str, Any], change: Mapping[str, object]) -> Settings:
    """``base`` with each dotted path of ``change`` set, in order."""
    result = dict(base)
    for path, value in change.items():
        result = merged(result, nested(path, value))
    return result


def resolved(settings: Mapping[str, Any]) -> Configuration:
    """The configuration that complete settings are.

    Raises:
        ValidationError: they are none.
    """
    return kind(settings.get("task", "")).model_validate_json(json.dumps(settings))


def at(settings: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    value: Any = settings
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def leaves(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted path and value of everything that is not a mapping."""
    result: dict[str, Any] = {}
    for key, value in settings.items():
        path = f"{prefix}{key}"
        result |= leaves(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return result
