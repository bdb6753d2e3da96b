"""Smooth L1 loss of a reconstruction."""

from typing import Literal

from pydantic import PositiveFloat

from model.losses.reconstruction import Reconstructive


class SmoothL1(Reconstructive):
    """Quadratic below ``beta``, linear above (Girshick 2015, equation 3, with the width ``beta`` of PyTorch).

    ``l_nd = e^2 / (2 beta) if |e| < beta else |e| - beta / 2`` with ``e = o_nd - t_nd``.
    """

    kind: Literal["smooth_l1"] = "smooth_l1"
    beta: PositiveFloat = 1.0

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Reconstructive``."""
        return self.beta, 1 / self.beta
