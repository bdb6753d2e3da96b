"""Conflict-averse gradient descent."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from model.weighting.aggregated import Aggregation, Rule


class CAGrad(Aggregation):
    """The step near the mean gradient that is best for the term worst off (Liu et al. 2021, algorithm 1).

    It stays within ``c`` times the norm of the mean gradient from it; with ``c`` 0 it is the plain weighted sum. A
    small convex program is solved in each step. We divide by ``1 + c``, so that without a conflict it is no longer
    than the mean.
    """

    averages: ClassVar[bool] = True

    kind: Literal["cagrad"] = "cagrad"
    c: Annotated[NonNegativeFloat, Field(description="radius around the mean gradient, in parts of its norm")] = 0.4

    def rule(self) -> Rule:
        """See ``Aggregation``."""
        from torchjd.aggregation import CAGradWeighting

        # Below norm_eps the package gives up and trains nothing; it counts on gradients of one scale.
        weighting = CAGradWeighting(c=self.c, norm_eps=1e-8)
        return lambda gramian: weighting(gramian) / (1 + self.c)
