"""The parts of a loss and a network that can be switched off, and how: what an ablation removes."""

from collections.abc import Mapping

from model.architecture import Architecture
from model.base import Config
from model.configuration import Switches
from model.losses import Losses

OFF_OF_LOSS = {
    "class weights": "class_weight",
    "label smoothing": "label_smoothing",
    "normalisation": "normalisation",
    "weighting": "weighting",
}


def switches(loss: Losses, model: Architecture) -> Switches:
    """Each part that a loss and a network have, and the dotted settings that switch it off.

    The graph stays where it is switched off, as the classifier reads it: without neighbours each utterance is alone in
    it. Without context an utterance goes to the graph by a linear map.
    """
    found: Switches = {}
    if loss.encoder_weight:
        found["reconstruction"] = {"loss.encoder_weight": 0.0}
    if loss.encoder_weight and loss.gate_weight and model.fusion.gated:
        found["gates' regularisation"] = {"loss.gate_weight": 0.0}
    if loss.contrastive.kind != "none" and loss.contrastive.weight:
        found["contrast"] = {"loss.contrastive": {"kind": "none"}}
    found |= of_fields(loss, OFF_OF_LOSS)
    if model.context.kind != "none":
        found["context"] = {"model.context": {"kind": "none"}}
    if model.graph.past or model.graph.future:
        found["graph"] = {"model.graph.past": 0, "model.graph.future": 0}
    return found


def of_fields(loss: Config, fields: Mapping[str, str]) -> Switches:
    """Those of the fields of a loss, by name of the part, that are not as by default, where they are off."""
    none = type(loss)()
    return {
        name: {f"loss.{field}": none.model_dump(mode="json")[field]}
        for name, field in fields.items()
        if getattr(loss, field) != getattr(none, field)
    }
