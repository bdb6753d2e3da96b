"""What a study should hold, what of it is missing, and in which packs that is run."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from ablations.cell import Cell
from ablations.record import Plan, PlannedCell, metric_name
from ablations.study import Study
from model.base import DataError
from model.configuration import Configuration
from model.data.file import DataFile
from model.task_code import shipped
from runners.provenance import code_digest

SHUFFLE = 20231206
MOST_ON_CORE, MOST_ON_GPU = 16, 64


@dataclass(frozen=True)
class RunSpec:
    """One run: a configuration and a seed, and who it is; ``point`` is that of the cell.

    With ``save_model`` its network is kept.
    """

    run_key: str
    cell_id: str
    name: str
    config: Configuration
    seed: int
    data_digest: str
    point: str = ""
    save_model: bool = False


@dataclass(frozen=True)
class Pack:
    """Runs that are trained together in one process; what the executors schedule."""

    runs: tuple[RunSpec, ...]

    def run(self, run_key: str) -> RunSpec:
        """The run with a key."""
        return next(run for run in self.runs if run.run_key == run_key)


def make_plan(study: Study) -> Plan:
    """The study as it should be.

    Loads every data set once, so that a bad file, or a setting that does not fit the data, is found before
    anything starts.

    Raises:
        DataError: a data file is missing or breaks a rule.
    """
    search = {"search.metric": study.matrix.search.metric} if study.matrix.search else {}
    metrics = {"metric.name": study.matrix.metric.name, **search}
    datasets = {source: source.load() for source in {cell.config.source for cell in study.cells}}
    for cell in (*study.cells, *(study.search.corners() if study.search else ())):
        data = datasets[cell.config.source]
        cell.config.check(data, metrics)
        _check_names(data.name, cell.config.label_names(data))
    digests = {source: data.digest for source, data in datasets.items()}
    return Plan(
        study=study.matrix.study,
        metric=study.matrix.metric.metric(),
        baseline=study.baseline.cell_id,
        factors=study.factors(),
        cells=tuple(planned(cell, digests[cell.config.source]) for cell in study.cells),
        seeds=study.seeds,
        code_digest=code_digest(study.matrix.task),
        stopping=study.matrix.stopping(),
    )


@dataclass(frozen=True)
class Inputs:
    """What a cluster needs of this machine, besides the project itself.

    Attributes:
        files: by digest the data sets that are files.
        code: that of the user's task: packages, and modules that are in none.
    """

    files: Mapping[str, DataFile] = field(default_factory=dict)
    code: tuple[Path, ...] = ()


def inputs(study: Study, plan: Plan) -> Inputs:
    """Of a study."""
    digests = {cell.cell_id: cell.data_digest for cell in plan.cells}
    data = {digests[cell.cell_id]: cell.config.source for cell in study.cells}
    files = {key: file for key, file in data.items() if isinstance(file, DataFile)}
    return Inputs(files, shipped(study.matrix.task) if study.matrix.task else ())


def _check_names(data: str, names: Sequence[str]) -> None:
    if len({metric_name(name) for name in names}) < len(names):
        raise DataError(
            f"{data}: 'label_names' {names} are not distinct as names of metrics, which have "
            f"letters, digits, space and _ - . : alone; rename them."
        )


def planned(cell: Cell, data_digest: str) -> PlannedCell:
    """A cell as the plan keeps it."""
    return PlannedCell(cell.cell_id, cell.name, cell.levels, cell.config.identity(), data_digest)


def missing_runs(study: Study, plan: Plan, done: Collection[str]) -> list[RunSpec]:
    """Runs of the plan that the store does not have, in the order in which they are to be run.

    Seed by seed, so that an interrupted study is a complete smaller study; within a seed the cells are in an order
    drawn by a fixed seed, so that what is done at any time is a fair sample of the cells.
    """
    rng = np.random.default_rng(SHUFFLE)
    runs = []
    for seed in plan.seeds:
        for i in rng.permutation(len(plan.cells)):
            if plan.run_key(plan.cells[i], seed) not in done:
                runs.append(run_spec(plan, study.cells[i], plan.cells[i], seed))
    return runs


def run_spec(plan: Plan, cell: Cell, entry: PlannedCell, seed: int) -> RunSpec:
    """A run of a cell; ``entry`` is the cell as the plan keeps it."""
    key, name = plan.run_key(entry, seed), f"{cell.name} s{seed}"
    return RunSpec(key, entry.cell_id, name, cell.config, seed, entry.data_digest, cell.point)


@dataclass(frozen=True)
class Slots:
    """Room for packs: ``jobs`` of them at once, each on a GPU or a core, and with at most ``largest`` runs.

    ``largest`` is None for as many as are worth it; ``share`` is that of a GPU which a pack gets.
    """

    jobs: int
    gpu: bool = False
    largest: int | None = None
    share: float = 1.0

    def most(self, run: RunSpec, runs: int) -> int:
        """Runs of a pack like that of a run, of a study that has so many to run; every job should have two packs.

        On a core, packs save what a step costs whatever its size: 1.8 x at 90 utterances a step, 1.3 x with ten times
        the parameters, but 0.8 x at 320 utterances; all of it is there at 16 runs. On a GPU the kernels of one small
        run leave most of it idle.
        """
        if self.largest:
            return self.largest
        if not self.gpu and not run.config.small_steps():
            return 1
        return max(1, min(MOST_ON_GPU if self.gpu else MOST_ON_CORE, runs // (2 * self.jobs)))


def make_packs(
    runs: Sequence[RunSpec],
    slots: Slots,
    begun: Iterable[Sequence[str]] = (),
    ended: Mapping[str, RunSpec] | None = None,
) -> list[Pack]:
    """Runs of one seed that may be trained together, in packs of about the same size; else the order is kept.

    What the memory of a device has room for is known there alone: a trial divides a pack that is too large for it.

    Args:
        runs: in the order in which they are to be run.
        slots: where they are to be run.
        begun: keys of runs that were to be trained together: they are in the same packs again, and first.
        ended: of these the runs that are not to be run any more, by key: they are trained once more with what is left
            of their pack, for its sake.
    """
    waiting, ended = {run.run_key: run for run in runs}, ended or {}
    packs = []
    for keys in begun:
        left = waiting.keys() & set(keys)
        if left and left | ended.keys() >= set(keys) and len(keys) <= (slots.largest or len(keys)):
            packs.append(Pack(tuple(waiting.pop(key) if key in waiting else ended[key] for key in keys)))
    together: dict[tuple[int, str], list[RunSpec]] = {}
    for run in waiting.values():
        together.setdefault((run.seed, run.config.pack_key()), []).append(run)
    for group in together.values():
        count = -(-len(group) // slots.most(group[0], len(runs)))
        ends = [len(group) * i // count for i in range(count + 1)]
        packs += [Pack(tuple(group[first:last])) for first, last in pairwise(ends)]
    return packs
