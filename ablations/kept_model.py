"""A trained network as it travels from the worker to the driver. Standard library only."""

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
