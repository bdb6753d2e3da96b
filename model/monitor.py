"""What is seen of the loss during an epoch."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from model.gradients import Gradients

Metrics = Mapping[str, float]
TINY = 1e-300


class Monitor:
    """Of P cells: means over the utterances of an epoch; of gradients, over the steps at which they were measured.

    For each term: ``loss`` raw, ``normalised`` where that differs, ``weight`` and ``weighted``, whose sum is
    ``loss/total``; ``share`` of the sum of absolute weighted terms; ``gradient``, the length of the weighted term's
    gradient, in all and by module; ``cosine`` between the gradients of two terms, where they share parameters. Also the
    length of the whole gradient before it is clipped, and the learning rate. Terms of weight 0 have no gradient.
    """

    def __init__(
        self, names: Sequence[str], modules: Sequence[str], on: Sequence[Sequence[int]], normalised: Sequence[bool]
    ) -> None:
        """Start the first epoch.

        Args:
            names: of the K terms.
            modules: names of the M modules.
            on: for each cell, the terms that have a weight.
            normalised: for each cell, whether the terms are.
        """
        self.names, self.modules, self.on, self.normalised = names, modules, on, normalised
        self._begin()

    def _begin(self) -> None:
        self.seen = self.steps = 0
        self.sums: Tensor | float = 0.0
        self.length: Tensor | float = 0.0
        self.measured: list[tuple[Tensor, Gradients]] = []

    def step(self, size: int, raw: Tensor, normalised: Tensor, weight: Tensor) -> None:
        """Note a step.

        Args:
            size: utterances of the batch.
            raw: (P, K) terms.
            normalised: (P, K) terms.
            weight: (P, K) their weights.
        """
        self.sums = self.sums + size * torch.stack([raw, normalised, weight, normalised * weight]).double()
        self.seen += size

    def clipped(self, length: Tensor) -> None:
        """Note the (P,) lengths that the whole gradients of a step had before they were clipped."""
        self.length = self.length + length
        self.steps += 1

    def gradients(self, weight: Tensor, gradients: Gradients) -> None:
        """Note a measurement; ``weight`` (P, K) are those of the step."""
        self.measured.append((weight.clone(), gradients))

    def terms(self) -> Tensor:
        """(P, K) means of the normalised terms in this epoch."""
        assert isinstance(self.sums, Tensor)
        return self.sums[1] / self.seen

    def metrics(self, learning_rate: float) -> list[Metrics]:
        """Metrics of the epoch, which ends, for each cell."""
        assert isinstance(self.sums, Tensor)
        assert isinstance(self.length, Tensor)
        raw, normalised, weight, weighted = self.sums / self.seen
        share = weighted.abs() / weighted.abs().sum(1, keepdim=True).clamp(min=TINY)
        columns = {"loss": raw, "weight": weight, "weighted": weighted, "share": share, "normalised": normalised}
        values = {name: column.tolist() for name, column in columns.items()}
        total, length = weighted.sum(1).tolist(), (self.length / self.steps).tolist()
        gradients = self._gradients()
        result: list[Metrics] = [
            {
                "train/loss/total": total[cell],
                "train/gradient/total": length[cell],
                "train/learning_rate": learning_rate,
                **{
                    f"train/{key}/{name}": value
                    for key, rows in values.items()
                    if key != "normalised" or is_normalised
                    for name, value in zip(self.names, rows[cell], strict=True)
                },
                **gradients[cell],
            }
            for cell, is_normalised in enumerate(self.normalised)
        ]
        self._begin()
        return result

    def _gradients(self) -> list[Metrics]:
        if not self.measured:
            return [{} for _ in self.on]
        # (steps, P, K, M)
        norm = torch.stack([step_weight.abs()[..., None] * seen.norm for step_weight, seen in self.measured])
        cosine = torch.stack([seen.cosine for _, seen in self.measured]).mean(0).tolist()
        whole, parts = norm.square().sum(3).sqrt().mean(0).tolist(), norm.mean(0).tolist()
        first = self.measured[0][1]
        reach, meet = first.reach.tolist(), first.meet.tolist()
        result: list[Metrics] = []
        for cell, on in enumerate(self.on):
            metrics = {f"train/gradient/{self.names[i]}": whole[cell][i] for i in on}
            for i in on:
                for j, module in enumerate(self.modules):
                    if reach[i][j]:
                        metrics[f"train/gradient/{self.names[i]}/{module}"] = parts[cell][i][j]
            for j in on:
                for i in (i for i in on if i > j and meet[i][j]):
                    metrics[f"train/cosine/{self.names[j]}/{self.names[i]}"] = cosine[cell][i][j]
            result.append(metrics)
        return result
