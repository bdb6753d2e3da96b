"""Each part alone."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from ablations.designs.space import Draft, Space
from model.base import Config


class AddOneIn(Config):
    """The baseline, the baseline without all of its parts, and with each of them alone: what does a part do by itself?

    With ``leave_one_out`` it tells parts that can stand in for one another (each is enough, none is needed) from parts
    that need one another.
    """

    needs: ClassVar[tuple[str, ...]] = ("parts",)

    kind: Literal["add_one_in"] = "add_one_in"

    def drafts(self, space: Space) -> Iterator[Draft]:
        """The baseline first, then none."""
        yield Draft((space.baseline,))
        yield Draft((space.baseline, *space.parts.values()), "none of the parts")
        for name in space.parts:
            yield Draft((space.baseline, *(off for other, off in space.parts.items() if other != name)), f"only {name}")
