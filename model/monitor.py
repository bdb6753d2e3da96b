"""What is seen of the loss during an epoch."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from model.gradients import Gradients

Metrics = Mapping[str, float]
TINY = 1e-300


class Monitor:
    """Means over the utterances of an epoch; of gradients, over the steps at which they were measured.

    For each term: ``loss`` raw, ``normalised`` where that differs, ``weight`` and ``weighted``, whose sum is
    ``loss/total``; ``share`` of the sum of absolute weighted terms; ``gradient``, the length of the weighted term's
    gradient, in all and by module; ``cosine`` between the gradients of two terms, where they share parameters. Also the
    length of the whole gradient before it is clipped, and the learning rate. Terms of weight 0 have no gradient.
    """

    def __init__(self, names: Sequence[str], on: Sequence[int], modules: Sequence[str], normalised: bool) -> None:
        """Start the first epoch.

        Args:
            names: of the K terms.
            on: indices of those with a weight.
            modules: names of the M modules.
            normalised: whether the terms are.
        """
        self.names, self.on, self.modules, self.normalised = names, [names[i] for i in on], modules, normalised
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
            raw: (K,) terms.
            normalised: (K,) terms.
            weight: (K,) their weights.
        """
        self.sums = self.sums + size * torch.stack([raw, normalised, weight, normalised * weight]).double()
        self.seen += size

    def clipped(self, length: Tensor) -> None:
        """Note the length that the whole gradient of a step had before it was clipped."""
        self.length = self.length + length
        self.steps += 1

    def gradients(self, weight: Tensor, gradients: Gradients) -> None:
        """Note a measurement of the terms that are on; ``weight`` are theirs."""
        self.measured.append((weight, gradients))

    def terms(self) -> Tensor:
        """(K,) means of the normalised terms in this epoch."""
        assert isinstance(self.sums, Tensor)
        return self.sums[1] / self.seen

    def metrics(self, learning_rate: float) -> Metrics:
        """Metrics of the epoch, which ends."""
        assert isinstance(self.sums, Tensor)
        raw, normalised, weight, weighted = self.sums / self.seen
        absolute = weighted.abs()
        columns = {
            "loss": raw,
            "weight": weight,
            "weighted": weighted,
            "share": absolute / absolute.sum().clamp(min=TINY),
        }
        columns |= {"normalised": normalised} if self.normalised else {}
        result = {
            "train/loss/total": float(weighted.sum()),
            "train/gradient/total": float(self.length / self.steps),
            "train/learning_rate": learning_rate,
            **{
                f"train/{key}/{name}": value
                for key, values in columns.items()
                for name, value in zip(self.names, values.tolist(), strict=True)
            },
            **self._gradients(),
        }
        self._begin()
        return result

    def _gradients(self) -> Metrics:
        if not self.measured:
            return {}
        norm = torch.stack([weight.abs()[:, None] * seen.norm for weight, seen in self.measured])
        cosine = torch.stack([seen.cosine for _, seen in self.measured]).mean(0).tolist()
        reach, meet = (x.tolist() for x in (self.measured[0][1].reach, self.measured[0][1].meet))
        whole, parts = norm.square().sum(2).sqrt().mean(0).tolist(), norm.mean(0).tolist()
        result = {}
        for i, name in enumerate(self.on):
            result[f"train/gradient/{name}"] = whole[i]
            for j, module in enumerate(self.modules):
                if reach[i][j]:
                    result[f"train/gradient/{name}/{module}"] = parts[i][j]
            for j in range(i):
                if meet[i][j]:
                    result[f"train/cosine/{self.on[j]}/{name}"] = cosine[i][j]
        return result
