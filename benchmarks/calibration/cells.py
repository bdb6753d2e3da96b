"""Every cell against the baseline: false positives, coverage and power of the default test.

Normal noise, and seeds that shift all cells alike with a standard deviation of 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.interpolate import RegularGridInterpolator

from analysis.statistics.max_moderated import ModeratedMaxT
from analysis.statistics.moderated import MOST_SHARE, differences
from benchmarks.equal_max_t import EqualMaxT

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
REPLICATES = 20_000
BATCH = 2000
CONFIDENCE = 0.95
EFFECT = 1.5
FIGURE = Path("docs/images/calibration.png")
# The rule was chosen with these, and with wilder ones (one variant 10, half 10, 1 to 10). The held-out ones were
# written down before it was tried on them; after that it was changed once, for the power at "half 1, half 3".
TUNED: dict[str, Callable[[int], Array]] = {
    "all 1": lambda k: np.ones(k + 1),
    "1 to 3, baseline 1": lambda k: np.r_[1, np.geomspace(1, 3, k)],
    "1 to 3, baseline 3": lambda k: np.r_[3, np.geomspace(1, 3, k)],
    "1, baseline 3": lambda k: np.r_[3, np.ones(k)],
    "1, baseline 1/3": lambda k: np.r_[1 / 3, np.ones(k)],
    "1, one variant 3": lambda k: np.r_[np.ones(k), 3],
    "1, two variants 3": lambda k: np.r_[np.ones(k - 1), 3, 3],
    "1, one variant 5": lambda k: np.r_[np.ones(k), 5],
    "half 1, half 3": lambda k: np.r_[1, np.where(np.arange(k) % 2 == 0, 3, 1)],
}
HELD_OUT: dict[str, Callable[[int], Array]] = {
    "1, a quarter 4, baseline 2": lambda k: np.r_[2, np.where(np.arange(k) % 4 == 0, 4, 1)],
    "1/2 to 2, baseline 1/2": lambda k: np.r_[1 / 2, np.geomspace(1 / 2, 2, k)],
    "1, one variant 1/4": lambda k: np.r_[np.ones(k), 1 / 4],
    "1, 2, 4 in turn": lambda k: np.r_[1, 2.0 ** (np.arange(k) % 3)],
}
SPREADS = TUNED | HELD_OUT
COLUMNS = {
    "false": "false positives: default",
    "guarded": "Dunnett, guarded",
    "dunnett": "Dunnett",
    "paired": "paired t, Holm",
    "one": "power, one effect: default",
    "one_paired": "paired t, Holm ",
    "one_dunnett": "Dunnett ",
    "all": "power, all: default",
    "all_paired": "paired t, Holm  ",
}


@dataclass(frozen=True)
class Setting:
    """Seeds, variants beside the baseline, and the standard deviations of the noise in the cells."""

    seeds: int
    variants: int
    spread: str

    def deviations(self) -> Array:
        """(1 + variants,) standard deviation of the noise in each cell, the baseline first."""
        return SPREADS[self.spread](self.variants)

    def draw(self, replicates: int, rng: np.random.Generator) -> Array:
        """(replicates, 1 + variants, seeds) scores without any effect."""
        noise = rng.normal(size=(replicates, self.variants + 1, self.seeds)) * self.deviations()[:, None]
        drawn: Array = noise + 2 * rng.normal(size=(replicates, 1, self.seeds))
        return drawn

    def effect(self) -> Array:
        """(variants,) 1.5 times the root mean square of the deviations of a variant and the baseline."""
        sd = self.deviations()
        return np.asarray(EFFECT * np.sqrt((sd[0] ** 2 + sd[1:] ** 2) / 2))


class Critical:
    """Quantiles of the largest statistic, interpolated from exact ones: it saves hours."""

    def __init__(self, k: int, seeds: int) -> None:
        """Of ``ModeratedMaxT``: the logarithm, linear in log d0 and the share of the baseline."""
        self.prior = np.geomspace(1e-3, 1, 8) * (seeds - 1)
        share = np.concatenate([np.linspace(0, 0.9, 10), [0.94, MOST_SHARE]])
        exact = [[ModeratedMaxT(k, seeds, d0, r).quantile(CONFIDENCE) for r in share] for d0 in self.prior]
        self.table = RegularGridInterpolator((np.log(self.prior), share), np.log(np.array(exact)))

    def __call__(self, prior: Array, share: Array) -> Array:
        """For d0 and the share, of one shape."""
        point = np.stack([np.log(np.clip(prior, *self.prior[[0, -1]])), share], -1)
        return np.asarray(np.exp(self.table(point)))


def default(grid: Array, critical: Critical) -> Flags:
    """(replicates, k): is the p-value below .05, or, which is the same, does the interval exclude 0?"""
    found = differences(grid)
    return np.asarray(np.abs(found.mean / found.error) > critical(found.prior, found.share))


def rank(p: Array) -> NDArray[np.intp]:
    """(replicates, k) place of each p-value, 0 for the smallest."""
    return np.argsort(np.argsort(p, -1), -1)


def stepped(passed: Flags, place: NDArray[np.intp]) -> Flags:
    """What is rejected when the first that does not pass ends it."""
    order = np.argsort(place, -1)
    return np.take_along_axis(np.logical_and.accumulate(np.take_along_axis(passed, order, -1), -1), place, -1)


def paired_holm(grid: Array) -> Flags:
    """(replicates, k): paired t tests with Holm's adjustment."""
    p = np.asarray(stats.ttest_rel(grid[:, 1:], grid[:, :1], axis=-1).pvalue)
    place = rank(p)
    return stepped(p < (1 - CONFIDENCE) / (p.shape[1] - place), place)


def residuals(grid: Array) -> Array:
    """(replicates, cells, seeds) what cells and seeds leave."""
    centred = grid - grid.mean(2, keepdims=True)
    return np.asarray(centred - centred.mean(1, keepdims=True))


def dunnett(grid: Array, quantile: float) -> Flags:
    """(replicates, k): blocked Dunnett, which takes the variances for equal."""
    _, cells, seeds = grid.shape
    variance = (residuals(grid) ** 2).sum((1, 2)) / (cells - 1) / (seeds - 1)
    difference = (grid[:, 1:] - grid[:, :1]).mean(-1)
    return np.asarray(np.abs(difference) > quantile * np.sqrt(2 * variance / seeds)[:, None])


def unequal(grid: Array) -> Flags:
    """(replicates,) the guard of blocked Dunnett: does the Brown-Forsythe test on the residuals reject?"""
    return np.asarray(stats.levene(*np.moveaxis(residuals(grid), 1, 0), center="median", axis=-1).pvalue < 0.05)


def calibrate(setting: Setting, replicates: int, critical: Critical) -> dict[str, float]:
    """Every rate of a setting, by column; the same scores, shifted, for false positives and power."""
    rng = np.random.default_rng([20231206, setting.seeds, setting.variants, list(SPREADS).index(setting.spread)])
    k = setting.variants
    quantile = EqualMaxT(k, k * (setting.seeds - 1)).quantile(CONFIDENCE)
    parts = []
    for start in range(0, replicates, BATCH):
        grid = setting.draw(min(BATCH, replicates - start), rng)
        parts.append(_rates(grid, setting.effect(), critical, quantile))
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def _rates(grid: Array, effect: Array, critical: Critical, quantile: float) -> dict[str, float]:
    """Of one batch."""
    rejected = default(grid, critical)
    plain, holm = dunnett(grid, quantile), paired_holm(grid)
    rates = {
        "false": rejected.any(1).mean(),
        "guarded": np.where(unequal(grid)[:, None], holm, plain).any(1).mean(),
        "dunnett": plain.any(1).mean(),
        "paired": holm.any(1).mean(),
    }
    everywhere = np.concatenate([[0.0], effect])
    # One effect, in another variant in each replicate.
    variant = np.arange(len(grid)) % len(effect) + 1
    one = everywhere * (np.arange(len(everywhere)) == variant[:, None])
    for name, shift in (("one", one), ("all", np.broadcast_to(everywhere, one.shape))):
        true = shift[:, 1:] > 0
        shifted = grid + shift[..., None]
        rates[name] = default(shifted, critical)[true].mean()
        rates[f"{name}_paired"] = paired_holm(shifted)[true].mean()
        if name == "one":
            rates["one_dunnett"] = dunnett(shifted, quantile)[true].mean()
    return {name: float(rate) for name, rate in rates.items()}


def table(replicates: int, variants: tuple[int, ...] = (8, 32), seeds: tuple[int, ...] = (3, 5, 10)) -> pd.DataFrame:
    """A row for each setting."""
    rows = []
    for k in variants:
        for n in seeds:
            critical = Critical(k, n)
            for spread in SPREADS:
                tuned = "yes" if spread in TUNED else "no"
                setting = {"variants": k, "seeds": n, "sd of the cells": spread, "tuned on": tuned}
                rows.append(setting | calibrate(Setting(n, k, spread), replicates, critical))
    return pd.DataFrame(rows)


def draw(rates: pd.DataFrame, path: Path) -> None:
    """False positives and power of the default and of the paired t tests, over the settings."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    labels = [
        f"{spread}{'' if tuned == 'yes' else ' (held out)'}, {k} x {n}"
        for k, n, spread, tuned in rates.iloc[:, :4].itertuples(index=False)
    ]
    place = np.arange(len(rates))[::-1]
    for axes, names in ((left, ["false", "guarded", "dunnett", "paired"]), (right, ["one", "one_paired"])):
        for name, mark in zip(names, ["o", "x", "+", "."], strict=False):
            axes.plot(rates[name], place, mark, label=COLUMNS[name].split(": ")[-1].strip(), markersize=4)
        axes.legend(fontsize=7)
    left.axvline(1 - CONFIDENCE, color="grey", linewidth=0.8)
    left.set(xlabel="family-wise false positives", yticks=place, xlim=(0, None))
    left.set_yticklabels(labels, fontsize=6)
    right.set(xlabel=f"power for one effect of {EFFECT} sd", xlim=(0, 1))
    figure.savefig(path, dpi=130)
