"""Intervals beside the tests: the chosen cell, two sources of variance, effect sizes; and a number that was dropped."""

import itertools
import math

import numpy as np
import pandas as pd

from ablations.noise.dialogues import resampled, sources, weights
from analysis.statistics.selection import best, cross_fitted, overlap_interval
from analysis.statistics.sizes import sizes
from analysis.statistics.verdict import verdicts

SEED = 20231206
SEEDS = 3, 5, 10


def choice(replicates: int) -> pd.DataFrame:
    """The interval of what choosing on dev yields on fresh seeds, for 8 cells and correlated dev and test."""
    spreads = {"equal cells": np.zeros(8), "close race": np.linspace(0, 0.7, 8), "one ahead": np.r_[np.zeros(7), 2.0]}
    rows = []
    for (name, mean), n in itertools.product(spreads.items(), SEEDS):
        rng = np.random.default_rng([SEED, n, *name.encode()])
        covered, naive, truth = [], [], []
        for _ in range(replicates):
            common = rng.normal(size=(n, 8))
            noise = 0.7 * rng.normal(size=(2, n, 8)) + 0.7 * common + rng.normal(size=(1, n, 1))
            dev, test = (pd.DataFrame(part + mean, columns=list("abcdefgh")) for part in noise)
            found = cross_fitted(dev, test, "max")
            interval = overlap_interval(found["score"])
            covered.append((interval["low"], interval["high"]))
            naive.append(test[best(dev, "max")].mean())
            # Choosing by n - 1 seeds is choosing by any n - 1 of them.
            truth.append(mean["abcdefgh".index(best(dev.iloc[1:], "max"))])
        low, high = np.array(covered).T
        target = float(np.mean(truth))
        rows.append(
            {"cells": name, "seeds": n, "coverage of 95 %": ((low <= target) & (target <= high)).mean()}
            | {"bias": float(np.mean((low + high) / 2) - target), "bias, naive": float(np.mean(naive) - target)}
        )
    return pd.DataFrame(rows)


def variance(replicates: int, dialogues: int = 30) -> pd.DataFrame:
    """Intervals over seeds, for this test set, and over seeds and dialogues, for another one."""
    mixes = {"seeds": (1, 0.2, 1), "dialogues": (0.1, 3, 1), "interaction": (0.1, 0.3, 5), "all": (0.3, 1, 3)}
    rows = []
    weight = weights(dialogues)
    for (name, (of_seed, of_dialogue, of_both)), n in itertools.product(mixes.items(), SEEDS):
        rng = np.random.default_rng([SEED, n, *name.encode()])
        hits = np.zeros(2)
        for _ in range(replicates):
            dialogue = of_dialogue * rng.normal(size=dialogues)
            seed = of_seed * rng.normal(size=(n, 1))
            scores = seed + dialogue + of_both * rng.normal(size=(n, dialogues))
            counts = np.stack([scores, np.ones_like(scores)], -1)
            draws = resampled(counts, weight, lambda sums: sums[..., 0] / sums[..., 1])
            found = sources(scores.mean(1), draws, dialogues)
            hits[0] += found.interval_seeds[0] <= dialogue.mean() <= found.interval_seeds[1]
            hits[1] += found.interval_both[0] <= 0 <= found.interval_both[1]
        covered = dict(zip(("seeds: coverage", "seeds and dialogues: coverage"), hits / replicates, strict=True))
        rows.append({"largest source": name, "seeds": n, "dialogues": dialogues} | covered)
    return pd.DataFrame(rows)


def effect_sizes(replicates: int) -> pd.DataFrame:
    """Intervals of the difference, of the standardised difference and of P(better)."""
    rows = []
    for d, n in itertools.product((0.0, 0.5, 1.0, 2.0), SEEDS):
        rng = np.random.default_rng([SEED, n, int(10 * d)])
        cells = [f"c{i}" for i in range(replicates)]
        grid = rng.normal(size=(replicates, n)) + d
        long = pd.DataFrame(
            {"cell": np.repeat(cells, n), "seed": np.tile(np.arange(n), replicates), "score": grid.ravel()}
        )
        base = pd.DataFrame({"cell": "base", "seed": np.arange(n), "score": 0.0})
        table = sizes(pd.concat([base, long]), "base")
        better = 0.5 * math.erfc(-d / 2**0.5)
        rows.append(
            {"d": d, "seeds": n}
            | {"difference": table["low"].le(d).mul(table["high"].ge(d)).mean()}
            | {"standardised": table["dz_low"].le(d).mul(table["dz_high"].ge(d)).mean()}
            | {"P(better)": table["better_low"].le(better).mul(table["better_high"].ge(better)).mean()}
        )
    return pd.DataFrame(rows)


def more_seeds(replicates: int, most: int = 200) -> pd.DataFrame:
    """How often an undecided contrast of 5 seeds is decided after as many more as its interval asks for.

    The number is the n at which half an interval, shrinking with sqrt(n), is the difference, or what
    that leaves to the smallest effect of interest, .5 standard deviations of a run.
    """
    rng, sesoi, first = np.random.default_rng(SEED), 0.5, 5
    found = []
    for _ in range(replicates):
        effect = rng.choice([0, 0.3, 0.6, 1.0, 1.5], size=8)
        scores = rng.normal(size=(9, first + most)) + np.r_[0, effect][:, None]
        table = verdicts(_frame(scores[:, :first]), "c0", "max", sesoi)
        for cell, row in table[table["verdict"] == "undecided"].iterrows():
            size = abs(row["difference"])
            ratios = [(row["high"] - row["low"]) / 2 / size]
            if size < sesoi:
                ratios.append((row["tost_high"] - row["tost_low"]) / 2 / (sesoi - size))
            more = max(1, math.ceil(first * min(ratios) ** 2) - first)
            if more <= most:
                later = verdicts(_frame(scores[:, : first + more]), "c0", "max", sesoi)
                found.append((more, later["verdict"].to_dict()[cell] != "undecided"))
                break
    table = pd.DataFrame(found, columns=["more seeds", "decided"])
    bins = pd.cut(table["more seeds"], [0, 5, 10, 20, 40, 100, most])
    return table.groupby(bins, observed=True)["decided"].agg(["mean", "size"]).reset_index()


def _frame(scores: np.ndarray) -> pd.DataFrame:
    cells, seeds = scores.shape
    names = np.repeat([f"c{i}" for i in range(cells)], seeds)
    return pd.DataFrame({"cell": names, "seed": np.tile(np.arange(seeds), cells), "score": scores.ravel()})
