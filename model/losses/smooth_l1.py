"""Smooth L1 loss of a reconstruction."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from model.losses.reconstruction import Reconstructive


class SmoothL1(Reconstructive):
    """Quadratic below ``beta``, linear above (Girshick 2015, equation 3, with the width ``beta`` of PyTorch).

    ``l_nd = e^2 / (2 beta) if |e| < beta else |e| - beta / 2`` with ``e = o_nd - t_nd``.
    """

    kind: Literal["smooth_l1"] = "smooth_l1"
    beta: Annotated[PositiveFloat, Field(description="error from which it is linear")] = 1.0

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Reconstructive``."""
        return self.beta, 1 / self.beta
