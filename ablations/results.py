"""What a finished run yields besides numbers, as it travels from the worker to the driver. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass

Form = tuple[str, tuple[int, ...]]  # name of the type, and shape of one example


@dataclass(frozen=True, slots=True)
class KeptModel:
    """Weights of the chosen epoch.

    Attributes:
        weights: in the format safetensors.
        inputs: of the network, by name.
        output: of the network.
    """

    weights: bytes
    inputs: Mapping[str, Form]
    output: Form


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions on test. The worker encodes them, because the driver serves many workers.

    Attributes:
        content: the file, as ``ablations.predictions`` describes it.
        label_names: of the C classes or labels.
        multi_label: whether an utterance has any number of labels instead of one class.
        confusion: (C, C) counts, true class by row; with several labels (C, 4) true negatives, false positives, false
            negatives and true positives of each.
    """

    content: bytes
    label_names: tuple[str, ...]
    multi_label: bool
    confusion: tuple[tuple[int, ...], ...]
