"""Impartial multi-task learning by gradients."""

from typing import ClassVar, Literal

from model.weighting.aggregated import Aggregation, Rule


class IMTLG(Aggregation):
    """The combination with equal projections on all gradients' directions (Liu et al. 2021, section 3.1).

    The weights of the configuration change its length alone. Where gradients conflict a weight may become negative or
    large, and in rare cases the step is one that makes all terms worse.
    """

    averages: ClassVar[bool] = True

    kind: Literal["imtl_g"] = "imtl_g"

    def rule(self) -> Rule:
        """See ``Aggregation``."""
        from torchjd.aggregation import IMTLGWeighting

        return IMTLGWeighting()
