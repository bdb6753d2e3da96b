"""Studies made of numbers, without a store."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from ablations.record import Metric, Outcome, Plan, PlannedCell
from analysis.planned_runs import MISSING
from analysis.runs import StudyRuns


def grid_plan(seeds: int = 5, direction: str = "max") -> Plan:
    """2 x 2 x 2 cells: two numbers and a kind."""
    cells = tuple(
        PlannedCell(f"c{a}{b}{k}", f"a={a} b={b} {k}", {"p.a": str(a), "p.b": str(b), "p.kind": k}, {}, "d0")
        for a in (1, 2)
        for b in (10, 20)
        for k in ("x", "y")
    )
    metric = Metric("test/weighted_f1", direction)  # type: ignore[arg-type]
    factors = {"p.a": "a", "p.b": "b", "p.kind": "kind"}
    return Plan("grid", metric, "c110x", factors, cells, tuple(range(seeds)), "code")


def study(plan: Plan, effect: Mapping[str, float], noise: float = 0.01, missing: int = 0) -> StudyRuns:
    """Runs of a plan: .6, plus the effect of the cell, of the seed, and noise."""
    rng = np.random.default_rng(0)
    of_seed = dict(zip(plan.seeds, rng.normal(scale=0.03, size=len(plan.seeds)), strict=True))
    rows = []
    for key, (cell, seed) in plan.run_keys().items():
        score = 0.6 + effect.get(cell.cell_id, 0.0) + of_seed[seed] + noise * rng.normal()
        row = {"cell": cell.cell_id, "name": cell.name, "seed": seed, "run_key": key, "run_id": f"id{key}"}
        row |= {plan.factors[path]: level for path, level in cell.levels.items()}
        rows.append(row | {"outcome": str(Outcome.FINISHED), plan.metric.name: score, "seconds": 1.0})
    frame = pd.DataFrame(rows)
    last = frame.index >= len(frame) - missing
    frame["outcome"] = frame["outcome"].mask(last, MISSING)
    frame[plan.metric.name] = frame[plan.metric.name].mask(last)
    return StudyRuns(plan, frame)


@pytest.fixture
def complete() -> StudyRuns:
    return study(grid_plan(), {"c220y": 0.2, "c120x": -0.2})
