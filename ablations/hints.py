"""Numbers and words that people write otherwise than YAML or a setting wants them, and how to write them."""

import re

NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
GROUPED = re.compile(r"[-+]?\d[\d_]*(\.\d[\d_]*)?([eE][-+]?\d+)?")
COMMA = re.compile(r"([-+]?\d+),(\d+)")
WORDS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


def hint(kind: str, value: object) -> str:
    """What to write in place of a value that is refused; empty if that is not plain.

    Args:
        kind: type of the error, as pydantic names it.
        value: as YAML reads it.
    """
    wanted = kind.partition("_")[0]
    if isinstance(value, float) and wanted == "int" and value.is_integer():
        return f"; write {value:.0f}"
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if wanted in ("list", "tuple"):
        return f"; write a list in brackets, decimals with a point: [{_with_point(text)}]"
    if wanted == "bool":
        return f"; write {WORDS[text.lower()]}" if text.lower() in WORDS else ""
    return _of_number(text, wanted) if wanted in ("int", "float") else ""


def _of_number(text: str, wanted: str) -> str:
    comma = COMMA.fullmatch(text)
    if comma and wanted == "int":
        return f"; write a list in brackets: [{', '.join(comma.groups())}]"
    if comma:
        return f"; write decimals with a point: {_with_point(text)}"
    if NUMBER.fullmatch(text):
        return "; leave out the quotation marks"
    if ";" in text:
        return "; separate numbers by commas, and write decimals with a point"
    return f"; write {text.replace('_', '')}" if GROUPED.fullmatch(text) else ""


def _with_point(text: str) -> str:
    return COMMA.sub(r"\1.\2", text)
