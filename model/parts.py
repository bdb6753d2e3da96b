"""The parts of a loss and a network that can be switched off, and how: what an ablation removes."""

from typing import Any

from model.config import RunConfig
from model.losses import Losses

OFF_OF_LOSS = {
    "class weights": "class_weight",
    "label smoothing": "label_smoothing",
    "normalisation": "normalisation",
    "weighting": "weighting",
}


def switches(config: RunConfig) -> dict[str, dict[str, Any]]:
    """Each part that a configuration has, and the dotted settings that switch it off.

    The graph stays where it is switched off, as the classifier reads it: without neighbours each utterance is alone in
    it. Without context an utterance goes to the graph by a linear map.
    """
    loss, model, none = config.loss, config.model, Losses()
    found: dict[str, dict[str, Any]] = {}
    if loss.encoder_weight:
        found["reconstruction"] = {"loss.encoder_weight": 0.0}
    if loss.encoder_weight and loss.gate_weight and model.fusion.gated:
        found["gates' regularisation"] = {"loss.gate_weight": 0.0}
    if loss.contrastive.kind != "none" and loss.contrastive.weight:
        found["contrast"] = {"loss.contrastive": {"kind": "none"}}
    for name, field in OFF_OF_LOSS.items():
        if getattr(loss, field) != getattr(none, field):
            found[name] = {f"loss.{field}": none.model_dump(mode="json")[field]}
    if model.context.kind != "none":
        found["context"] = {"model.context": {"kind": "none"}}
    if model.graph.past or model.graph.future:
        found["graph"] = {"model.graph.past": 0, "model.graph.future": 0}
    return found
