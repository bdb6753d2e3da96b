"""Two sources of variance: the seeds of training, and the dialogues of the test set."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
DRAWS, SEED = 1000, 20061
NAN = float("nan")


@dataclass(frozen=True)
class Sources:
    """Standard errors of a mean over seeds by what is thought of as drawn anew, and 95 % t intervals.

    Attributes:
        seeds: from seeds alone: would other trainings differ on this test set?
        dialogues: from dialogues alone: would these trainings differ on another test set of such dialogues?
        both: from both.
        interaction: the part of ``seeds`` that comes from the size of the test set: networks that were trained with
            other seeds disagree on other dialogues. It would vanish with ever more dialogues.
        df: degrees of freedom of ``both``.
        interval_seeds: with the error from seeds and n - 1 degrees of freedom.
        interval_both: with the error from both.
    """

    estimate: float
    seeds: float
    dialogues: float
    both: float
    interaction: float
    df: float
    interval_seeds: tuple[float, float]
    interval_both: tuple[float, float]


@lru_cache(maxsize=8)
def weights(dialogues: int, draws: int = DRAWS, seed: int = SEED) -> Array:
    """How often each dialogue is drawn in each resample (draws, D): whole dialogues, with replacement."""
    equal = np.full(dialogues, 1 / dialogues)
    return np.random.default_rng(seed).multinomial(dialogues, equal, size=draws).astype(np.float64)


def resampled(counts: Array, weight: Array, score: Callable[[Array], Array]) -> Array:
    """The metric of each run in each resample.

    Args:
        counts: (n, D, 3, C + 1) of n runs.
        weight: (B, D) times that each dialogue is drawn.
        score: from summed counts to the metric.

    Returns:
        (B, n).
    """
    # One matrix product. It is exact: sums of products of integers, far below 2^53.
    return score(np.tensordot(weight, counts, axes=(1, 1)))


def sources(score: Array, draws: Array, dialogues: int, confidence: float = 0.95) -> Sources:
    """Split the variance of the mean of n seeds, scored on D dialogues.

    With effects of seed, of dialogue and of their interaction the variance is ``s2/n + d2/D + i2/(nD)``. The spread
    over the seeds holds ``s2/n + i2/(nD)``, that of a bootstrap of whole dialogues with the seeds kept
    ``d2/D + i2/(nD)``. Their sum counts the interaction twice, which often is the largest part: it is measured in the
    same bootstrap, as what is left of the resampled scores after the means of seed and of resample, and taken off once:
    ``both = max(V_seeds + V_dialogues - V_interaction, V_seeds, V_dialogues)``, two-way clustering (Cameron, Gelbach
    and Miller 2011, section 2). The bootstrapped parts are multiplied by ``D / (D - 1)``. Degrees of freedom after
    Satterthwaite from n - 1, D - 1 and (n - 1)(D - 1), at least min(n, D) - 1.

    Resampling seeds as well (the pigeonhole bootstrap, Owen 2007) would count the interaction three times, and five
    seeds are too few for percentiles. McNemar's test is no alternative: it takes utterances for independent, but those
    of a dialogue share speakers, topic and context, and it compares two trained networks, not two ways of training.

    Args:
        score: (n,) of the runs on all dialogues, or of the differences of two cells by seed.
        draws: (B, n) the same in each resample.
        dialogues: D.
        confidence: coverage of the intervals.

    Returns:
        Errors are NaN where n or D is 1, and intervals also where there is no variance at all.
    """
    n = len(score)
    of_seeds = float(score.var(ddof=1)) / n if n > 1 else NAN
    small = dialogues / (dialogues - 1) if dialogues > 1 else NAN
    centred = draws - draws.mean(0)
    of_dialogues = small * float(draws.mean(1).var(ddof=1))
    rest = centred - centred.mean(1, keepdims=True)
    of_both_at_once = small * float((rest**2).sum()) / (len(draws) - 1) / (n - 1) / n if n > 1 else NAN
    both = float(np.max([of_seeds + of_dialogues - of_both_at_once, of_seeds, of_dialogues]))
    df = _satterthwaite(both, (of_seeds, of_dialogues, of_both_at_once), n, dialogues)
    estimate = float(score.mean())
    return Sources(
        estimate, of_seeds**0.5, of_dialogues**0.5, both**0.5, of_both_at_once**0.5, df,
        _interval(estimate, of_seeds, n - 1, confidence), _interval(estimate, both, df, confidence),
    )  # fmt: skip


def _satterthwaite(total: float, parts: tuple[float, float, float], n: int, dialogues: int) -> float:
    if not total > 0:
        return NAN
    dfs = n - 1, dialogues - 1, (n - 1) * (dialogues - 1)
    return max(total**2 / sum(part**2 / df for part, df in zip(parts, dfs, strict=True)), min(n, dialogues) - 1)


def _interval(estimate: float, variance: float, df: float, confidence: float) -> tuple[float, float]:
    if not variance > 0:
        return NAN, NAN
    half = float(special.stdtrit(df, (1 + confidence) / 2)) * variance**0.5
    return estimate - half, estimate + half
