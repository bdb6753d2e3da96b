"""The cells of ``ablations/loss.yaml``, made without the reader of matrices, which needs more than torch."""

import itertools
from typing import Any

from model.config import RunConfig


def loss_cells(**training: Any) -> list[RunConfig]:
    """In the order of the study; ``training`` differs from the defaults."""
    weights = (0.01, 0.03, 0.05, 0.1), (0.1, 0.2, 0.3, 0.5)
    kinds = ("mse", "smooth_l1"), ("nll", "focal")
    return [
        RunConfig.model_validate(
            {
                "loss": {
                    "encoder_weight": encoder,
                    "contrastive": {"kind": "infonce", "weight": contrastive},
                    "reconstruction": {"kind": reconstruction},
                    "classification": {"kind": classification},
                },
                "training": training,
            }
        )
        for encoder, contrastive, reconstruction, classification in itertools.product(*weights, *kinds)
    ]
