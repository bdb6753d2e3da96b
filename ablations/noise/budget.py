"""What the variance of a difference comes from, and what more seeds or a larger test set would buy."""

import math
from dataclasses import dataclass

from ablations.power import detectable, seeds_needed


@dataclass(frozen=True)
class NoiseBudget:
    """The variance over seeds of the difference between two cells, paired by seed.

    With every seed both cells are trained and then scored on the same D test dialogues. The difference varies
    over seeds because training differs, T, and because the trained networks disagree on some dialogues, of which
    the test set has finitely many, I. On D' dialogues the variance would be ``T + I D / D'``.

    Attributes:
        total: T + I, the variance over seeds.
        test: I, estimated by a bootstrap of dialogues within seed and pair of cells.
        dialogues: D.
    """

    total: float
    test: float
    dialogues: int

    @property
    def training(self) -> float:
        """T; 0 where the estimate of I is the larger one."""
        return max(0.0, self.total - self.test)

    @property
    def share(self) -> float:
        """Part of the variance that comes from the size of the test set, 0 to 1."""
        return min(1.0, self.test / self.total)

    def seeds_for(self, effect: float, comparisons: int) -> int | None:
        """Fewest seeds that find an effect with 80 % power on these dialogues; None if 1000 do not."""
        return seeds_needed(effect, math.sqrt(self.total / 2), comparisons)

    def dialogues_for(self, effect: float, seeds: int, comparisons: int) -> int | None:
        """Fewest test dialogues with which so many seeds find an effect with 80 % power; None if none do."""
        # What can be detected is proportional to the standard deviation.
        largest = 2 * (effect / detectable(1.0, seeds, comparisons)) ** 2
        left = largest - self.training
        return math.ceil(self.test * self.dialogues / left) if left > 0 else None


def needs(budget: NoiseBudget, sesoi: float | None, seeds: int, comparisons: int) -> str:
    """What it takes to find the smallest effect of interest, in words."""
    part = (
        f"On average {100 * budget.share:.0f} % of the variance of a difference comes from the size of the test set "
        f"({budget.dialogues} dialogues), the rest from training."
    )
    if sesoi is None:
        return part
    more, larger = budget.seeds_for(sesoi, comparisons), budget.dialogues_for(sesoi, seeds, comparisons)
    by_seeds = f"about {more} seeds" if more else "more than 1000 seeds"
    by_dialogues = f"about {larger} test dialogues" if larger else "no test set, however large,"
    verb = "would do" if larger else "would do it"
    return (
        f"{part} To find a difference of {sesoi:g} with 80 % power in {comparisons} comparisons takes {by_seeds} on "
        f"this test set; with {seeds} seeds {by_dialogues} {verb}."
    )
