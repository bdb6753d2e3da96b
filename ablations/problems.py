"""What is wrong with a matrix, said so that it can be mended."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ablations.hints import hint
from model.base import InputError

Path = tuple[str | int, ...]


class MatrixError(InputError):
    """A matrix that cannot be used; one problem a line, each with its place."""


def path_of(error: ErrorDetails, value: object) -> Path:
    """The error's path in the value as it was written: without the union members that pydantic puts between."""
    path: list[str | int] = []
    last = len(error["loc"]) - 1
    for position, key in enumerate(error["loc"]):
        if isinstance(value, Mapping) and (key in value or (position == last and error["type"] == "missing")):
            value = value.get(str(key))
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(key, int):
            value = value[key]
        else:
            continue
        path.append(key)
    return tuple(path)


def message_of(error: ErrorDetails, path: Path, model: type[BaseModel], value: object) -> str:
    """What is wrong, the rule, the value and the alternatives."""
    name, context = ".".join(map(str, path)), error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        return f"unknown key '{name}'{nearest(str(path[-1]), _fields(model, path[:-1], value))}"
    if error["type"] == "missing":
        return f"the key '{name}' is missing"
    if error["type"] == "union_tag_invalid":
        return f"'{name}': no kind '{context['tag']}'; the kinds are {context['expected_tags']}"
    if error["type"] == "union_tag_not_found":
        return f"'{name}': needs a mapping with a 'kind', got {error['input']!r}"
    if error["type"] == "too_short":
        return f"{name}: at least {context['min_length']} level or value is needed, got {error['input']!r}"
    got = "" if error["type"] == "value_error" else f", got {error['input']!r:.80}"
    return f"{name}: {_lower(error['msg'])}{got}{hint(error['type'], error['input'])}".removeprefix(": ")


def nearest(word: str, words: Iterable[str]) -> str:
    """A suggestion: the nearest of the words, or all of them."""
    words = list(words)
    close = difflib.get_close_matches(word, words, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; the keys here are {', '.join(words)}" if words else ""


def _lower(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _fields(model: type[BaseModel], path: Path, value: object) -> list[str]:
    """Names of the fields at a path, following the ``kind`` that the value has."""
    free: Any = None  # what stands under keys of any name
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
        field = model.model_fields.get(str(key))
        annotation = free or (field.annotation if field else None)
        free = get_args(annotation)[1] if get_origin(annotation) is dict else None
        if free:
            continue
        members = _models(annotation)
        kind = value.get("kind") if isinstance(value, Mapping) else None
        chosen = [m for m in members if len(members) == 1 or kind in get_args(m.model_fields["kind"].annotation)]
        if not chosen:
            return []
        model = chosen[0]
    return list(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
