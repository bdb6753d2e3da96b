"""YAML that remembers lines: strict where the usual reader is lenient."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from ablations import decimals

Path = tuple[str | int, ...]
MAX_DEPTH = 20
MAX_VALUES, MAX_CHARACTERS = 100_000, 1_000_000  # with each alias written out
MAX_DIGITS = 18  # of 64 bits
MERGE = "tag:yaml.org,2002:merge"
TAGS = {"str", "int", "float", "bool", "null", "seq", "map"}


class YamlError(ValueError):
    """Text that is not the YAML allowed here; the message begins with the line."""


@dataclass(frozen=True)
class Document:
    """A value and where it is written.

    Attributes:
        value: what the text says.
        lines: for each path of keys and indices the line where it begins, counted from 1.
        hints: for the path of a list what may have been meant instead of what is read.
    """

    value: Any
    lines: dict[Path, int]
    hints: dict[Path, str]

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
    "merge": (r"<<", "<"),
}
for _tag, (_pattern, _first) in _RESOLVERS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def parse(text: str) -> Document:
    """Read one YAML document.

    Raises:
        YamlError: it is not well formed, a key stands twice, a key is no string, it has a custom tag, or a number in it
            has a decimal comma.
    """
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        is_byte = "\udc80" <= text[error.position] <= "\udcff"  # how Python passes on what it could not decode
        what = "a byte that is not UTF-8" if is_byte else "a control character"
        raise YamlError(f"line {text[: error.position].count(chr(10)) + 1}: {what}") from error
    try:
        node = loader.get_single_node()
        if node is None:
            raise YamlError("line 1: the file is empty")
        _merge(node, set())
        walk = _Walk({}, {})
        problems = list(walk.problems(node, ()))
        if problems:
            raise YamlError("\n".join(problems))
        return Document(loader.construct_document(node), walk.lines, walk.hints)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"line {mark.line + 1 if mark else 1}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise YamlError(f"line 1: {error}") from error
    except RecursionError as error:
        raise YamlError(f"line {loader.line + 1}: nested deeper than {MAX_DEPTH} levels") from error
    finally:
        loader.dispose()


def _merge(node: yaml.Node, done: set[yaml.Node], above: tuple[yaml.Node, ...] = ()) -> None:
    """Put the entries of the mappings that merge keys (``<<``) name into their mappings; own entries count before them.

    Args:
        node: the document, or a part of it.
        done: nodes that need no second visit, wherever else their aliases stand.
        above: nodes that this one is in.

    Raises:
        YamlError: a merge key has no mapping, or leads back to itself.
    """
    line = node.start_mark.line + 1
    if node in above or len(above) > MAX_DEPTH:
        raise YamlError(f"line {line}: nested deeper than {MAX_DEPTH} levels, or an alias of itself")
    if node in done:
        return
    done.add(node)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _merge(item, done, (*above, node))
    if not isinstance(node, yaml.MappingNode):
        return
    own: list[tuple[yaml.Node, yaml.Node]] = []
    merged: list[tuple[yaml.Node, yaml.Node]] = []
    for key, value in node.value:
        _merge(value, done, (*above, node))
        (merged if key.tag == MERGE else own).append((key, value))
    names = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
    for key, value in merged:
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(source, yaml.MappingNode):
                raise YamlError(f"line {key.start_mark.line + 1}: '<<' takes a mapping (<<: *name) or a list of them")
            fresh = [entry for entry in source.value if entry[0].value not in names]
            names |= {entry[0].value for entry in fresh}
            own += fresh
    node.value = own


@dataclass
class _Walk:
    """Over all nodes of a document, an alias as often as it stands.

    Attributes:
        lines: for each path of keys and indices the line where it begins.
        hints: for the path of a list what may have been meant instead.
        characters: of all scalars so far.
    """

    lines: dict[Path, int]
    hints: dict[Path, str]
    characters: int = 0

    def problems(self, node: yaml.Node, path: Path) -> Iterator[str]:
        """What is not allowed in a node and below it."""
        line = node.start_mark.line + 1
        if len(path) > MAX_DEPTH:
            raise YamlError(f"line {line}: nested deeper than {MAX_DEPTH} levels, or an alias of itself")
        self.lines[path] = line
        if len(self.lines) > MAX_VALUES or self.characters > MAX_CHARACTERS:
            raise YamlError(
                f"line {line}: more than {MAX_VALUES:,} values or {MAX_CHARACTERS:,} characters, each alias counted as "
                f"often as it stands"
            )
        if node.tag.rpartition(":")[2] not in TAGS:
            yield f"line {line}: the tag {node.tag} is not allowed"
        if isinstance(node, yaml.ScalarNode):
            yield from self._of_scalar(node, line)
        elif isinstance(node, yaml.SequenceNode):
            yield from self._of_list(node, path, line)
        elif isinstance(node, yaml.MappingNode):
            split = dict(decimals.in_mapping(node))
            for key, value in node.value:
                if key in split:
                    yield f"line {key.start_mark.line + 1}: {split[key]}"
                else:
                    yield from self._of_entry(key, value, path)

    def _of_list(self, node: yaml.SequenceNode, path: Path, line: int) -> Iterator[str]:
        split = decimals.in_list(node)
        if split and split.certain:
            yield f"line {line}: {split.message}"
        elif split:
            self.hints[path] = split.message
        for index, item in enumerate(node.value):
            yield from self.problems(item, (*path, index))

    def _of_scalar(self, node: yaml.ScalarNode, line: int) -> Iterator[str]:
        self.characters += len(node.value)
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            yield f"line {line}: half of a surrogate pair (\\ud800 to \\udfff) is no character"
        digits = node.value.lstrip("+-")
        if node.tag == "tag:yaml.org,2002:int" and len(digits) > MAX_DIGITS:
            yield f"line {line}: a whole number of {len(digits)} digits; at most {MAX_DIGITS} are allowed"

    def _of_entry(self, key: yaml.Node, value: yaml.Node, path: Path) -> Iterator[str]:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            yield f"line {line}: a key must be a plain string"
        elif (*path, key.value) in self.lines:
            first = self.lines[(*path, key.value)]
            yield f"line {line}: the key '{key.value}' stands twice, first on line {first}"
        else:
            yield from self._of_scalar(key, line)
            yield from self.problems(value, (*path, key.value))
            self.lines[(*path, key.value)] = line
