"""Huber loss of a reconstruction."""

from typing import Literal

from pydantic import PositiveFloat

from model.losses.reconstruction import Reconstructive


class Huber(Reconstructive):
    """Quadratic below ``delta``, linear above (Huber 1964).

    ``l_nd = e^2 / 2 if |e| < delta else delta (|e| - delta / 2)`` with ``e = o_nd - t_nd``: ``delta`` times the smooth
    L1 loss with ``beta = delta``, so that small errors weigh the same whatever ``delta`` is.
    """

    kind: Literal["huber"] = "huber"
    delta: PositiveFloat = 1.0

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Reconstructive``."""
        return self.delta, 1.0
