"""Each part off."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from ablations.designs.space import Draft, Space
from model.base import Config


class LeaveOneOut(Config):
    """The baseline, and the baseline without each of its parts: what does the whole lose?"""

    needs: ClassVar[tuple[str, ...]] = ("parts",)

    kind: Literal["leave_one_out"] = "leave_one_out"

    def drafts(self, space: Space) -> Iterator[Draft]:
        """The baseline first."""
        yield Draft((space.baseline,))
        for name, off in space.parts.items():
            yield Draft((space.baseline, off), f"no {name}")
