"""Runs: train, choose the epoch on dev, read test once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model import evaluation, precision
from model.batch import Batch, Conversations
from model.coefficients import Coefficients
from model.config import RunConfig
from model.data import DEV, TEST, TRAIN, Dataset
from model.evaluation import Prediction
from model.losses import InfoNCE
from model.monitor import Metrics
from model.network import Joyful
from model.networks import Networks
from model.objective import Objective
from model.seeding import INIT, ORDER, STEP, generator, reseed
from model.total import Total


@dataclass
class Fit:
    """What a run yields.

    Attributes:
        history: metrics of each epoch.
        best_epoch: epoch chosen on dev, counted from 0; None if the first epoch diverged.
        diverged: whether a loss on train or dev became NaN or infinite, which ended the run.
        test: predictions on test at the best epoch; None if the run diverged.
    """

    history: list[Metrics] = field(default_factory=list)
    best_epoch: int | None = None
    diverged: bool = False
    test: Prediction | None = None


class Trainer:
    """Configurations that differ only inside the loss, one seed, one device: trained as one batched computation.

    The P cells share the batches and all random numbers; each has its own parameters, statistics, gradient clipping,
    chosen epoch, and end if it diverges. What a cell yields does not depend on the others. A single cell is trained
    without the batching.

    Attributes:
        fits: what has come of each cell so far.
    """

    def __init__(self, configs: Sequence[RunConfig], dataset: Dataset, seed: int, device: torch.device) -> None:
        """Build networks, objective and optimiser.

        Args:
            configs: of the cells; ``pack_key`` says which may be together.
            dataset: standardised.
            seed: of initial weights, order, dropout and views.
            device: where to train.
        """
        self.configs, self.seed = tuple(configs), seed
        # What all share of their configurations is in each.
        self.config, self.cells = configs[0], len(configs)
        training = self.config.training
        self.data = Conversations.of(dataset, device, precision.dtype(training.precision))
        self.splits = [dataset.dialogues(split) for split in (TRAIN, DEV, TEST)]
        self.label_names = dataset.label_names
        losses, modalities = [config.loss for config in configs], tuple(dataset.features)
        gated = self.config.model.fusion.gated
        count = torch.as_tensor(dataset.count(TRAIN)).to(self.data.features)
        self.numbers = Coefficients.stacked([Coefficients.of(loss, count, modalities) for loss in losses])
        self.objective = Objective.of(losses, modalities, gated)
        reseed(seed, INIT)
        network = Joyful(self.data.widths, self.data.speakers, self.data.classes, self.config.model)
        self.networks = Networks(network.to(self.data.features), self.cells)
        base = count.new_tensor([list(loss.weights(gated).values()) for loss in losses])
        parts = self.networks.parts()
        self.total = Total(losses, self.objective.names, base, parts, training.monitor_every)
        self.optimiser: torch.optim.Optimizer = getattr(torch.optim, training.optimiser.name)(
            [parameter for part in parts.values() for parameter in part],
            lr=training.learning_rate,
            fused=True,
            **training.optimiser.settings(),
        )
        self.steps = -(-len(self.splits[TRAIN]) // training.batch_size)
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
        with precision.products(self.config.training.precision):
            while self.epoch < self.config.training.epochs and self._alive():
                if before_epoch:
                    before_epoch()
                self._train(self.epoch, self._alive(), on_epoch)
            finished = self._alive()
            if finished:
                self.networks.restore()
                for cell, prediction in zip(finished, self.predict(TEST, finished), strict=True):
                    self.fits[cell].test = prediction
            return self.fits

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
        if not np.isfinite([value for name, value in metrics.items() if "/loss/" in name]).all():
            fit.diverged = True
            return
        select = f"dev/{self.config.training.select}"
        if fit.best_epoch is None or metrics[select] > fit.history[fit.best_epoch][select]:
            fit.best_epoch = len(fit.history) - 1

    def _epoch(self, epoch: int, alive: Sequence[int]) -> dict[int, Metrics]:
        training = self.config.training
        self.networks.train()
        order = generator(self.seed, ORDER, epoch).permutation(self.splits[TRAIN])
        for step, batch in enumerate(self.data.batches(order, training.batch_size, self.config.model.graph)):
            self._step(batch, epoch, step)
        seen = self.total.end_epoch(self.optimiser.param_groups[0]["lr"])
        return {
            cell: {
                **seen[cell],
                **{f"dev/loss/{term}": value for term, value in dev.terms.items()},
                **{f"dev/{name}": value for name, value in evaluation.metrics(dev, self.label_names).items()},
            }
            for cell, dev in zip(alive, self.predict(DEV, alive), strict=True)
        }

    def _step(self, batch: Batch, epoch: int, step: int) -> None:
        reseed(self.seed, STEP, epoch, step)
        training = self.config.training
        factor = training.schedule.factor(epoch * self.steps + step, training.epochs * self.steps)
        self.optimiser.param_groups[0]["lr"] = training.learning_rate * factor
        self.optimiser.zero_grad(set_to_none=True)
        terms, _ = self.forward(batch, self.objective.views)
        total = self.total(terms, len(batch.label), self.seed, (epoch, step))
        torch.autograd.backward(total.sum())
        self.total.monitor.clipped(self.networks.clip(training.gradient_clip))
        self.optimiser.step()

    def forward(self, batch: Batch, views: InfoNCE | None) -> tuple[list[Tensor], Tensor]:
        """K raw terms (P,) and logits (P, N, C), in the precision of the data."""
        with precision.autocast(self.config.training.precision, batch.features.device):
            terms, logits = self.networks(batch, self.objective, self.numbers, views)
        return [term.to(batch.features) for term in terms], logits.to(batch.features)

    @torch.no_grad()
    def predict(self, split: int, cells: Sequence[int]) -> list[Prediction]:
        """Predictions of some cells on a split, in evaluation mode; utterances are in data order."""
        self.networks.eval()
        label, logits, terms = [], [], []
        for batch in self.data.batches(self.splits[split], self.config.training.batch_size, self.config.model.graph):
            values, output = self.forward(batch, None)
            label.append(batch.label)
            logits.append(output)
            terms.append(torch.stack(list(values), 1) * len(batch.label))
        mean = (torch.stack(terms).sum(0) / sum(map(len, label))).tolist()
        score, labels = torch.cat(logits, 1), torch.cat(label).cpu().numpy()
        probability = (score.sigmoid() if self.objective.multi_label else score.softmax(-1)).cpu().numpy()
        return [
            Prediction(
                label=labels,
                probability=probability[cell],
                terms={k: x for k, x in zip(self.objective.names, mean[cell], strict=True) if k != "contrastive"},
            )
            for cell in cells
        ]


def train(
    config: RunConfig,
    dataset: Dataset,
    seed: int,
    device: torch.device,
    on_epoch: Callable[[int, Metrics], object] | None = None,
) -> Fit:
    """A single run; see ``Trainer``."""
    return Trainer([config], dataset, seed, device).fit(on_epoch)[0]
