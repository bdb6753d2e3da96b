"""One run: train, choose the epoch on dev, read test once."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model import evaluation
from model.batch import Batch, Conversations
from model.config import RunConfig
from model.data import DEV, TEST, TRAIN, Dataset
from model.network import Joyful
from model.objective import Objective
from model.seeding import INIT, ORDER, STEP, generator, reseed

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Prediction:
    """A split as the network sees it: ``label`` (N,), ``probability`` (N, C) and the mean raw term values."""

    label: NDArray[np.int64]
    probability: NDArray[np.float32]
    terms: Metrics

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) most probable classes."""
        return np.asarray(self.probability.argmax(1))


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
    """One configuration, one seed, one device."""

    def __init__(self, config: RunConfig, dataset: Dataset, seed: int, device: torch.device) -> None:
        """Build network, objective and optimiser; ``dataset`` is standardised."""
        self.config, self.seed = config, seed
        self.data = Conversations.of(dataset, device)
        self.splits = [dataset.dialogues(split) for split in (TRAIN, DEV, TEST)]
        self.label_names = dataset.label_names
        reseed(seed, INIT)
        self.network = Joyful(self.data.widths, self.data.speakers, self.data.classes, config.model).to(device)
        count = np.bincount(dataset.label[dataset.split == TRAIN], minlength=self.data.classes)
        self.objective = Objective.of(
            config.loss, torch.as_tensor(count, dtype=torch.float32).to(device), config.model.fusion.gated
        )
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.training.learning_rate,
            weight_decay=config.training.weight_decay,
            fused=True,
        )

    def fit(self, on_epoch: Callable[[Metrics], object] | None = None) -> Fit:
        """Train all epochs and evaluate test at the one that was best on dev (the earliest of equals).

        Args:
            on_epoch: called after each epoch with its metrics.
        """
        fit, best = Fit(), {}
        for epoch in range(self.config.training.epochs):
            metrics = self._epoch(epoch)
            fit.history.append(metrics)
            if on_epoch:
                on_epoch(metrics)
            if not np.isfinite([value for name, value in metrics.items() if "/loss/" in name]).all():
                fit.diverged = True
                return fit
            if self._improves(fit, metrics):
                fit.best_epoch = epoch
                best = copy.deepcopy(self.network.state_dict())
        self.network.load_state_dict(best)
        fit.test = self.predict(TEST)
        return fit

    def _improves(self, fit: Fit, metrics: Metrics) -> bool:
        select = f"dev/{self.config.training.select}"
        return fit.best_epoch is None or metrics[select] > fit.history[fit.best_epoch][select]

    def _epoch(self, epoch: int) -> Metrics:
        training = self.config.training
        self.network.train()
        order = generator(self.seed, ORDER, epoch).permutation(self.splits[TRAIN])
        total, seen = torch.zeros(len(self.objective.names), device=self.objective.weight.device), 0
        for step, batch in enumerate(self.data.batches(order, training.batch_size, self.config.model.graph)):
            reseed(self.seed, STEP, epoch, step)
            total += self._step(batch) * len(batch.label)
            seen += len(batch.label)
        dev = self.predict(DEV)
        scores = evaluation.metrics(dev.label, dev.predicted, self.label_names)
        return {
            **self._breakdown(total / seen),
            **{f"dev/loss/{term}": value for term, value in dev.terms.items()},
            **{f"dev/{name}": value for name, value in scores.items()},
        }

    def _step(self, batch: Batch) -> Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        contrastive = self.config.loss.contrastive
        terms = self.objective.terms(self.network(batch, contrastive if contrastive.weight else None), batch.label)
        torch.autograd.backward(terms @ self.objective.weight)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.training.gradient_clip)
        self.optimiser.step()
        return terms.detach()

    def _breakdown(self, terms: Tensor) -> Metrics:
        raw = terms.double()
        weighted = raw * self.objective.weight.double()
        total = weighted.sum()
        columns = {"loss": raw, "weighted": weighted, "share": weighted / total}
        names = self.objective.names
        split = {
            f"train/{key}/{term}": float(x) for key, xs in columns.items() for term, x in zip(names, xs, strict=True)
        }
        return {"train/loss/total": float(total), **split}

    @torch.no_grad()
    def predict(self, split: int) -> Prediction:
        """Predictions on a split, in evaluation mode; utterances are in data order."""
        self.network.eval()
        label, probability, terms = [], [], []
        for batch in self.data.batches(self.splits[split], self.config.training.batch_size, self.config.model.graph):
            output = self.network(batch)
            label.append(batch.label)
            probability.append(output.log_prob.exp())
            terms.append(self.objective.terms(output, batch.label) * len(batch.label))
        mean = torch.stack(terms).sum(0) / sum(map(len, label))
        return Prediction(
            label=torch.cat(label).cpu().numpy(),
            probability=torch.cat(probability).cpu().numpy(),
            terms={term: float(x) for term, x in zip(self.objective.names, mean, strict=True) if term != "contrastive"},
        )
