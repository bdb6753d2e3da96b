"""Fusion of the modalities of an utterance into one vector. A new kind is one new file, and its line below."""

from collections.abc import Sequence

from model import architecture
from model.fusion.auto_fusion import AutoFusion
from model.fusion.hierarchical import Hierarchical


def build(widths: Sequence[int], config: architecture.Fusion) -> AutoFusion | Hierarchical:
    """The fusion of a configuration, for modalities of the given widths."""
    match config:
        case architecture.AutoFusion():
            return AutoFusion(widths, config)
        case architecture.Hierarchical():
            return Hierarchical(widths, config)
