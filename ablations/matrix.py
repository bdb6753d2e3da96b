"""The form of a matrix file."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ablations.record import Metric
from model.base import Config

Level = Annotated[Any, Field(description="a scalar, a list, or a mapping of settings")]
Seeds = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


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


class Matrix(Config):
    """A study: what is varied, against which baseline, measured how, with how many seeds.

    ``base`` holds differences to the defaults. With design ``grid`` the cells are all combinations of the levels of
    ``factors``; with ``cells`` they are written out in ``cells``, each a name and its dotted settings. ``baseline``
    is ``base``, the name of one of ``cells``, or a mapping of dotted settings; it must be one of the cells.
    """

    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    base: dict[str, Any] = Field(default_factory=dict)
    baseline: str | dict[str, Level] = "base"
    metric: MetricConfig = MetricConfig()
    design: Literal["grid", "cells"] = "grid"
    factors: dict[str, Annotated[tuple[Level, ...], Field(min_length=1)]] = Field(default_factory=dict)
    cells: dict[str, dict[str, Level]] = Field(default_factory=dict)
    seeds: PositiveInt | Seeds

    @model_validator(mode="after")
    def _design_has_its_part(self) -> "Matrix":
        needed, other = ("factors", "cells") if self.design == "grid" else ("cells", "factors")
        if not getattr(self, needed):
            raise ValueError(f"design '{self.design}' needs '{needed}'")
        if getattr(self, other):
            raise ValueError(f"design '{self.design}' has no '{other}'")
        if isinstance(self.seeds, tuple) and len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: one stands twice in {list(self.seeds)}")
        return self

    def seed_list(self) -> tuple[int, ...]:
        """The seeds; a number N means 0 to N-1."""
        return self.seeds if isinstance(self.seeds, tuple) else tuple(range(self.seeds))
