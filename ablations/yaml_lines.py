"""YAML that remembers lines: strict where the usual reader is lenient."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]
MAX_DEPTH = 20
TAGS = {"str", "int", "float", "bool", "null", "seq", "map"}


class YamlError(ValueError):
    """Text that is not the YAML allowed here; the message begins with the line."""


@dataclass(frozen=True)
class Document:
    """The value and, for each path of keys and indices in it, the line where it begins (counted from 1)."""

    value: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """Line of the nearest enclosing thing that has one."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML has it, with the numbers of YAML 1.2 (``1e-3``) and without dates, octals, yes and no."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  (PyYAML wants a class attribute)


_RESOLVERS = {
    "bool": (r"true|false", "tf"),
    "int": (r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", "-+.0123456789"),
    "null": (r"null|~|", ["n", "~", ""]),
}
for _tag, (_pattern, _first) in _RESOLVERS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def parse(text: str) -> Document:
    """Read one YAML document.

    Raises:
        YamlError: it is not well formed, a key stands twice, a key is no string, or it has a custom tag.
    """
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise YamlError(f"line {text[: error.position].count(chr(10)) + 1}: a control character") from error
    try:
        node = loader.get_single_node()
        if node is None:
            raise YamlError("line 1: the file is empty")
        lines: dict[Path, int] = {}
        problems = list(_walk(node, (), lines))
        if problems:
            raise YamlError("\n".join(problems))
        return Document(loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"line {mark.line + 1 if mark else 1}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise YamlError(f"line 1: {error}") from error
    finally:
        loader.dispose()


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Iterator[str]:
    if len(path) > MAX_DEPTH:
        raise YamlError(
            f"line {node.start_mark.line + 1}: nested deeper than {MAX_DEPTH} levels, or an alias of itself"
        )
    lines[path] = node.start_mark.line + 1
    if node.tag.rpartition(":")[2] not in TAGS:
        yield f"line {node.start_mark.line + 1}: the tag {node.tag} is not allowed"
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                yield f"line {line}: a key must be a plain string"
            elif (*path, key.value) in lines:
                yield f"line {line}: the key '{key.value}' stands twice, first on line {lines[(*path, key.value)]}"
            else:
                yield from _walk(value, (*path, key.value), lines)
                lines[(*path, key.value)] = line
