"""How runs are shown in MLflow's UI: their names, the tags to filter by, and what varies as params to group by.

All of it follows from the plan, so that the runs that exist already get what a later plan says: it may vary more, and
have another baseline, from which cells are named, or other cells.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from ablations.record import CONFIG_FILE, SEED_PARAM, Kind, Plan, Tag
from ablations.settings import resolved
from model.configuration import Configuration
from runners.ledger import Ledger, StoredRun
from runners.planner import RunSpec
from runners.store import artifact
from runners.varying import params

if TYPE_CHECKING:
    from mlflow import MlflowClient

YES, NO = "yes", "no"


@dataclass(frozen=True)
class Labels:
    """Of the runs of one kind in a study.

    Attributes:
        plan: of these runs.
        kind: theirs.
        paths: of the settings that are params.
    """

    plan: Plan
    kind: Kind
    paths: frozenset[str]

    def tags(self, spec: RunSpec) -> dict[Tag, str]:
        """Of a run that is to begin."""
        name = spec.name.removesuffix(f" s{spec.seed}")
        return {Tag.NAME: name, Tag.BASELINE: _word(spec.cell_id == self.plan.baseline), Tag.PLANNED: YES}

    def params(self, spec: RunSpec) -> dict[str, str]:
        """Of a run that is to begin."""
        return params(spec.config, self.paths) | {SEED_PARAM: str(spec.seed)}

    def renew(self, client: "MlflowClient", known: Ledger, former: Plan | None, new: frozenset[str]) -> None:
        """Let the runs that exist be shown as this plan says; what runs now belongs to who runs it.

        Args:
            client: of the store.
            known: what it has.
            former: the plan before this one.
            new: paths that were no params before; runs of all kinds get them.
        """
        over = [run for run in known.runs if run.status != "RUNNING" and Tag.CELL in run.tags]
        names = {cell.cell_id: cell.name for cell in self.plan.cells}
        keys = self.plan.run_keys().keys()
        for run in over:
            if run.tags[Tag.KIND] == self.kind:
                _rename(client, run, self._wanted(run, names, run.tags[Tag.RUN_KEY] in keys))
        if new:
            plans = [self.plan, *([former] if former else [])]
            configs: dict[str, Configuration | None] = {}
            for plan in plans:
                configs |= {cell.cell_id: _resolved(cell.config) for cell in plan.cells if cell.cell_id not in configs}
            for run in over:
                _add(client, run, configs, new)

    def _wanted(self, run: StoredRun, names: Mapping[str, str], planned: bool) -> dict[Tag, str]:
        cell = run.tags[Tag.CELL]
        # A cell that the plan does not have is told by its id, since its name may be that of another now.
        is_baseline = cell == self.plan.baseline
        return {Tag.NAME: names.get(cell, cell), Tag.BASELINE: _word(is_baseline), Tag.PLANNED: _word(planned)}


def _word(holds: bool) -> str:
    return YES if holds else NO


def _rename(client: "MlflowClient", run: StoredRun, wanted: Mapping[Tag, str]) -> None:
    changed = {tag: value for tag, value in wanted.items() if run.tags.get(tag) != value}
    if Tag.NAME in changed:
        client.update_run(run.run_id, name=f"{wanted[Tag.NAME]} s{run.tags[Tag.SEED]}")
    for tag, value in changed.items():
        client.set_tag(run.run_id, str(tag), value)


def _add(
    client: "MlflowClient", run: StoredRun, configs: dict[str, Configuration | None], paths: frozenset[str]
) -> None:
    """Give a run the params that it does not have; one whose configuration nobody knows any more stays as it is."""
    cell = run.tags[Tag.CELL]
    if cell not in configs:
        configs[cell] = _kept(client, run.run_id)
    config = configs[cell]
    if config is None:
        return
    has = client.get_run(run.run_id).data.params
    for path, value in params(config, paths - has.keys()).items():
        client.log_param(run.run_id, path, value)


def _kept(client: "MlflowClient", run_id: str) -> Configuration | None:
    """The configuration that a run keeps as a file."""
    if CONFIG_FILE not in {file.path for file in client.list_artifacts(run_id)}:
        return None
    return _resolved(yaml.safe_load(artifact(client, run_id, CONFIG_FILE)))


def _resolved(settings: Mapping[str, object]) -> Configuration | None:
    """None where this version knows no such configuration."""
    try:
        return resolved(settings)
    except ValidationError:
        return None


def written(config: Configuration) -> str:
    """The complete configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def encode(paths: frozenset[str]) -> str:
    """The paths as the study run keeps them."""
    return json.dumps(sorted(paths))


def decode(text: str | None) -> frozenset[str]:
    """The paths that the study run keeps; none of a study that is older than they are."""
    return frozenset(json.loads(text)) if text else frozenset()
