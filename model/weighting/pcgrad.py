"""Gradient surgery."""

from typing import ClassVar, Literal

from model.weighting.aggregated import Aggregation, Rule


class PCGrad(Aggregation):
    """Each gradient loses its component against every other that it conflicts with (Yu et al. 2020, algorithm 1).

    The others are taken in an order drawn in each step; without a conflict it is the plain weighted sum.
    """

    averages: ClassVar[bool] = False

    kind: Literal["pcgrad"] = "pcgrad"

    def rule(self) -> Rule:
        """See ``Aggregation``."""
        from torchjd.aggregation import PCGradWeighting

        return PCGradWeighting()
