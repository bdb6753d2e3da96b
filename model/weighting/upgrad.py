"""Unconflicting projection of gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from model.weighting.aggregated import Aggregation, Rule

if TYPE_CHECKING:
    from torch import Tensor
    from torchjd.linalg import DualConeProjector

TINY = 1e-300


class UPGrad(Aggregation):
    """Each gradient is projected on the cone where no term gets worse, then averaged.

    Quinton and Rey 2024, equation 5. Without a conflict it is the plain weighted sum.
    """

    averages: ClassVar[bool] = True

    kind: Literal["upgrad"] = "upgrad"

    def rule(self) -> Rule:
        """See ``Aggregation``."""
        from torchjd.aggregation import UPGradWeighting

        return UPGradWeighting(projector=_projector())


def _projector() -> DualConeProjector:
    """Projection on the dual cone as non-negative least squares.

    The package's own projector needs a solver under the GPL. The problem, ``min_v v'Gv`` subject to ``v >= u``
    (Quinton and Rey 2024, proposition 1), is with ``G = A'A`` and ``v = u + z`` that of ``min_z |Az + Au|`` over
    ``z >= 0``.
    """
    import numpy as np
    from scipy.optimize import nnls
    from torchjd.linalg import DualConeProjector, PSDMatrix

    class NonNegativeLeastSquares(DualConeProjector):
        def __call__(self, U: Tensor, G: PSDMatrix) -> Tensor:  # noqa: N803  (names of the package)
            eigenvalue, vector = np.linalg.eigh(G.cpu().numpy())
            root = np.sqrt(np.clip(eigenvalue / max(eigenvalue[-1], TINY), 0, None))[:, None] * vector.T
            rows = [u + nnls(root, -root @ u)[0] for u in U.cpu().numpy()]
            return U.new_tensor(np.stack(rows))

    return NonNegativeLeastSquares()
