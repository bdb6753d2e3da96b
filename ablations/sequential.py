"""When a contrast has seeds enough: an anytime-valid t-test of the paired differences to the baseline.

A t-test that is looked at after each seed finds something in a quarter of all comparisons of equals. The e-process

    E_n = g^(-1/2) [(1 + t^2 / nu) / (1 + t^2 / (g nu))]^((nu + 1) / 2),   g = 1 + n tau^2,   nu = n - 1

may be looked at whenever one likes. It is the Bayes factor of differences N(delta sigma, sigma^2) with
delta ~ N(0, tau^2) against delta = 0, both with the right Haar prior 1 / sigma: a martingale of mean 1 where delta = 0,
whatever sigma (Lai, Annals of Statistics 1976; Wang and Ramdas 2023, "Anytime-valid t-tests and confidence sequences
for Gaussian means with unknown variance"; Pérez-Ortiz et al., Annals of Statistics 2024). By Ville's inequality
P(E_n >= 1 / a for any n) <= a. The means that it does not exclude are the interval

    mean +- (S (r - 1) / (n (1 - r / g)))^(1/2),   r = (g^(1/2) / a)^(2 / n),   S = sum of squares about the mean

which has the true mean at all n together with probability 1 - a; as long as r >= g it is unbounded.

Of m contrasts each gets a = alpha / m (Bonferroni; it needs no independence, and contrasts with one baseline have
none). So with probability 1 - alpha all intervals of all contrasts hold at every number of seeds, and every claim is
read off an interval: equivalent where it lies within the smallest effect of interest, else better or worse where it
excludes 0. Holm's steps on the largest E of each contrast would decide the last ones half a seed earlier, but would
leave signs, intervals and "equivalent" outside of the guarantee. E-values are not averaged over contrasts (e-Holm of
Vovk and Wang 2021): where contrasts stop at different times only the largest E of each is safe, and a mean of these is
no e-value (Tavyrikov, Goeman and de Heide 2025, "Carefree multiple testing with e-processes"). The guarantee is of the
supremum, so it holds although "equivalent" looks at the scale of the data, which the martingale may not.

The decision is a function of the scores in the order of the seeds, made seed by seed up to the first that decides.
What ran first, what ran together, what was interrupted, and runs of seeds after a decision do not matter.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ablations.record import Plan, PlannedCell, Stopping

NOISE = 1e-20  # sums of squares below this part of the total are what rounding leaves of equal differences
LARGEST = 700.0  # logarithm of the largest e-value

Scores = Mapping[str, float | None]


class Decision(StrEnum):
    """What is claimed of a contrast."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Sample:
    """Paired differences: how many, their mean, the sum of squares about it."""

    n: int = 0
    mean: float = 0.0
    square: float = 0.0

    def plus(self, difference: float) -> "Sample":
        """With one more (Welford)."""
        n, step = self.n + 1, difference - self.mean
        mean = self.mean + step / n
        return Sample(n, mean, self.square + step * (difference - mean))

    @property
    def varies(self) -> bool:
        """Whether there is a variance to compare with; without one the sample is evidence of nothing."""
        return self.square > NOISE * self.n * self.mean**2

    def e_value(self, tau: float) -> float:
        """Evidence against a mean of 0; 1 is none."""
        if not self.varies:
            return 1.0
        g, signal = 1 + self.n * tau**2, self.n * self.mean**2
        ratio = (self.square + signal) / (self.square + signal / g)
        return math.exp(min(LARGEST, (self.n * math.log(ratio) - math.log(g)) / 2))

    def half_width(self, tau: float, alpha: float) -> float:
        """Of the interval of means against which the e-value is below 1 / alpha; infinite where that is all."""
        bound = _bound(self.n, tau, alpha)
        return math.sqrt(self.square / self.n * bound) if self.varies and bound else math.inf


def _bound(n: int, tau: float, alpha: float) -> float | None:
    """Largest ``n mean^2 / square`` that n differences with an e-value below 1 / alpha can have; None if any."""
    g = 1 + n * tau**2
    r = (math.sqrt(g) / alpha) ** (2 / n) if n else math.inf
    return (r - 1) / (1 - r / g) if r < g else None


@dataclass(frozen=True, slots=True)
class Look:
    """A contrast as it stood after a seed.

    Attributes:
        seeds: number of seeds until here.
        n: pairs among them; a seed without two scores is no pair.
        difference: mean of the paired differences, cell minus baseline.
        low: of the joint interval; infinite where there is none yet.
        high: likewise.
        e_value: at this seed.
        decision: by the interval.
    """

    seeds: int
    n: int
    difference: float
    low: float
    high: float
    e_value: float
    decision: Decision


@dataclass(frozen=True, slots=True)
class Path:
    """How a contrast came to its decision, or how far it is.

    Attributes:
        cell: that is compared with the baseline.
        looks: one a seed, from the first that is looked at to the last that counts.
        wanted: how many of the plan's seeds the contrast needs as far as is known.
        waiting: whether the scores of some of these are not there yet.
    """

    cell: PlannedCell
    looks: tuple[Look, ...]
    wanted: int
    waiting: bool

    @property
    def decision(self) -> Decision:
        """The last."""
        return self.looks[-1].decision if self.looks else Decision.UNDECIDED

    @property
    def evidence(self) -> float:
        """Largest e-value of the looks."""
        return max((look.e_value for look in self.looks), default=1.0)


def threshold(plan: Plan) -> float:
    """The e-value that decides a contrast: number of contrasts / alpha."""
    return max(1, len(plan.cells) - 1) / _rule(plan).alpha


def first_round(plan: Plan) -> int:
    """Seeds that every cell needs: before that many no data can decide, however clear."""
    rule = _rule(plan)
    able = (n for n in range(rule.least, len(plan.seeds)) if _bound(n, rule.tau, 1 / threshold(plan)))
    return next(able, len(plan.seeds))


def paths(plan: Plan, scores: Scores) -> list[Path]:
    """The path of each contrast.

    Args:
        plan: of a study with a stopping rule.
        scores: by run key; None for a run that ended without one (the pair is left out), no entry for a run that is
            still to come.
    """
    baseline = next(cell for cell in plan.cells if cell.cell_id == plan.baseline)
    return [_path(plan, baseline, cell, scores) for cell in plan.cells if cell is not baseline]


def _path(plan: Plan, baseline: PlannedCell, cell: PlannedCell, scores: Scores) -> Path:
    first, least, looks, sample = first_round(plan), _rule(plan).least, list[Look](), Sample()
    for seeds, seed in enumerate(plan.seeds, 1):
        keys = plan.run_key(baseline, seed), plan.run_key(cell, seed)
        if any(key not in scores for key in keys):
            return Path(cell, tuple(looks), max(seeds, first), waiting=True)
        before, after = (scores[key] for key in keys)
        if before is not None and after is not None:
            sample = sample.plus(after - before)
        if seeds >= least:
            looks.append(_look(plan, seeds, sample))
        given_up = seeds == first and sample.n == 0
        if given_up or (looks and looks[-1].decision is not Decision.UNDECIDED):
            return Path(cell, tuple(looks), seeds, waiting=False)
    return Path(cell, tuple(looks), len(plan.seeds), waiting=False)


def _look(plan: Plan, seeds: int, sample: Sample) -> Look:
    tau = _rule(plan).tau
    half = sample.half_width(tau, 1 / threshold(plan))
    low, high = sample.mean - half, sample.mean + half
    return Look(seeds, sample.n, sample.mean, low, high, sample.e_value(tau), _decide(plan, low, high))


def _decide(plan: Plan, low: float, high: float) -> Decision:
    sesoi = plan.metric.sesoi
    if sesoi and -sesoi < low and high < sesoi:
        return Decision.EQUIVALENT
    if low < 0 < high:
        return Decision.UNDECIDED
    return Decision.BETTER if (low >= 0) == (plan.metric.direction == "max") else Decision.WORSE


def needed(plan: Plan, found: Iterable[Path], ahead: int = 0) -> set[str]:
    """Run keys that the contrasts need: of each cell the first seeds, of the baseline as many as the longest.

    Args:
        plan: of the study.
        found: its paths.
        ahead: seeds to add to those of a contrast that waits, so that there is enough to run at once.
    """
    seeds = {path.cell.cell_id: path.wanted + (ahead if path.waiting else 0) for path in found}
    seeds[plan.baseline] = max(seeds.values(), default=first_round(plan))
    return {plan.run_key(cell, seed) for cell in plan.cells for seed in plan.seeds[: seeds[cell.cell_id]]}


def _rule(plan: Plan) -> Stopping:
    assert plan.stopping is not None
    return plan.stopping
