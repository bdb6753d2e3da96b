"""One factor at a time."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ablations.designs.space import Draft, Space
from model.base import Config


class OneAtATime(Config):
    """The baseline, and each level of each factor with the rest as in the baseline.

    The cheapest design, ``1 + sum(m - 1)`` cells; what it shows holds at the baseline: interactions stay unseen.
    """

    needs: ClassVar[tuple[str, ...]] = ("factors",)

    kind: Literal["one_at_a_time"] = "one_at_a_time"
    factors: Annotated[tuple[str, ...], Field(description="dotted paths; all factors if none is named")] = ()

    def drafts(self, space: Space) -> Iterator[Draft]:
        """The baseline first, then factor by factor."""
        yield Draft((space.baseline,))
        first = dict(zip((axis.name for axis in space.axes), space.first, strict=True))
        for axis in space.chosen(self.factors):
            for place, level in enumerate(axis.levels):
                if place != first[axis.name]:
                    yield Draft((space.baseline, level))
