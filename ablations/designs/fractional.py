"""A fraction of the grid."""

import itertools
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ablations.designs.space import Change, Draft, Space
from model.base import Config


class Fractional(Config):
    """A regular fraction of the grid of factors with two levels each (Box and Hunter, Technometrics 1961).

    Resolution 3: main effects are not mixed with one another; 4: nor with interactions of two; 5: nor are these with
    one another. Effects that are mixed cannot be told apart. The fraction has the baseline in it.
    """

    needs: ClassVar[tuple[str, ...]] = ("factors",)

    kind: Literal["fractional"] = "fractional"
    resolution: Annotated[Literal[3, 4, 5], Field(description="what stays unmixed")] = 4
    factors: Annotated[tuple[str, ...], Field(description="dotted paths; all factors if none is named")] = ()

    def drafts(self, space: Space) -> Iterator[Draft]:
        """In the order of Yates; the baseline first.

        Raises:
            ValueError: a factor has not two levels.
        """
        axes = space.chosen(self.factors)
        for axis in axes:
            if len(axis.levels) != 2:
                raise ValueError(
                    f"factor '{axis.name}' has {len(axis.levels)} levels; design 'fractional' needs two of each"
                )
        bits, columns = generators(len(axes), self.resolution)
        start = (space.baseline,) if self.factors else ()
        first = dict(zip((axis.name for axis in space.axes), space.first, strict=True))
        for row in range(2**bits):
            change: Change = {}
            for axis, column in zip(axes, columns, strict=True):
                flipped = (row & column).bit_count() % 2
                change |= axis.levels[flipped ^ (first[axis.name] or 0)]
            yield Draft((*start, change))


def generators(factors: int, resolution: int) -> tuple[int, list[int]]:
    """The smallest number of basic factors for which the lexicographic choice of columns succeeds, and the columns.

    A column is a set of basic factors as a number in binary: its level is the parity of theirs. The resolution is R if
    any R - 1 columns are linearly independent over GF(2): no word of the defining relation is shorter than R.
    """
    for bits in itertools.count(1):
        columns: list[int] = []
        sums = {0}  # of at most R - 2 columns
        by_size: list[set[int]] = [{0}]
        for candidate in range(1, 2**bits):
            if len(columns) == factors:
                break
            if candidate in sums:
                continue
            columns.append(candidate)
            by_size.append(set())
            for size in range(min(len(by_size) - 1, resolution - 2), 0, -1):
                by_size[size] |= {other ^ candidate for other in by_size[size - 1]}
            sums = set().union(*by_size[: resolution - 1])
        if len(columns) == factors:
            return bits, columns
    raise AssertionError
