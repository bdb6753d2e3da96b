"""Settings that the command line gives."""

from typing import Any

from ablations import yaml_lines
from ablations.problems import MatrixError

OPTION = "--set"


def override(text: str) -> tuple[str, Any]:
    """Dotted path and YAML value of ``KEY=VALUE``, as ``--set`` gives it.

    Raises:
        MatrixError: it has another form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise MatrixError(f"{OPTION} {text}: write KEY=VALUE, for example --set training.epochs=20")
    try:
        return key.strip(), yaml_lines.parse(value).value
    except yaml_lines.YamlError as error:
        raise MatrixError(f"{OPTION} {text}: the value is not YAML: {error}") from error
