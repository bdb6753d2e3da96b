"""Which cells a matrix declares: a design gives changes to the base, each a mapping from dotted path to value."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Change = dict[str, Any]


def grid(factors: Mapping[str, Sequence[Any]]) -> Iterator[Change]:
    """Every combination of levels; the last factor varies fastest."""
    for levels in itertools.product(*factors.values()):
        yield dict(zip(factors, levels, strict=True))
