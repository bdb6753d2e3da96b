"""Numbers with a decimal comma in flow lists and flow mappings, where YAML reads one number as two values."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import yaml

WHOLE, FRACTION = re.compile("[-+]?[0-9]+"), re.compile("[0-9]+([eE][-+]?[0-9]+)?")
LEADING_ZERO = re.compile("0[0-9]")  # how no whole number begins
ADVICE = "write decimals with a point"

Pair = tuple[yaml.Node, yaml.Node]


@dataclass(frozen=True)
class Split:
    """A list with numbers that may have been written with a decimal comma.

    Attributes:
        message: what it is read as, and how to write what may have been meant.
        certain: whether the list cannot be meant as it is read: a fraction has a leading zero (``[0,05]``), or a space
            follows just the commas that would separate numbers (``[1,5, 2,7]``). ``[1,5]`` may be either.
    """

    message: str
    certain: bool


def in_list(node: yaml.SequenceNode) -> Split | None:
    """The numbers of a flow list that seem to have decimal commas; None where there are none."""
    if not node.flow_style:
        return None
    groups = _groups(node.value)
    regular = all(len(group) == 1 or _is_made_of_decimals(group) for group in groups)
    pairs = [pair for group in groups for pair in (_halves(group) if regular else _leading_zeros(group))]
    if not pairs:
        return None
    one_line = node.start_mark.line == node.end_mark.line  # what comes after a line break needs no space
    alternating = regular and one_line and len(groups) > 1 and all(len(group) <= 2 for group in groups)
    certain = alternating or any(LEADING_ZERO.match(right.value) for _, right in pairs)
    message = (
        f"{_text(node):.60} is a list of {len(node.value)} values; {ADVICE}, [{_meant(node.value, pairs)}], "
        f"or a space after every comma"
    )
    return Split(message, certain)


def in_mapping(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, str]]:
    """Keys of a flow mapping that are the decimals of the value before (``{weight: 0,05}``), with what to say."""
    for (_, before), (key, value) in pairwise(node.value):
        is_empty = isinstance(value, yaml.ScalarNode) and value.style is None and not value.value
        if is_empty and _touch(before, key) and _is_decimal(before, key):
            number = f"{before.value},{key.value}"
            yield key, f"{number} is a value and a key here; {ADVICE}: {number.replace(',', '.')}"


def _groups(items: Sequence[yaml.Node]) -> list[list[yaml.Node]]:
    """The items, divided where more than a comma stands between two of them."""
    groups: list[list[yaml.Node]] = []
    for item in items:
        if groups and _touch(groups[-1][-1], item):
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _is_made_of_decimals(group: Sequence[yaml.Node]) -> bool:
    return len(group) % 2 == 0 and all(_is_decimal(*pair) for pair in _halves(group))


def _halves(group: Sequence[yaml.Node]) -> list[Pair]:
    return list(zip(group[::2], group[1::2], strict=False))


def _leading_zeros(group: Sequence[yaml.Node]) -> list[Pair]:
    return [pair for pair in pairwise(group) if _is_decimal(*pair) and LEADING_ZERO.match(pair[1].value)]


def _is_decimal(left: yaml.Node, right: yaml.Node) -> bool:
    """Whether two values are what stands before and behind the comma of one number."""
    return (
        isinstance(left, yaml.ScalarNode)
        and isinstance(right, yaml.ScalarNode)
        and left.style is None
        and right.style is None
        and WHOLE.fullmatch(left.value) is not None
        and FRACTION.fullmatch(right.value) is not None
    )


def _touch(left: yaml.Node, right: yaml.Node) -> bool:
    return bool(right.start_mark.pointer == left.end_mark.pointer + 1)


def _meant(items: Sequence[yaml.Node], pairs: Sequence[Pair]) -> str:
    """The items, with a point where a decimal comma may stand."""
    fractions = {right for _, right in pairs}
    text = _text(items[0])
    for item in items[1:]:
        text += ("." if item in fractions else ", ") + _text(item)
    return text


def _text(node: yaml.Node) -> str:
    """As it is written, on one line."""
    document = node.start_mark.buffer
    assert isinstance(document, str)
    return " ".join(document[node.start_mark.pointer : node.end_mark.pointer].split())
