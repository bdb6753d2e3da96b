"""One run: train, choose the epoch on dev, read test once."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from model import evaluation
from model.batch import Batch, Conversations
from model.config import RunConfig
from model.data import DEV, TEST, TRAIN, Dataset
from model.evaluation import Prediction
from model.monitor import Metrics
from model.network import Joyful
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
    """One configuration, one seed, one device."""

    def __init__(self, config: RunConfig, dataset: Dataset, seed: int, device: torch.device) -> None:
        """Build network, objective and optimiser; ``dataset`` is standardised."""
        self.config, self.seed = config, seed
        self.data = Conversations.of(dataset, device)
        self.splits = [dataset.dialogues(split) for split in (TRAIN, DEV, TEST)]
        self.label_names = dataset.label_names
        reseed(seed, INIT)
        self.network = Joyful(self.data.widths, self.data.speakers, self.data.classes, config.model).to(device)
        count = torch.as_tensor(dataset.count(TRAIN), dtype=torch.float32).to(device)
        self.objective = Objective.of(config.loss, count, tuple(dataset.features), config.model.fusion.gated)
        self.total = Total(self.objective, self.network, config.training.monitor_every)
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
        for step, batch in enumerate(self.data.batches(order, training.batch_size, self.config.model.graph)):
            self._step(batch, epoch, step)
        dev = self.predict(DEV)
        return {
            **self.total.end_epoch(self.optimiser.param_groups[0]["lr"]),
            **{f"dev/loss/{term}": value for term, value in dev.terms.items()},
            **{f"dev/{name}": value for name, value in evaluation.metrics(dev, self.label_names).items()},
        }

    def _step(self, batch: Batch, epoch: int, step: int) -> None:
        reseed(self.seed, STEP, epoch, step)
        self.optimiser.zero_grad(set_to_none=True)
        contrastive = self.config.loss.contrastive
        views = contrastive if contrastive.kind == "infonce" and contrastive.weight else None
        terms = self.objective.terms(self.network(batch, views), batch.label)
        torch.autograd.backward(self.total(terms, len(batch.label), self.seed, (epoch, step)))
        length = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.training.gradient_clip)
        self.total.monitor.clipped(length)
        self.optimiser.step()

    @torch.no_grad()
    def predict(self, split: int) -> Prediction:
        """Predictions on a split, in evaluation mode; utterances are in data order."""
        self.network.eval()
        label, logits, terms = [], [], []
        for batch in self.data.batches(self.splits[split], self.config.training.batch_size, self.config.model.graph):
            output = self.network(batch)
            label.append(batch.label)
            logits.append(output.logits)
            terms.append(torch.stack(self.objective.terms(output, batch.label)) * len(batch.label))
        mean = torch.stack(terms).sum(0) / sum(map(len, label))
        score = torch.cat(logits)
        probability = score.sigmoid() if self.config.loss.classification.multi_label else score.softmax(-1)
        return Prediction(
            label=torch.cat(label).cpu().numpy(),
            probability=probability.cpu().numpy(),
            terms={term: float(x) for term, x in zip(self.objective.names, mean, strict=True) if term != "contrastive"},
        )
