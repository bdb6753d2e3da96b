"""Means of the levels of factors, estimated with each seed alone."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablations.words import NOT_APPLICABLE

Array = NDArray[np.float64]
Term = tuple[str, ...]  # one factor, or two that may interact

# Of a column's square, what the others leave of it if rounding is all. Columns are zeros and ones:
# what a single one of 10,000 runs tells is a million times as much.
TOLERANCE = 1e-10
ESTIMABLE = 1e-7


@dataclass(frozen=True)
class LevelMeans:
    """Means of L levels of a factor, or of L combinations of levels, with each of S seeds.

    Attributes:
        levels: the L levels, each as a tuple with a level of each factor of the term.
        seeds: the S seeds.
        mean: (S, L) estimated means.
        doubt: for each seed (L, q) what the runs of that seed do not tell of the means: a sum of
            means can be estimated if the same sum of these rows is 0.
    """

    levels: list[tuple[object, ...]]
    seeds: list[object]
    mean: Array
    doubt: list[Array]

    def contrasts(self, weights: Array) -> Array:
        """(S, K) sums of means, given as (K, L); NaN where a seed cannot tell."""
        values = self.mean @ weights.T
        for row, doubt in zip(values, self.doubt, strict=True):
            if np.abs(doubt).max(initial=0.0) > ESTIMABLE:
                row[np.abs(weights @ doubt).max(1, initial=0.0) > ESTIMABLE] = np.nan
        return values

    def silent(self, weights: Array) -> list[object]:
        """Seeds that can tell none of the contrasts, or not all that another seed tells."""
        told = np.isfinite(self.contrasts(weights))
        return [seed for seed, row in zip(self.seeds, told, strict=True) if (told.any(0) & ~row).any()]


class WithinSeed:
    """Least squares of ``score = main effects + two-way interactions``, for each seed alone.

    Where a seed has every combination of levels once, the mean of a level is the plain mean over
    all of its cells. Where runs are missing, it is the least-squares mean, which weights all levels
    of the other factors alike; of a factor that only some kinds have, the levels that the kind has.
    The interactions that not all of the study's runs together can tell
    (one at a time tells none) are left out of the model of the means, as if they were 0.
    """

    def __init__(self, frame: pd.DataFrame, factors: Sequence[str]) -> None:
        """Set up.

        Args:
            frame: ``seed``, ``score`` and a column for each factor; rows without a score are left out.
            factors: columns; one with a single level left is skipped.
        """
        self.frame = frame.dropna(subset=["score"])
        self.size = float(np.sqrt((self.frame["score"] ** 2).mean())) if len(self.frame) else 0.0
        self.factors = [factor for factor in factors if self.frame[factor].nunique() > 1]
        self.levels = {factor: list(self.frame[factor].unique()) for factor in self.factors}
        codes = {factor: pd.Categorical(self.frame[factor], self.levels[factor]).codes for factor in self.factors}
        self.codes = {factor: code.astype(np.intp) for factor, code in codes.items()}
        self.fits: dict[tuple[int, bytes], Fit] = {}
        self.interactions = [pair for pair in itertools.combinations(self.factors, 2) if self._crossed(pair)]
        self.estimable_interactions = [pair for pair in self.interactions if self.fit(pair, self._cells()).tells(pair)]

    def main(self, factor: str) -> LevelMeans:
        """Means of a factor's levels."""
        return self._means((factor,))

    def interaction(self, pair: Term) -> LevelMeans:
        """Means of the combinations of levels of two factors."""
        return self._means(pair)

    def _means(self, term: Term) -> LevelMeans:
        score, seeds = self.frame["score"].to_numpy(float), list(self.frame["seed"].unique())
        means, doubts = [], []
        for rows in self._rows(seeds):
            mean, doubt = self.fit(term, rows).means(term, score[rows])
            means.append(mean)
            doubts.append(doubt)
        return LevelMeans(self.combinations(term), seeds, np.array(means), doubts)

    def fit(self, term: Term, rows: NDArray[np.intp]) -> "Fit":
        """Least squares of the runs in some rows, with the model that a term's means need."""
        mains: list[Term] = [(factor,) for factor in self.factors]
        model = [*mains, *(self.estimable_interactions if len(term) == 1 else self.interactions)]
        # Seeds with the same cells share a fit, and in most studies all seeds have the same.
        cells = np.stack([code[rows] for code in self.codes.values()]).tobytes()
        if (len(model), cells) not in self.fits:
            self.fits[len(model), cells] = Fit(self, model, rows)
        return self.fits[len(model), cells]

    def _rows(self, seeds: Sequence[object]) -> list[NDArray[np.intp]]:
        """Rows of each seed, in the order of the levels, so that equal cells are told by equal bytes."""
        order = np.lexsort(list(self.codes.values())[::-1])
        seed = self.frame["seed"].to_numpy()[order]
        return [order[seed == one] for one in seeds]

    def combinations(self, term: Term) -> list[tuple[object, ...]]:
        """All combinations of the levels of a term's factors, the last running fastest."""
        return list(itertools.product(*(self.levels[factor] for factor in term)))

    def _cells(self) -> NDArray[np.intp]:
        """A run of each cell, in the order of ``_rows``."""
        _, first = np.unique(np.stack(list(self.codes.values())), axis=1, return_index=True)
        return first.astype(np.intp)

    def weights(self, factor: str, given: dict[str, int]) -> Array:
        """(L,) weights of a factor's levels in the mean of given levels of other factors.

        All levels alike, but a kind that does not have the factor is not averaged over its levels,
        nor one that has it over its absence.
        """
        levels = self.levels[factor]
        weights = np.full(len(levels), 1 / len(levels))
        if NOT_APPLICABLE not in levels:
            return weights
        absent = levels.index(NOT_APPLICABLE)
        rows = np.all([self.codes[other] == level for other, level in given.items()], axis=0)
        lacks = self.codes[factor][rows] == absent
        if not lacks.any():
            weights[absent] = 0
        elif lacks.all():
            weights[:] = np.arange(len(levels)) == absent
        return np.asarray(weights / weights.sum())

    def _crossed(self, pair: Term) -> bool:
        """Whether any two levels of the one factor were run with the same two levels of the other."""
        first, second = (self.codes[factor] for factor in pair)
        together = np.zeros([len(self.levels[factor]) for factor in pair])
        together[first, second] = 1
        common = together @ together.T
        return bool(np.triu(common, 1).max(initial=0) >= 2)


class Fit:
    """Least squares of the runs in some rows, by the products of the columns of its terms."""

    def __init__(self, of: WithinSeed, model: Sequence[Term], rows: NDArray[np.intp]) -> None:
        self.of, self.terms = of, [(), *model]
        self.term_coefficients: dict[Term, tuple[Array, Array]] = {}
        self.columns = np.hstack([self._indicators(term, rows) for term in self.terms])
        gram = self.columns.T @ self.columns
        value, vector = np.linalg.eigh(gram)
        kept = vector[:, value > TOLERANCE * value[-1]]
        self.solve = (kept / value[value > TOLERANCE * value[-1]]) @ kept.T
        self.lost = np.eye(len(gram)) - kept @ kept.T

    def _indicators(self, term: Term, rows: NDArray[np.intp]) -> Array:
        """(N, combinations) which combination of levels each run has."""
        indicator = np.ones((len(rows), 1))
        for factor in term:
            own = np.eye(len(self.of.levels[factor]))[self.of.codes[factor][rows]]
            indicator = (indicator[:, :, None] * own[:, None, :]).reshape(len(rows), -1)
        return indicator

    def means(self, term: Term, score: Array) -> tuple[Array, Array]:
        """(L,) means of the combinations of a term's levels, and (L, q) what the runs do not tell of them."""
        parts, doubt = self._of_term(term)
        return parts @ (self.solve @ (self.columns.T @ score)), doubt

    def tells(self, term: Term) -> bool:
        """Whether the runs tell all differences of differences of a pair of factors."""
        _, doubt = self._of_term(term)
        shape = [len(self.of.levels[factor]) for factor in term]
        grid = doubt.reshape(*shape, -1)
        rest = grid - grid.mean(0, keepdims=True) - grid.mean(1, keepdims=True) + grid.mean((0, 1))
        return bool(np.abs(rest).max(initial=0.0) < ESTIMABLE)

    def _of_term(self, term: Term) -> tuple[Array, Array]:
        """Coefficients (L, q) of a term's means, and what the runs do not tell of these; every seed needs the same."""
        if term not in self.term_coefficients:
            parts = self._parts(term)
            self.term_coefficients[term] = parts, parts @ self.lost
        return self.term_coefficients[term]

    def _parts(self, term: Term) -> Array:
        """(L, q) coefficients whose sum is the mean of a combination, the levels of other factors weighted alike."""
        rows = []
        for combination in itertools.product(*(range(len(self.of.levels[factor])) for factor in term)):
            given = dict(zip(term, combination, strict=True))
            rows.append(np.concatenate([self._part(other, given) for other in self.terms]))
        return np.array(rows)

    def _part(self, other: Term, given: dict[str, int]) -> Array:
        part = np.ones(1)
        for factor in other:
            if factor in given:
                own = np.eye(len(self.of.levels[factor]))[given[factor]]
            else:
                own = self.of.weights(factor, given)
            part = np.outer(part, own).ravel()
        return part
