"""A classifier of handwritten digits that also reconstructs them and pulls together what shows the same digit."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from sklearn.datasets import load_digits
from torch import Tensor, nn

from model.evaluation import Evaluation, classification
from model.task import Coefficient, Data, Task

DIGITS = tuple("0123456789")


class Digits(Task):
    """Settings, as ``model.hidden`` in a matrix; the terms have their weights as ``loss.weight.reconstruction``."""

    terms: ClassVar[Mapping[str, float]] = {"classification": 1.0, "reconstruction": 0.5, "contrastive": 0.1}
    hidden: PositiveInt = 32
    dropout: NonNegativeFloat = 0.2
    train: PositiveInt = 300
    temperature: Annotated[PositiveFloat, Coefficient] = 0.2

    def load(self) -> Data:
        """8 x 8 grey values in 0..1: ``train`` of them to train on, 300 for dev, the rest for test."""
        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(labels))
        rows = np.split(order[: self.train + 300 + 600], [self.train, self.train + 300])
        train, dev, test = ({"image": images[part].astype(np.float32) / 16, "label": labels[part]} for part in rows)
        return Data(train, dev, test, name="digits")

    def build(self, data: Data) -> nn.Module:
        """An encoder with two heads."""
        return Network(data.train["image"].shape[1], self.hidden, self.dropout)

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        """Cross-entropy, mean squared error, and a supervised contrast (Khosla et al., NeurIPS 2020, equation 2)."""
        image, label = batch["image"], batch["label"]
        code, logits, image_again = network(image)
        unit = F.normalize(code, dim=-1)
        itself = torch.eye(len(label), dtype=torch.bool, device=label.device)
        similar = (unit @ unit.T / self.temperature).masked_fill(itself, -1e9)
        same = ((label[:, None] == label) & ~itself).to(unit.dtype)
        per_anchor = (similar.log_softmax(-1) * same).sum(-1) / same.sum(-1).clamp(min=1)
        terms = {
            "classification": F.cross_entropy(logits, label),
            "reconstruction": F.mse_loss(image_again, image),
            "contrastive": -per_anchor.mean(),
        }
        return terms, logits

    def evaluate(self, output: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
        """F1 and accuracy of the logits."""
        return classification(output, arrays["label"], DIGITS)


class Network(nn.Module):
    """Image (N, D) to code (N, H), logits (N, 10) and image again (N, D)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.classifier = nn.Linear(hidden, len(DIGITS))
        self.decoder = nn.Linear(hidden, width)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As above."""
        code = self.encoder(image)
        return code, self.classifier(code), self.decoder(code)
