"""Error rates of seeds that are added until contrasts are decided, against a t-test that is looked at as often.

    python -m benchmarks.sequential

Scores of a baseline and m cells are normal with equal variances, so that their paired differences correlate by .5.
Each contrast is looked at after every seed from 3 to 30, up to its decision. Effects are in standard deviations of the
paired difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ablations.record import Stopping
from ablations.sequential import Sample

Array = NDArray[np.float64]

LEAST, MOST = 3, 30
RULE = Stopping(LEAST)
REPLICATES = 2000


@dataclass(frozen=True)
class Outcome:
    """Number of seeds at which each contrast was decided, (replicates, m); NaN where it never was."""

    decided: Array
    effects: tuple[float, ...]

    @property
    def false(self) -> float:
        """Part of the replicates in which any contrast without effect was decided."""
        null = np.array(self.effects) == 0
        return float(np.isfinite(self.decided[:, null]).any(axis=1).mean())

    @property
    def power(self) -> float:
        """Part of the contrasts with an effect that were decided."""
        return float(np.isfinite(self.decided[:, np.array(self.effects) != 0]).mean())

    def seeds(self, null: bool) -> float:
        """Mean number of seeds of the contrasts without or with an effect."""
        chosen = (np.array(self.effects) == 0) == null
        return float(np.nan_to_num(self.decided[:, chosen], nan=MOST).mean())


def simulate(effects: tuple[float, ...], replicates: int = REPLICATES, seed: int = 0) -> Array:
    """Paired differences (replicates, m, seeds)."""
    scores = np.random.default_rng(seed).normal(scale=0.5**0.5, size=(replicates, len(effects) + 1, MOST))
    differences: Array = scores[:, 1:] - scores[:, :1] + np.array(effects)[:, None]
    return differences


def by_e_value(differences: Array, effects: tuple[float, ...]) -> Outcome:
    """With the rule of this project."""
    threshold = len(effects) / RULE.alpha
    decided = [[_first(row, threshold) for row in replicate] for replicate in differences.tolist()]
    return Outcome(np.array(decided), effects)


def _first(differences: list[float], threshold: float) -> float:
    sample = Sample()
    for n, difference in enumerate(differences, 1):
        sample = sample.plus(difference)
        if n >= LEAST and sample.e_value(RULE.tau) >= threshold:
            return n
    return float("nan")


def by_peeking(differences: Array, effects: tuple[float, ...]) -> Outcome:
    """With a t-test at every seed as if it were the only one, at the level alpha / m."""
    n = np.arange(1, MOST + 1)
    mean = differences.cumsum(-1) / n
    square = (differences**2).cumsum(-1) - n * mean**2
    t = np.abs(mean[..., 1:]) / np.sqrt(square[..., 1:] / (n[1:] - 1) / n[1:])
    hit = (t >= stats.t.isf(RULE.alpha / len(effects) / 2, n[1:] - 1)) & (n[1:] >= LEAST)
    return Outcome(np.where(hit.any(-1), n[1:][hit.argmax(-1)], np.nan), effects)


def main() -> None:
    """Print the table."""
    print("| contrasts | effects | test | false claim | power | seeds without effect | seeds with |")
    print("|---|---|---|---|---|---|---|")
    for effects in ((0.0,), (1.0,), (2.0,), (0.0,) * 8, (0.0,) * 4 + (1.0,) * 4, (0.0,) * 4 + (2.0,) * 4):
        differences = simulate(effects)
        for name, test in (("e-value", by_e_value), ("t, peeking", by_peeking)):
            print(_row(name, test(differences, effects)))


def _row(name: str, outcome: Outcome) -> str:
    effects = outcome.effects
    counts = ", ".join(f"{effects.count(size)} of {size:g} sd" for size in sorted(set(effects)))
    null, some = 0 in effects, any(effects)
    false = f"{outcome.false:.3f}" if null else "–"
    power, with_effect = (f"{outcome.power:.2f}", f"{outcome.seeds(False):.1f}") if some else ("–", "–")
    without = f"{outcome.seeds(True):.1f}" if null else "–"
    return f"| {len(effects)} | {counts} | {name} | {false} | {power} | {without} | {with_effect} |"


if __name__ == "__main__":
    main()
