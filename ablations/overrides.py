"""Settings that the command line gives."""

from dataclasses import dataclass
from typing import Any

from ablations import yaml_lines
from ablations.problems import MatrixError

OPTION = "--set"


@dataclass(frozen=True)
class Override:
    """A setting of the command line.

    Attributes:
        path: dotted.
        value: as YAML reads it.
        hint: what may have been meant instead, to be added to a message; empty if nothing.
    """

    path: str
    value: Any
    hint: str


def override(text: str) -> Override:
    """Read ``KEY=VALUE``, as ``--set`` gives it.

    Raises:
        MatrixError: it has another form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise MatrixError(f"{OPTION} {text}: write KEY=VALUE, for example --set training.epochs=20")
    try:
        document = yaml_lines.parse(value)
    except yaml_lines.YamlError as error:
        raise MatrixError(f"{OPTION} {text}: the value is not YAML: {error}") from error
    return Override(key.strip(), document.value, "".join(f"; {hint}" for hint in document.hints.values()))
