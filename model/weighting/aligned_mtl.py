"""Independent component alignment."""

from typing import ClassVar, Literal

from model.weighting.aggregated import Aggregation, Rule


class AlignedMTL(Aggregation):
    """Gradients made orthogonal and equally long before they are averaged (Senushkin et al. 2023, algorithm 1).

    The principal components of the gradients are scaled to the smallest of them.
    """

    averages: ClassVar[bool] = True

    kind: Literal["aligned_mtl"] = "aligned_mtl"

    def rule(self) -> Rule:
        """See ``Aggregation``."""
        from torchjd.aggregation import AlignedMTLWeighting

        return AlignedMTLWeighting()
