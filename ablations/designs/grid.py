"""Every combination."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ablations.designs.space import Change, Draft, Space
from model.base import Config


class Grid(Config):
    """Every combination of the levels of all factors, or of some, with the others as in the baseline.

    It shows interactions; with k factors of m levels it has ``m ** k`` cells.
    """

    needs: ClassVar[tuple[str, ...]] = ("factors",)

    kind: Literal["grid"] = "grid"
    factors: Annotated[tuple[str, ...], Field(description="dotted paths; all factors if none is named")] = ()

    def drafts(self, space: Space) -> Iterator[Draft]:
        """The last factor varies fastest."""
        start = (space.baseline,) if self.factors else ()
        for change in combinations([axis.levels for axis in space.chosen(self.factors)]):
            yield Draft((*start, change))


def combinations(levels: Sequence[Sequence[Change]]) -> Iterator[Change]:
    """One level of each, in every way; the last varies fastest."""
    for chosen in itertools.product(*levels):
        yield {path: value for level in chosen for path, value in level.items()}
