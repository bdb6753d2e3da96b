"""The winner of a search."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from ablations.designs.space import Draft, Space
from model.base import Config


class Searched(Config):
    """The baseline and the winner of a search over the factors, on seeds that the search has not seen."""

    needs: ClassVar[tuple[str, ...]] = ("search", "factors")

    kind: Literal["search"] = "search"

    def drafts(self, space: Space) -> Iterator[Draft]:
        """The baseline; the winner is not known yet."""
        yield Draft((space.baseline,))
