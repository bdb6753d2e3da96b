"""The JSON schema of a matrix, for editors: they complete keys and mark mistakes as one types.

python -m ablations.schema > ablations/matrix.schema.json
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from ablations.matrix import Matrix
from ablations.settings import defaults
from model.config import RunConfig

Schema = dict[str, Any]
DEFINITIONS = "$defs"


def schema() -> Schema:
    """Of a matrix: its own form, and at ``base`` and under each dotted path that of the settings.

    What depends on several settings at once, and on a user's task, an editor does not see; reading the matrix does.
    """
    matrix, run = Matrix.model_json_schema(), RunConfig.model_json_schema()
    known = {**run.pop(DEFINITIONS), **matrix.pop(DEFINITIONS)}
    properties = matrix["properties"]
    properties["include"] = {"type": "string", "description": "path of another matrix, from the folder of this one"}
    factor = properties["factors"]["additionalProperties"]
    properties["factors"]["additionalProperties"] = _factor(factor, {})
    properties["baseline"] = {"type": ["string", "object"], "default": "base"}
    properties["exclude"]["items"]["minProperties"] = 1
    del matrix["required"]  # an included matrix may have it
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **matrix,
        "patternProperties": {"^x-": True},
        "if": {"required": ["task"], "properties": {"task": {"minLength": 1}}},
        "else": {"properties": _of_model(run, paths(run, known), factor)},
        DEFINITIONS: known,
    }
    return {key: _partial(value) for key, value in whole.items()}


def _of_model(run: Schema, settings: Mapping[str, Schema], factor: Schema) -> Schema:
    """What is known of a matrix for the model that comes with the project."""
    change, names = {"type": "object", "properties": settings}, list(RunConfig.metrics())
    return {
        "base": {**run, "title": "Base", "description": "differences to the defaults"},
        "metric": {"properties": {"name": {"enum": [f"test/{name}" for name in names]}}},
        "search": {"properties": {"metric": {"enum": [f"dev/{name}" for name in names]}}},
        "factors": {"properties": {path: _factor(factor, setting) for path, setting in settings.items()}},
        "cells": {"additionalProperties": change},
        "baseline": {"anyOf": [{"type": "string"}, change]},
        "exclude": {"items": {"properties": {path: {} for path in settings}}},
    }


def _partial(value: Any) -> Any:
    """Of settings that are put on top of others, the kind may be missing: then several kinds fit."""
    if isinstance(value, list):
        return [_partial(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        "anyOf" if key == "oneOf" else key: _partial(inner) for key, inner in value.items() if key != "discriminator"
    }


def _factor(factor: Schema, setting: Schema) -> Schema:
    """Levels of a setting, or a range; null removes a factor that was included."""
    forms: list[Schema] = factor.get("oneOf") or factor.get("anyOf") or []
    found = [_levels(form, setting) for form in forms]
    return {"anyOf": [*found, {"type": "null"}]}


def _levels(form: Schema, setting: Schema) -> Schema:
    return {**form, "items": setting} if form.get("type") == "array" else form


def paths(schema: Schema, known: Mapping[str, Schema], prefix: str = "") -> dict[str, Schema]:
    """Schema of each setting by dotted path, of all kinds."""
    found: dict[str, Schema] = {}
    fields: Schema = schema.get("properties", {})
    for name, inner in fields.items():
        path = f"{prefix}{name}"
        if prefix:
            found.setdefault(path, inner)
        for member in _members(inner, known):
            for below, setting in paths(member, known, f"{path}.").items():
                found.setdefault(below, setting)
    return {path: setting for path, setting in found.items() if not path.endswith(".kind")}


def _members(schema: Schema, known: Mapping[str, Schema]) -> list[Schema]:
    if "$ref" in schema:
        return [known[schema["$ref"].rpartition("/")[2]]]
    several: list[Schema] = schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf") or []
    return [member for one in several for member in _members(one, known)]


def main() -> None:
    """Print it."""
    assert set(schema()["else"]["properties"]["base"]["properties"]) == set(defaults())
    sys.stdout.write(json.dumps(schema(), indent=1) + "\n")


if __name__ == "__main__":
    main()
