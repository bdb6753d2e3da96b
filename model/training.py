"""Runs: train, choose the epoch on dev, read test once."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from model import precision
from model.base import DataError
from model.configuration import Configuration, Loaded
from model.data import DEV, TEST, TRAIN
from model.evaluation import Evaluation, Prediction
from model.monitor import Metrics
from model.networks import Networks
from model.seeding import EVALUATION, INIT, ORDER, STEP, generator, reseed
from model.total import Total
from model.workloads import Index, workload

# On a CPU a batch of the evaluation has as many training batches: nothing is kept for a backward pass. Eight take half
# the time of one; more gain little.
EVALUATION_BATCH = 8


@dataclass(frozen=True)
class Result:
    """How a cell does on a split: the evaluation, and its mean raw terms."""

    evaluation: Evaluation
    terms: Metrics


@dataclass
class Fit:
    """What a run yields.

    Attributes:
        history: metrics of each epoch.
        best_epoch: epoch chosen on dev, counted from 0, among those whose score is finite; None without one.
        diverged: why the run has no result; empty if it has one. A loss on train or dev became NaN or infinite, which
            ended the run, or there is no epoch to choose, or its score on test is not finite.
        scores: metrics on test at the best epoch; empty if the run diverged.
        test: predictions there; None if the run diverged, or does not classify.
    """

    history: list[Metrics] = field(default_factory=list)
    best_epoch: int | None = None
    diverged: str = ""
    scores: Metrics = field(default_factory=dict)
    test: Prediction | None = None


class Trainer:
    """Configurations that differ only inside the loss, one seed, one device: trained as one batched computation.

    The P cells share the batches and all random numbers; each has its own parameters, statistics, gradient clipping,
    chosen epoch, and end if it diverges. What a cell yields does not depend on the others. A single cell is trained
    without the batching.

    Attributes:
        splits: units of train, dev and test.
        fits: what has come of each cell so far.
    """

    def __init__(self, configs: Sequence[Configuration], data: Loaded, seed: int, device: torch.device) -> None:
        """Build networks, objective and optimiser.

        Args:
            configs: of the cells; ``pack_key`` says which may be together.
            data: of all of them, prepared.
            seed: of initial weights, order, dropout and views.
            device: where to train.

        Raises:
            DataError: no parameter of the network is trained.
        """
        self.configs, self.seed, self.device = tuple(configs), seed, device
        # What all share of their configurations is in each.
        self.training, self.cells = configs[0].training, len(configs)
        reseed(seed, INIT)
        self.workload = workload(configs, data, device)
        self.networks = Networks(self.workload)
        parts = self.networks.parts()
        if not parts:
            raise DataError("nothing is trained: every parameter of the network is frozen (requires_grad is False).")
        losses = [config.loss for config in configs]
        self.total = Total(losses, self.workload.names, self.workload.weights, parts, self.training.monitor_every)
        self.optimiser: torch.optim.Optimizer = getattr(torch.optim, self.training.optimiser.name)(
            [parameter for part in parts.values() for parameter in part],
            lr=self.training.learning_rate,
            fused=True,
            **self.training.optimiser.settings(),
        )
        self.splits = [self.workload.units(split) for split in (TRAIN, DEV, TEST)]
        self.steps = len(list(self.batches(self.splits[TRAIN])))
        self.fits = [Fit() for _ in configs]

    @property
    def epoch(self) -> int:
        """How many epochs have been trained."""
        return max(len(fit.history) for fit in self.fits)

    def state(self) -> dict[str, Any]:
        """All that training has changed, between epochs, as ``torch.save`` keeps it; valid until training goes on.

        With what the trainer was made with, that is all: everything random comes from the seed, the epoch and the step.
        """
        return {
            "networks": self.networks.state,
            "best": self.networks.best,
            "optimiser": self.optimiser.state_dict(),
            "total": self.total.state(),
            "fits": [dict(vars(fit)) for fit in self.fits],
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a trainer that was made with the same; on the same machine, to the same bits.

        Args:
            state: of no other use from then on.
        """
        self.networks.resume(state["networks"], state["best"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.total.resume(state["total"])
        self.fits = [Fit(**fit) for fit in state["fits"]]

    def fit(
        self,
        on_epoch: Callable[[int, Metrics], object] | None = None,
        before_epoch: Callable[[], object] | None = None,
    ) -> list[Fit]:
        """Train all epochs and evaluate test at the one that was best on dev (the earliest of equals).

        Args:
            on_epoch: called after each epoch with a cell and its metrics.
            before_epoch: called before each epoch, when the ``state`` may be taken; what it raises ends the training.

        Returns:
            What came of each cell.
        """
        with precision.products(self.training.precision):
            while self.epoch < self.training.epochs and self._alive():
                if before_epoch:
                    before_epoch()
                self._train(self.epoch, self._alive(), on_epoch)
            for cell in self._alive():
                if self.fits[cell].best_epoch is None:
                    self.fits[cell].diverged = f"{self.training.select} on dev is finite after no epoch"
            self._test()
            return self.fits

    def _test(self) -> None:
        finished, select = self._alive(), self.training.select
        if not finished:
            return
        self.networks.restore()
        for cell, result in zip(finished, self.predict(TEST, finished), strict=True):
            fit, found = self.fits[cell], result.evaluation
            score = found.metrics.get(select, math.nan)
            if math.isfinite(score):
                fit.scores, fit.test = found.metrics, found.prediction
            else:
                fit.diverged = f"{select} on test is {score} at the chosen epoch"

    def _alive(self) -> list[int]:
        return [cell for cell, fit in enumerate(self.fits) if not fit.diverged]

    def _train(self, epoch: int, alive: Sequence[int], on_epoch: Callable[[int, Metrics], object] | None) -> None:
        metrics = self._epoch(epoch, alive)
        for cell in alive:
            self._note(self.fits[cell], metrics[cell])
            if on_epoch:
                on_epoch(cell, metrics[cell])
        self.networks.keep([cell for cell in alive if self.fits[cell].best_epoch == epoch])

    def _note(self, fit: Fit, metrics: Metrics) -> None:
        fit.history.append(metrics)
        lost = [name for name, value in metrics.items() if "/loss/" in name and not math.isfinite(value)]
        if lost:
            fit.diverged = f"{lost[0]} is {metrics[lost[0]]} in epoch {len(fit.history) - 1}"
            return
        select = f"dev/{self.training.select}"
        score = metrics.get(select, math.nan)
        # Nothing is larger than NaN: an epoch with it would stay chosen.
        if math.isfinite(score) and (
            fit.best_epoch is None or self._better(score, fit.history[fit.best_epoch][select])
        ):
            fit.best_epoch = len(fit.history) - 1

    def _better(self, value: float, best: float) -> bool:
        smaller = self.configs[0].metrics()[self.training.select] == "min"
        return value < best if smaller else value > best

    def _epoch(self, epoch: int, alive: Sequence[int]) -> dict[int, Metrics]:
        self.networks.train()
        order = generator(self.seed, ORDER, epoch).permutation(self.splits[TRAIN])
        for step, units in enumerate(self.batches(order)):
            self.step(self.workload.batch(units), epoch, step)
        seen = self.total.end_epoch(self.optimiser.param_groups[0]["lr"])
        return {
            cell: {
                **seen[cell],
                **{f"dev/loss/{term}": value for term, value in dev.terms.items()},
                **{f"dev/{name}": value for name, value in dev.evaluation.metrics.items()},
            }
            for cell, dev in zip(alive, self.predict(DEV, alive), strict=True)
        }

    def batches(self, units: Index) -> Iterator[Index]:
        """The batches of an epoch over units of train, in their order."""
        size = self.training.batch_size
        whole = len(units) - len(units) % size if self.training.drops_last else len(units)
        return self._batches(units[:whole], size)

    @staticmethod
    def _batches(units: Index, size: int) -> Iterator[Index]:
        for first in range(0, len(units), size):
            yield units[first : first + size]

    def step(self, batch: Any, epoch: int, step: int) -> list[Tensor]:
        """Train on a batch, the one of this number in its epoch; returns the K raw terms (P,)."""
        reseed(self.seed, STEP, epoch, step)
        training = self.training
        factor = training.schedule.factor(epoch * self.steps + step, training.epochs * self.steps)
        self.optimiser.param_groups[0]["lr"] = training.learning_rate * factor
        self.optimiser.zero_grad(set_to_none=True)
        terms, _ = self.forward(batch, training=True)
        total = self.total(terms, self.workload.size(batch), self.seed, (epoch, step))
        torch.autograd.backward(total.sum())
        self.total.monitor.clipped(self.networks.clip(training.gradient_clip))
        self.optimiser.step()
        return terms

    def forward(self, batch: Any, training: bool) -> tuple[list[Tensor], Tensor]:
        """K raw terms (P,) and outputs (P, N, ...), in the precision of the data."""
        with precision.autocast(self.training.precision, self.device):
            terms, output = self.networks(batch, training)
        dtype = self.workload.weights.dtype
        return [term.to(dtype) for term in terms], output.to(dtype)

    @torch.no_grad()
    def predict(self, split: int, cells: Sequence[int]) -> list[Result]:
        """How some cells do on a split, in evaluation mode."""
        self.networks.eval()
        # On a CPU the cells take turns: without a backward pass a pack gains nothing, and large tensors miss the cache.
        alone = self.device.type == "cpu"
        size = self.training.batch_size * (EVALUATION_BATCH if alone else 1)
        outputs: list[list[Tensor]] = []
        weighted: list[list[Tensor]] = []
        examples = 0

        for number, units in enumerate(self._batches(self.splits[split], size)):
            batch = self.workload.batch(units)
            if alone:
                results = [self._evaluated(cell, batch, (split, number)) for cell in cells]
            else:
                reseed(self.seed, EVALUATION, split, number)
                terms, output = self.forward(batch, training=False)
                results = [(torch.stack(terms, 1)[cell], output[cell]) for cell in cells]
            count = self.workload.size(batch)
            weighted.append([terms * count for terms, _ in results])
            outputs.append([output for _, output in results])
            examples += count

        return [
            self._result(split, torch.cat(outputs_of_cell), torch.stack(terms_of_cell).sum(0) / examples)
            for outputs_of_cell, terms_of_cell in zip(
                zip(*outputs, strict=True), zip(*weighted, strict=True), strict=True
            )
        ]

    def _evaluated(self, cell: int, batch: Any, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Raw terms (K,) and outputs (N, ...) of one cell, in the precision of the data."""
        reseed(self.seed, EVALUATION, *place)
        with precision.autocast(self.training.precision, self.device):
            terms, output = self.networks.alone(cell, batch)
        dtype = self.workload.weights.dtype
        return torch.stack([term.to(dtype) for term in terms]), output.to(dtype)

    def _result(self, split: int, output: Tensor, terms: Tensor) -> Result:
        named = zip(self.workload.names, terms.tolist(), strict=True)
        reseed(self.seed, EVALUATION, split)
        return Result(
            self.workload.evaluate(self.splits[split], output),
            {name: value for name, value in named if name in self.workload.evaluated},
        )


def train(
    config: Configuration,
    data: Loaded,
    seed: int,
    device: torch.device,
    on_epoch: Callable[[int, Metrics], object] | None = None,
) -> Fit:
    """A single run; see ``Trainer``."""
    return Trainer([config], data, seed, device).fit(on_epoch)[0]
