"""Huber loss of a reconstruction."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from model.losses.reconstruction import Reconstructive


class Huber(Reconstructive):
    """Quadratic below ``delta``, linear above (Huber 1964).

    ``l_nd = e^2 / 2 if |e| < delta else delta (|e| - delta / 2)`` with ``e = o_nd - t_nd``: ``delta`` times the smooth
    L1 loss with ``beta = delta``, so that small errors weigh the same whatever ``delta`` is.
    """

    kind: Literal["huber"] = "huber"
    delta: Annotated[PositiveFloat, Field(description="error from which it is linear")] = 1.0

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Reconstructive``."""
        return self.delta, 1.0
