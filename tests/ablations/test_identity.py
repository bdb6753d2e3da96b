"""Identities are pinned: changing one of these makes every run in every store stale, so it must be meant."""

from pathlib import Path

import pytest

from ablations.cell import cell_id
from ablations.record import Metric, Outcome, Plan, PlannedCell, RunRecord, SchemaError
from ablations.study import load
from model.config import RunConfig

ROOT = Path(__file__).parents[2]
CELL = PlannedCell("a-1", "a", {"f": "x"}, {"k": 1}, "d0")
OTHER = PlannedCell("b-2", "b", {"f": "y"}, {"k": 2}, "d0")


def plan(**changes: object) -> Plan:
    fields = {
        "study": "s",
        "metric": Metric("test/accuracy", "max"),
        "baseline": "a-1",
        "factors": {"f": "f"},
        "cells": (CELL, OTHER),
        "seeds": (0, 1),
        "code_digest": "c0",
    }
    return Plan(**(fields | changes))  # type: ignore[arg-type]


def test_cell_ids_are_pinned() -> None:
    study = load(ROOT / "ablations" / "loss.yaml")
    assert cell_id(RunConfig()) == study.baseline.cell_id == "default-67d49b4019cf"
    assert study.cells[0].cell_id == "enc=0.01,cl=0.1-7dfa743277b7"
    assert study.cells[-1].cell_id == "focal,smooth_l1,enc=0.1,cl=0.5-ec6f9490bca0"


def test_run_keys_are_pinned() -> None:
    assert plan().run_key(CELL, 0) == "cf987167bf39"


def test_a_cell_id_depends_on_the_values_alone() -> None:
    spelled = RunConfig.model_validate_json('{"loss": {"encoder_weight": 5e-2}, "data": {"kind": "synthetic"}}')
    whole = RunConfig.model_validate_json('{"loss": {"contrastive": {"temperature": 0.20, "kind": "infonce"}}}')
    assert cell_id(spelled) == cell_id(whole) == cell_id(RunConfig())
    assert cell_id(RunConfig.model_validate_json('{"training": {"learning_rate": 1}}')).startswith("lr=1-")


def test_a_run_key_depends_on_cell_seed_data_and_code() -> None:
    keys = {
        plan().run_key(CELL, 0),
        plan().run_key(CELL, 1),
        plan().run_key(OTHER, 0),
        plan().run_key(PlannedCell("a-1", "a", {}, {}, "d1"), 0),
        plan(code_digest="c1").run_key(CELL, 0),
    }
    assert len(keys) == 5
    assert plan(study="t", seeds=(0, 1, 2)).run_key(CELL, 0) in keys


def test_a_plan_survives_encoding() -> None:
    assert Plan.decode(plan().encode()) == plan()
    assert Plan.decode(plan().encode()).digest() == plan().digest()


def test_a_plan_of_another_schema_is_refused() -> None:
    with pytest.raises(SchemaError, match="the plan has schema 99, this version reads 1"):
        Plan.decode(plan().encode().replace('"schema": 1', '"schema": 99'))


@pytest.mark.parametrize("changes", [{"seeds": ()}, {"seeds": (1, 1)}, {"cells": (CELL, CELL)}, {"baseline": "c"}])
def test_a_plan_keeps_its_rules(changes: dict[str, object]) -> None:
    with pytest.raises(SchemaError):
        plan(**changes)


def record(outcome: Outcome, **changes: object) -> RunRecord:
    fields: dict[str, object] = {
        "run_key": "k", "outcome": outcome, "history": (), "final": {}, "predictions": None, "error": None,
        "started": 0.0, "duration": 1.0, "environment": {},
    }  # fmt: skip
    return RunRecord(**(fields | changes))  # type: ignore[arg-type]


def test_a_record_agrees_with_its_outcome() -> None:
    assert record(Outcome.DIVERGED).final == {}
    assert record(Outcome.FAILED, error="boom").error == "boom"
    for outcome, changes in (
        (Outcome.FINISHED, {}),
        (Outcome.DIVERGED, {"final": {"test/accuracy": 1.0}}),
        (Outcome.FAILED, {}),
        (Outcome.DIVERGED, {"error": "boom"}),
    ):
        with pytest.raises(SchemaError):
            record(outcome, **changes)
