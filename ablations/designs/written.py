"""Cells that are written out."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from ablations.designs.space import Draft, Space
from model.base import Config


class Written(Config):
    """The cells under ``cells``, each a name and its dotted settings."""

    needs: ClassVar[tuple[str, ...]] = ("cells",)

    kind: Literal["cells"] = "cells"

    def drafts(self, space: Space) -> Iterator[Draft]:
        """In the order of the file."""
        for name, change in space.cells.items():
            yield Draft((change,), name)
