"""The form of a matrix file."""

import math
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, FiniteFloat, NonNegativeInt, PositiveFloat, Tag, model_validator

from ablations.designs import Designs, Grid, Searched
from ablations.record import STUDY_NAME, Metric, Stopping
from model.base import Config

MOST_SEEDS, MOST_CELLS, MOST_RUNS = 10_000, 100_000, 1_000_000  # more are a slip, and would use up the memory

TASK = r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)?$"

Level = Annotated[Any, Field(description="a scalar, a list, or a mapping of settings")]
Seeds = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


class UntilDecided(Config):
    """From ``min`` to ``max`` seeds a cell: more of them only for contrasts that are not decided."""

    min: Annotated[int, Field(ge=2, description="seeds before the first look")]
    max: Annotated[int, Field(gt=0, le=MOST_SEEDS, description="seeds at most")]
    until: Annotated[Literal["decided"], Field(description="the rule")]

    @model_validator(mode="after")
    def _is_a_range(self) -> "UntilDecided":
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) must not be larger than max ({self.max})")
        return self


class MetricConfig(Config):
    """The metric that is compared. ``sesoi`` is the smallest effect size of interest, in units of the metric.

    ``test/`` and one of weighted_f1, macro_f1, accuracy, of several labels also micro_f1 and average_precision; of a
    task one of its own metrics, by default the first.
    """

    name: Annotated[str, Field(description="what is compared, at the epoch chosen on dev")] = "test/weighted_f1"
    direction: Annotated[Literal["max", "min"], Field(description="which end is better")] = "max"
    sesoi: Annotated[
        PositiveFloat | None, Field(description="smallest difference that matters, in units of the metric")
    ] = None
    floor: Annotated[
        FiniteFloat | None,
        Field(description="worst score that a run may have, such as chance level: what diverged runs count as"),
    ] = None

    def metric(self) -> Metric:
        """As the plan keeps it."""
        return Metric(self.name, self.direction, self.sesoi, self.floor)


class Range(Config):
    """A setting of a search that may be any number from ``low`` to ``high``, searched on a logarithm if ``log``."""

    low: Annotated[float, Field(description="smallest value")]
    high: Annotated[float, Field(description="largest value")]
    log: Annotated[bool, Field(description="search on a logarithmic scale")] = False

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

    method: Annotated[Literal["grid", "bayesian"], Field(description="how trials are chosen")]
    trials: Annotated[Annotated[int, Field(ge=2, le=MOST_CELLS)] | None, Field(description="how many, of bayesian")] = (
        None
    )
    metric: Annotated[str, Field(description="what trials are scored by")] = "dev/weighted_f1"
    seeds: Annotated[Seeds, Field(description="of each trial; others than the study's")]

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
Parts = Annotated[
    Annotated[dict[str, dict[str, Level]], Tag("switches")] | Annotated[tuple[str, ...], Tag("names")],
    Discriminator(lambda parts: "switches" if isinstance(parts, dict) else "names"),
]


class Matrix(Config):
    """A study: what is varied, against which baseline, measured how, with how many seeds.

    ``task`` is ``package.module:Class`` of a model of your own (``model.task``) in place of the one that comes with the
    project. ``base`` holds differences to the defaults. ``design`` says which cells there are: see
    ``ablations.designs``; those of several designs are united. ``factors`` are settings with their levels, ``tied``
    lists of factors that change together. A factor below another, as ``loss.classification.gamma`` below
    ``loss.classification``, is for the kinds that have it. ``parts`` are what ``leave_one_out`` and ``add_one_in``
    switch off: names of those that the model declares (``model.parts``), or a mapping from names to dotted settings; by
    default all of the model. ``cells`` are written out, each a name and its dotted settings. Cells that match one of
    ``exclude`` are left out (``ablations.exclusion``). ``baseline`` is ``base``, the name of one of ``cells``, or a
    mapping of dotted settings; it must be one of the cells, or in the space of the search. ``include`` names another
    matrix, whose keys count where this one has none (``ablations.includes``).
    """

    study: Annotated[str, Field(pattern=f"^{STUDY_NAME.pattern}$", description="name: small letters, digits, _ and -")]
    task: Annotated[str, Field(pattern=TASK, description="`package.module:Class` of a model of your own")] = ""
    base: dict[str, Any] = Field(default_factory=dict, description="differences to the defaults")
    baseline: Annotated[
        str | dict[str, Level],
        Field(description="`base`, a name of `cells`, or dotted settings; what all is compared with"),
    ] = "base"
    metric: Annotated[MetricConfig, Field(description="what is compared")] = MetricConfig()
    design: Annotated[Designs, Field(description="which cells there are: a design or a list of them")] = (Grid(),)
    search: Annotated[SearchConfig | None, Field(description="how the winner is found, of design search")] = None
    factors: dict[str, Factor] = Field(default_factory=dict, description="dotted settings and their levels")
    tied: Annotated[
        tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...], Field(description="factors that change together")
    ] = ()
    parts: Annotated[Parts, Field(description="what is switched off, by name or by dotted settings")] = ()
    cells: dict[str, dict[str, Level]] = Field(default_factory=dict, description="written out, of design cells")
    exclude: Annotated[
        tuple[Annotated[dict[str, Level], Field(min_length=1)], ...], Field(description="cells that are left out")
    ] = ()
    seeds: Annotated[SeedsConfig, Field(description="a number, a list, or a rule that adds them until all is decided")]

    @model_validator(mode="after")
    def _designs_have_their_parts(self) -> "Matrix":
        kinds = [design.kind for design in self.design]
        if not kinds:
            raise ValueError("design: at least one is needed, got []")
        if self.searched and len(kinds) > 1:
            raise ValueError(f"design 'search' stands alone, got {', '.join(kinds)}")
        for design in self.design:
            for needed in design.needs:
                if needed != "parts" and not getattr(self, needed):
                    raise ValueError(f"design '{design.kind}' needs '{needed}'")
        used = {part for design in self.design for part in design.needs}
        for other in ("factors", "cells", "search", "parts"):
            if getattr(self, other) and other not in used:
                raise ValueError(f"design '{', '.join(kinds)}' has no '{other}'")
        if isinstance(self.seeds, tuple) and len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: one stands twice in {list(self.seeds)}")
        return self

    @model_validator(mode="after")
    def _is_of_a_possible_size(self) -> "Matrix":
        levels = (2 if isinstance(factor, Range) else len(factor) for factor in self.factors.values())
        if any(design == Grid() for design in self.design) and not self.tied:
            combined = math.prod(levels)
            if combined > MOST_CELLS:
                raise ValueError(
                    f"the factors have {combined:,} combinations of levels; at most {MOST_CELLS:,} are allowed"
                )
        return self

    @property
    def searched(self) -> bool:
        """Whether the cells are the baseline and the winner of a search."""
        return any(isinstance(design, Searched) for design in self.design)

    def seed_list(self) -> tuple[int, ...]:
        """The seeds, of a rule all that it allows; a number N means 0 to N-1."""
        if isinstance(self.seeds, tuple):
            return self.seeds
        return tuple(range(self.seeds.max if isinstance(self.seeds, UntilDecided) else self.seeds))

    def stopping(self) -> Stopping | None:
        """The rule for the number of seeds; None if it is fixed."""
        return Stopping(self.seeds.min) if isinstance(self.seeds, UntilDecided) else None
