"""The reference of a matrix, made of the classes that read it.

python -m ablations.reference > docs/reference.md
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping

from ablations.examples import DESIGNS
from ablations.matrix import Matrix
from ablations.schema import DEFINITIONS, Schema
from model.config import RunConfig

HEAD = """\
# Reference of a matrix

This page is made of the code (`python -m ablations.reference > docs/reference.md`). A matrix is a YAML file; a key that
is not named here is refused, with its line and the nearest key that there is. In editors that know YAML schemas the
line `# yaml-language-server: $schema=matrix.schema.json` completes and checks what is here.

## Keys
"""
# Sections of the keys that have keys of their own: the class, and what a reader looks for.
PARTS = {
    "MetricConfig": "`metric`",
    "UntilDecided": "`seeds` as a rule",
    "Range": "A factor as a range, for a search",
    "SearchConfig": "`search`",
}
DESIGNS_HEAD = """\
## Designs

`design` is a name, a mapping with `kind` and the settings below, or a list of both. Cells that several designs of a
list share are run once. Each example is a whole matrix.
"""
SETTINGS_HEAD = """\
## Settings

What `base` holds, and by its dotted path a factor, a cell, a baseline or `--set` may change. Where a setting has kinds,
its value is a mapping with `kind`; `--set loss.reconstruction.kind=huber` changes the kind and takes the defaults of
the new one.
"""
INCLUDE = "| `include` | string |  | path of another matrix, whose keys count where this one has none |"
DESIGN = "| `design` | name, mapping, or a list of these | `grid` | which cells there are |"
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
COLUMNS = "| {} | type | default | what it is |\n|---|---|---|---|"


def page() -> str:
    """The page in Markdown."""
    matrix, run = Matrix.model_json_schema(), RunConfig.model_json_schema()
    known = {**run.pop(DEFINITIONS), **matrix.pop(DEFINITIONS)}
    blocks = [HEAD, _table("key", "", matrix, known) + f"\n{INCLUDE}", _prose(matrix["description"])]
    for name, title in PARTS.items():
        blocks += [f"### {title}", _prose(known[name]["description"]), _table("key", "", known[name], known)]
    blocks += [DESIGNS_HEAD, *_designs(known), SETTINGS_HEAD]
    for name, section in run["properties"].items():
        blocks += _settings(name, section, known, "###")
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"


def _designs(known: Mapping[str, Schema]) -> Iterator[str]:
    by_kind = {schema["properties"]["kind"]["const"]: schema for schema in known.values() if _is_design(schema)}
    for kind, example in DESIGNS.items():
        yield f"### `{kind}`"
        yield _prose(by_kind[kind]["description"])
        if len(by_kind[kind]["properties"]) > 1:
            yield _table("key", "", by_kind[kind], known)
        yield f"```yaml\n{example.strip()}\n```"


def _is_design(schema: Schema) -> bool:
    return schema.get("properties", {}).get("kind", {}).get("const") in DESIGNS


def _settings(path: str, schema: Schema, known: Mapping[str, Schema], level: str) -> Iterator[str]:
    """A section of settings: what stands in it, then its parts; of a setting with kinds each of them."""
    members = _members(schema, known)
    several = len(members) > 1
    yield f"{level} `{path}`"
    if several:
        kinds = ", ".join(f"`{_kind(member)}`" for member in members)
        yield f"Kinds: {kinds}; default `{schema['default']['kind']}`."
    for member in members:
        if several:
            yield f"{level}# `{path}: {{kind: {_kind(member)}}}`"
        yield _prose(member.get("description", ""))
        if any(_is_row(field, known) for name, field in member["properties"].items() if name != "kind"):
            yield _table("setting", f"{path}.", member, known)
        for name, field in member["properties"].items():
            if _members(field, known):
                yield from _settings(f"{path}.{name}", field, known, f"{level}#"[:4])


def _table(title: str, prefix: str, schema: Schema, known: Mapping[str, Schema]) -> str:
    required = schema.get("required", [])
    rows = [
        DESIGN
        if name == "design"
        else f"| `{prefix}{name}` | {_type(field, known)} | {_default(field, name in required)} | {_words(field)} |"
        for name, field in schema["properties"].items()
        if name != "kind" and (_is_row(field, known) or not prefix)
    ]
    return "\n".join([COLUMNS.format(title), *rows])


def _is_row(field: Schema, known: Mapping[str, Schema]) -> bool:
    return not _members(field, known)


def _members(schema: Schema, known: Mapping[str, Schema]) -> list[Schema]:
    """The classes that a setting may be of; none for a plain value."""
    if "$ref" in schema:
        return [known[schema["$ref"].rpartition("/")[2]]]
    return [known[one["$ref"].rpartition("/")[2]] for one in schema.get("oneOf", []) if "$ref" in one]


def _kind(schema: Schema) -> str:
    return str(schema["properties"]["kind"]["const"])


def _type(schema: Schema, known: Mapping[str, Schema]) -> str:
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{value}`" for value in values)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(one, known) for one in several if one.get("type") != "null"))
    if "$ref" in schema or schema.get("type") == "object":
        return "mapping" + (f" to {_type(of, known)}" if (of := _values(schema)) else "")
    if schema.get("type") == "array":
        items = _type(schema.get("items", {}), known)
        return f"list of {items}" if items else "list"
    bounds = " and ".join(f"{sign} {schema[key]:,}" for key, sign in BOUNDS.items() if key in schema)
    return f"{schema.get('type', '')} {bounds}".strip()


def _values(schema: Schema) -> Schema | None:
    """Of a mapping from names to numbers, what the numbers are."""
    of = schema.get("additionalProperties")
    return of if isinstance(of, dict) and of.get("type") == "number" else None


def _default(schema: Schema, required: bool) -> str:
    if required:
        return "required"
    value = schema.get("default")
    if isinstance(value, dict):
        return ""
    return "" if value in (None, []) else f"`{json.dumps(value) if not isinstance(value, str) else value}`"


def _words(schema: Schema) -> str:
    return _prose(str(schema.get("description", ""))).replace("|", "\\|").replace("\n", " ")


def _prose(docstring: str) -> str:
    """A docstring as Markdown."""
    return re.sub(r"``(.+?)``", r"`\1`", docstring, flags=re.DOTALL)


def main() -> None:
    """Print it."""
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
