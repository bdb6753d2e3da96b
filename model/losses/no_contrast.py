"""No contrastive loss."""

from typing import ClassVar, Literal

from model.base import Config


class NoContrast(Config):
    """The term does not exist: no views are drawn, nothing is logged of it."""

    weight: ClassVar[float] = 0.0

    kind: Literal["none"] = "none"
