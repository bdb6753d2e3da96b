"""The form of a matrix file."""

import math
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, NonNegativeInt, PositiveFloat, Tag, model_validator

from ablations.record import Metric, Stopping
from model.base import Config

MOST_SEEDS, MOST_CELLS, MOST_RUNS = 10_000, 100_000, 1_000_000  # more are a slip, and would use up the memory

Level = Annotated[Any, Field(description="a scalar, a list, or a mapping of settings")]
Seeds = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


class UntilDecided(Config):
    """From ``min`` to ``max`` seeds a cell: more of them only for contrasts that are not decided."""

    min: Annotated[int, Field(ge=2)]
    max: Annotated[int, Field(gt=0, le=MOST_SEEDS)]
    until: Literal["decided"]

    @model_validator(mode="after")
    def _is_a_range(self) -> "UntilDecided":
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) must not be larger than max ({self.max})")
        return self


class MetricConfig(Config):
    """The metric that is compared. ``sesoi`` is the smallest effect size of interest, in units of the metric.

    Micro F1 and average precision are those of several labels.
    """

    name: Literal["test/weighted_f1", "test/macro_f1", "test/accuracy", "test/micro_f1", "test/average_precision"] = (
        "test/weighted_f1"
    )
    direction: Literal["max", "min"] = "max"
    sesoi: PositiveFloat | None = None

    def metric(self) -> Metric:
        """As the plan keeps it."""
        return Metric(self.name, self.direction, self.sesoi)


class Range(Config):
    """A setting of a search that may be any number from ``low`` to ``high``, searched on a logarithm if ``log``."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be smaller than high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be larger than 0 where log is true")
        return self


class SearchConfig(Config):
    """How the winner is found: the mean over ``seeds`` of ``metric`` at each run's chosen epoch is made large.

    ``grid`` tries every combination of the levels; ``bayesian`` tries ``trials`` points, the baseline among them, each
    proposed by a tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) from the results so far.
    """

    method: Literal["grid", "bayesian"]
    trials: Annotated[int, Field(ge=2, le=MOST_CELLS)] | None = None
    metric: Literal["dev/weighted_f1", "dev/macro_f1", "dev/accuracy"] = "dev/weighted_f1"
    seeds: Seeds

    @model_validator(mode="after")
    def _method_has_its_part(self) -> "SearchConfig":
        if (self.method == "bayesian") != (self.trials is not None):
            raise ValueError(
                "method 'bayesian' needs 'trials'" if self.trials is None else "method 'grid' has no 'trials'"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: one stands twice in {list(self.seeds)}")
        return self


def _form(factor: object) -> str:
    return "range" if isinstance(factor, Range | dict) else "levels"


def _form_of_seeds(seeds: object) -> str:
    if isinstance(seeds, UntilDecided | dict):
        return "rule"
    return "list" if isinstance(seeds, list | tuple) else "number"


Levels = Annotated[tuple[Level, ...], Field(min_length=1)]
Factor = Annotated[Annotated[Levels, Tag("levels")] | Annotated[Range, Tag("range")], Discriminator(_form)]
SeedsConfig = Annotated[
    Annotated[int, Field(gt=0, le=MOST_SEEDS), Tag("number")]
    | Annotated[Seeds, Tag("list")]
    | Annotated[UntilDecided, Tag("rule")],
    Discriminator(_form_of_seeds),
]
PARTS = {"grid": ("factors",), "cells": ("cells",), "search": ("search", "factors")}


class Matrix(Config):
    """A study: what is varied, against which baseline, measured how, with how many seeds.

    ``base`` holds differences to the defaults. With design ``grid`` the cells are all combinations of the levels of
    ``factors``; with ``cells`` they are written out in ``cells``, each a name and its dotted settings; with ``search``
    they are the baseline and the winner of a search over ``factors``, on seeds that the search has not seen.
    ``baseline`` is ``base``, the name of one of ``cells``, or a mapping of dotted settings; it must be one of the
    cells, or in the space of the search.
    """

    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    base: dict[str, Any] = Field(default_factory=dict)
    baseline: str | dict[str, Level] = "base"
    metric: MetricConfig = MetricConfig()
    design: Literal["grid", "cells", "search"] = "grid"
    search: SearchConfig | None = None
    factors: dict[str, Factor] = Field(default_factory=dict)
    cells: dict[str, dict[str, Level]] = Field(default_factory=dict)
    seeds: SeedsConfig

    @model_validator(mode="after")
    def _design_has_its_part(self) -> "Matrix":
        parts = PARTS[self.design]
        for needed in parts:
            if not getattr(self, needed):
                raise ValueError(f"design '{self.design}' needs '{needed}'")
        for other in ("factors", "cells", "search"):
            if getattr(self, other) and other not in parts:
                raise ValueError(f"design '{self.design}' has no '{other}'")
        if isinstance(self.seeds, tuple) and len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: one stands twice in {list(self.seeds)}")
        return self

    @model_validator(mode="after")
    def _is_of_a_possible_size(self) -> "Matrix":
        levels = (2 if isinstance(factor, Range) else len(factor) for factor in self.factors.values())
        combined = math.prod(levels) if self.factors else len(self.cells)
        if combined > MOST_CELLS:
            raise ValueError(
                f"the factors have {combined:,} combinations of levels; at most {MOST_CELLS:,} are allowed"
            )
        runs = (1 if self.search else combined) * len(self.seed_list())
        if runs > MOST_RUNS:
            raise ValueError(f"cells and seeds make {runs:,} runs; at most {MOST_RUNS:,} are allowed")
        return self

    def seed_list(self) -> tuple[int, ...]:
        """The seeds, of a rule all that it allows; a number N means 0 to N-1."""
        if isinstance(self.seeds, tuple):
            return self.seeds
        return tuple(range(self.seeds.max if isinstance(self.seeds, UntilDecided) else self.seeds))

    def stopping(self) -> Stopping | None:
        """The rule for the number of seeds; None if it is fixed."""
        return Stopping(self.seeds.min) if isinstance(self.seeds, UntilDecided) else None
