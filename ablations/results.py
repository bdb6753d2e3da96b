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
    """Test utterances in data order: dialogue and position, true and predicted class, (N, C) probabilities.

    Where an utterance has any number of labels, ``label`` and ``predicted`` are (N, C) of 0 and 1, and ``confusion``
    has for each label the true negatives, false positives, false negatives and true positives.
    """

    label_names: tuple[str, ...]
    dialogue: tuple[int, ...]
    position: tuple[int, ...]
    label: tuple[int, ...] | tuple[tuple[int, ...], ...]
    predicted: tuple[int, ...] | tuple[tuple[int, ...], ...]
    probability: tuple[tuple[float, ...], ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def multi_label(self) -> bool:
        """Whether an utterance has any number of labels instead of one class."""
        return isinstance(self.label[0], tuple)
