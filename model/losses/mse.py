"""Mean squared error of a reconstruction."""

import math
from typing import Literal

from model.losses.reconstruction import Reconstructive


class MSE(Reconstructive):
    """``l_nd = (o_nd - t_nd)^2``: twice a Huber loss that is quadratic everywhere."""

    kind: Literal["mse"] = "mse"

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Reconstructive``."""
        return math.inf, 2.0
