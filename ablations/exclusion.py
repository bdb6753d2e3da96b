"""Cells that are left out: predicates over settings."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from ablations.settings import at

COMPARISON = re.compile(r"(<=|>=|!=|<|>)\s*(\S.*)")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "!=": operator.ne,
}


def matches(settings: Mapping[str, Any], predicate: Mapping[str, Any]) -> bool:
    """Whether complete settings have all that a predicate says, by dotted path.

    What a setting is compared with: a scalar, or the name of its kind; a mapping, of which each key must match; a list,
    of which one must; or a comparison with a number or a word: ``"> 0.1"``, ``"!= mse"``. A setting that the chosen
    kind does not have matches nothing.
    """
    return all(_matches(at(settings, path), wanted) for path, wanted in predicate.items())


def _matches(value: Any, wanted: Any) -> bool:
    if value is None:
        return wanted is None
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(_matches(value.get(key), inner) for key, inner in wanted.items())
    if isinstance(wanted, list | tuple):
        return list(wanted) == value if isinstance(value, list) else any(_matches(value, one) for one in wanted)
    if isinstance(value, Mapping):
        value = value.get("kind")
    compared = COMPARISON.fullmatch(wanted) if isinstance(wanted, str) else None
    return _compared(value, *compared.groups()) if compared else bool(value == wanted)


def _compared(value: Any, sign: str, text: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return sign == "!=" and str(value) != text
    try:
        return OPERATORS[sign](value, float(text))
    except ValueError:
        return False
