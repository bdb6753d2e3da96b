"""The learning rate over the steps of a run, as a factor of ``training.learning_rate``."""

import math
from typing import Annotated, Literal

from pydantic import Field

from model.base import Config


class _Schedule(Config):
    """Rises in proportion to the steps during ``warmup``, a part of the run; then ``after`` says."""

    warmup: Annotated[float, Field(ge=0, lt=1, description="part of the steps in which it rises")] = 0.0

    def factor(self, step: int, steps: int) -> float:
        """Of a step, counted from 0, in a run of so many steps; in (0, 1]."""
        rising = self.warmup * steps
        if step < rising:
            return (step + 1) / (math.floor(rising) + 1)
        return self.after((step - rising) / (steps - rising))

    def after(self, progress: float) -> float:
        """The factor after the warm-up; ``progress`` in [0, 1) through what is left."""
        raise NotImplementedError


class Constant(_Schedule):
    """Stays as it is."""

    kind: Literal["constant"] = "constant"

    def after(self, progress: float) -> float:  # noqa: ARG002
        """``1``."""
        return 1.0


class Linear(_Schedule):
    """Falls in a straight line towards 0."""

    kind: Literal["linear"] = "linear"

    def after(self, progress: float) -> float:
        """``1 - p``."""
        return 1 - progress


class Cosine(_Schedule):
    """Falls along half a cosine towards 0 (Loshchilov and Hutter, ICLR 2017, equation 5, without restarts)."""

    kind: Literal["cosine"] = "cosine"

    def after(self, progress: float) -> float:
        """``(1 + cos(pi p)) / 2``."""
        return (1 + math.cos(math.pi * progress)) / 2


Schedule = Annotated[Constant | Linear | Cosine, Field(discriminator="kind")]
