"""Multiple-gradient descent."""

from typing import ClassVar, Literal

from model.weighting.aggregated import Aggregation, Rule


class MGDA(Aggregation):
    """The convex combination of the gradients of least norm (Désidéri 2012; Sener and Koltun 2018, algorithm 2).

    No term is made worse, to first order. It favours terms with short gradients, whatever their use.
    """

    averages: ClassVar[bool] = True

    kind: Literal["mgda"] = "mgda"

    def rule(self) -> Rule:
        """See ``Aggregation``."""
        from torchjd.aggregation import MGDAWeighting

        return MGDAWeighting()
