"""A user's task is tried on two batches before anything starts: its mistakes are messages and not failed runs."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ablations.record import Plan, metric_name
from ablations.study import Study
from model.base import DataError
from model.configuration import Configuration
from model.data import DEV, TRAIN
from model.task import Data
from model.training import Trainer
from model.user_code import UserCodeError, described, guarded
from model.workloads import Index

CPU = torch.device("cpu")
SEED = 0
# Between two runs of one seed in one process there may be the order in which threads add numbers; between a run alone
# and in a pack there are other products of matrices. What keeps a state differs by much more.
AGAIN, PACKED = 1e-5, 1e-2
STATE = (
    "the task or its network keeps a state between runs, or draws from a generator of its own; make that anew in "
    "build, or draw from those of torch, NumPy and random, which are seeded before each step"
)
PACKABLE = "; a task that no pack can train says so: set packable = False"


def rehearse(study: Study, plan: Plan) -> list[str]:
    """Train each network of a study of a task for the first and the smallest batch of an epoch, and evaluate it once.

    The first one is trained twice, and where packs are allowed alone and in a pack: what differs keeps a state between
    runs, or draws from a generator that nobody seeds.

    Args:
        study: the resolved matrix.
        plan: of it, with the digests of the data.

    Returns:
        What may be a mistake, for people.

    Raises:
        DataError: something raises, or is not as the task declares it.
    """
    digests = {planned.cell_id: planned.data_digest for planned in plan.cells}
    tried: dict[str, tuple[Configuration, str]] = {}
    for cell in study.cells:
        tried.setdefault(cell.config.model.model_dump_json(), (cell.config, digests.get(cell.cell_id, "")))
    notes: dict[str, None] = {}
    for number, (config, digest) in enumerate(tried.values()):
        data, what = config.source.load(), f"task: {config.task}"
        try:
            with guarded(what):
                notes |= dict.fromkeys(_rehearsed(config, data, digest, thorough=number == 0))
        except UserCodeError as error:
            raise DataError(str(error)) from error
        except DataError as error:
            raise DataError(f"{what}: {error}") from error
        except Exception as error:  # whatever the user's code raises
            advice = PACKABLE if "vmap" in str(error) or "functorch" in described(error) else ""
            raise DataError(f"{what} raises {described(error, advice)}") from error
    return list(notes)


def _rehearsed(config: Configuration, data: Data, digest: str, thorough: bool) -> Iterator[str]:
    if digest and data.digest != digest:
        raise DataError(
            f"load gives other data each time, so no run can be repeated: digests {digest} and {data.digest}; "
            f"draw from a generator with a fixed seed."
        )
    packable = config.model.packable
    first = _Rehearsal(config, data, 2 if packable else 1)
    first.train()
    yield from first.evaluate()
    if not thorough:
        return
    again = _Rehearsal(config, data, first.cells)
    again.train()
    _compare(first, again, AGAIN, f"twice with one seed in one process: {STATE}")
    if packable:
        alone = _Rehearsal(config, data, 1)
        alone.train()
        _compare(first, alone, PACKED, "alone and in a pack" + PACKABLE)


class _Rehearsal:
    """A run, or a pack of the same run several times, that trains on two batches."""

    def __init__(self, config: Configuration, data: Data, cells: int) -> None:
        self.config, self.cells = config, cells
        self.trainer = Trainer([config] * cells, data, SEED, CPU)
        self.terms: list[Tensor] = []

    def train(self) -> None:
        """Two steps.

        Raises:
                DataError: a batch fails, or its terms are not as they must be.
        """
        trainer = self.trainer
        frozen = {name: value.clone() for name, value in trainer.networks.shared.items()}
        trainer.networks.train()
        batches = list(trainer.batches(trainer.splits[TRAIN]))
        self._look(batches[0])
        for step, units in enumerate((batches[0], batches[-1])):
            try:
                terms = trainer.step(trainer.workload.batch(units), 0, step)
            except (RuntimeError, ValueError) as error:
                if len(units) == len(batches[0]):
                    raise
                raise DataError(self._last_batch(len(units), error)) from error
            self._require_finite(terms)
            self.terms += [term.detach() for term in terms]
        moved = [name for name, value in frozen.items() if not torch.equal(value, trainer.networks.shared[name])]
        if moved:
            raise DataError(f"training changes {moved[0]}, which needs no gradient and which a pack shares{PACKABLE}.")

    def _look(self, units: Index) -> None:
        """Whether terms and outputs have the right shape."""
        terms, output = self.trainer.forward(self.trainer.workload.batch(units), training=True)
        for name, term in zip(self.trainer.workload.names, terms, strict=True):
            if term.shape != (self.cells,):
                raise DataError(f"the term '{name}' has shape {tuple(term.shape[1:])}, not that of a scalar.")
        self._require_finite(terms)
        if not any(term.requires_grad for term in terms):
            raise DataError("no term depends on a parameter of the network.")
        if output.shape[:2] != (self.cells, len(units)):
            raise DataError(f"losses gives outputs for {tuple(output.shape[1:2])} examples of {len(units)}.")

    def _require_finite(self, terms: Sequence[Tensor]) -> None:
        for name, term in zip(self.trainer.workload.names, terms, strict=True):
            if not term.isfinite().all():
                raise DataError(f"the term '{name}' is {term[0].item()} within the first two steps.")

    def _last_batch(self, size: int, error: Exception) -> str:
        examples, batch = len(self.trainer.splits[TRAIN]), self.config.training.batch_size
        what = "1 example" if size == 1 else f"{size} examples"
        return (
            f"the last batch of an epoch, {what} of {examples} in batches of {batch}, raises {type(error).__name__}: "
            f"{error}; set training.drop_last: true, or another training.batch_size."
        )

    def evaluate(self) -> Iterator[str]:
        """What is strange about the metrics on dev.

        Raises:
            DataError: the outputs are not those of the examples, or a declared metric is missing.
        """
        declared, units = self.config.model.metrics, self.trainer.splits[DEV]
        metrics: dict[str, Any] = dict(self.trainer.predict(DEV, [0])[0].evaluation.metrics)
        missing = [name for name in declared if name not in metrics]
        if missing:
            raise DataError(
                f"evaluate gives {', '.join(metrics)}; the declared {', '.join(missing)} is not among them."
            )
        if len({metric_name(name) for name in metrics}) < len(metrics):
            raise DataError(f"the names of the metrics {', '.join(metrics)} are not distinct as those of MLflow.")
        lost = [f"{name} is {metrics[name]}" for name in declared if not math.isfinite(metrics[name])]
        if lost:
            yield (
                f"on the {len(units)} examples of dev {', '.join(lost)} after two steps; a metric that is not finite "
                f"counts as missing, and a run without a finite {self.config.training.select} as diverged"
            )


def _compare(one: _Rehearsal, other: _Rehearsal, tolerance: float, how: str) -> None:
    names = list(one.trainer.workload.names) * 2
    for name, a, b in zip(names, one.terms, other.terms, strict=True):
        if not torch.allclose(a[0], b[0], rtol=tolerance, atol=tolerance * 1e-3):
            raise DataError(
                f"the term '{name}' is {a[0].item():.7g} and {b[0].item():.7g} when a run is trained {how}."
            )
