"""Terms brought to a common scale before they are weighted."""

from typing import Literal

from torch import Tensor

FLOOR, TINY = 0.1, 1e-12


class Normalisation:
    """State of a normalisation during a run.

    * ``none``: the term as it is.
    * ``log``: ``log(1 + L)``, whose gradient is ``grad L / (1 + L)``; the 1 keeps it from becoming negative, so that
      shares of the total keep their meaning.
    * ``minmax``: ``(L - low) / (high - low)`` with the extremes of all steps so far, this one included, as constants.
      The range is taken as at least a tenth of ``high``: in the first steps it would be 0 and the gradient infinite.
      A term at its smallest so far is 0, also while it drives the training: shares say little, gradients tell.
    """

    def __init__(self, kind: Literal["none", "log", "minmax"]) -> None:
        self.kind = kind
        self.low: Tensor | None = None
        self.high: Tensor | None = None

    def __call__(self, terms: Tensor) -> Tensor:
        """(K,) raw terms of a training step to (K,) normalised ones."""
        if self.kind == "log":
            return terms.log1p()
        if self.kind == "minmax":
            return self._minmax(terms)
        return terms

    def _minmax(self, terms: Tensor) -> Tensor:
        now = terms.detach()
        self.low = now if self.low is None else self.low.minimum(now)
        self.high = now if self.high is None else self.high.maximum(now)
        span = (self.high - self.low).maximum(FLOOR * self.high).clamp(min=TINY)
        return (terms - self.low) / span
