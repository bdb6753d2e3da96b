"""The modules compute what the published implementation computes, to 1e-9 in float64.

The fixture is found by the environment variable JOYFUL_PARITY (path without suffix); its sizes are read from it.
"""

import json
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import RGCNConv, TransformerConv

from model import architecture
from model.coefficients import Coefficients
from model.context.transformer import Transformer
from model.fusion.auto_fusion import AutoFusion
from model.fusion.hierarchical import Hierarchical
from model.fusion.parts import Fused
from model.graph import AttentiveConv, Edges, RelationalConv, window_edges, window_mask
from model.losses import MSE, Focal, InfoNCE, Losses, SmoothL1
from model.network import Classifier, Output
from model.objective import Objective
from model.views import View, stack_views

M = TypeVar("M", bound=nn.Module)

DEFAULT = Path(__file__).parents[1] / "data" / "joyful"


class Fixture:
    """Arrays and formula weights of the published modules."""

    def __init__(self, path: Path) -> None:
        self.array = {key: torch.as_tensor(value) for key, value in np.load(path.with_suffix(".npz")).items()}
        self.info: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        self.lengths: list[int] = self.array["dialogue_lengths"].tolist()
        self.speakers = round((len(self.info["edge_type_to_idx"]) / 2) ** 0.5)

    def shape(self, name: str) -> list[int]:
        return list(self.info["params"][name])

    def weight(self, name: str) -> Tensor:
        shape = self.shape(name)
        value = 0.06 * np.sin(0.7 * np.arange(int(np.prod(shape))) + zlib.crc32(name.encode()) % 997)
        scale = name.endswith("running_var") or (name.endswith(".weight") and (".norm" in name or ".bn" in name))
        return torch.as_tensor(value.reshape(shape)) + (1 if scale else 0)

    def fill(self, module: M, published: Callable[[str], str]) -> M:
        """The module in float64 with the weights of the published names."""
        state = {name: self.weight(published(name)) for name in module.state_dict() if "num_batches" not in name}
        module.double().load_state_dict(state, strict=False)
        return module.eval()


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    return Fixture(Path(os.environ.get("JOYFUL_PARITY", DEFAULT)))


def agree(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-9, check_dtype=True)


def renamed(changes: Mapping[str, str], prefix: str) -> Callable[[str], str]:
    """Our parameter's name as the published code calls it."""

    def name(ours: str) -> str:
        for old, new in changes.items():
            if ours.startswith(old):
                return f"{prefix}{new}{ours.removeprefix(old)}"
        return f"{prefix}{ours}"

    return name


FUSION = {
    "attended.project.0.": "projectA.",
    "attended.project.1.": "projectT.",
    "attended.project.2.": "projectV.",
    "attended.query.": "projectB.0.",
    "global_.encode.": "fuse_inGlobal.",
    "global_.decode.": "fuse_outGlobal.",
    "inter.encode.": "fuse_inInter.",
    "inter.decode.": "fuse_outInter.",
}
HIERARCHICAL = FUSION | {
    "utterance_gate.": "utterance_gate.gate_net.0.",
    "temporal_gate.": "dialogue_gate.temporal_gate.0.",
    "forget_gate.": "dialogue_gate.forget_gate.0.",
    "input_gate.": "dialogue_gate.input_gate.0.",
    "encode.": "utterance_gate.fuse_in.",
    "decode.": "dialogue_gate.fuse_out.",
    "state": "global_emotion_state",
}


@pytest.fixture(scope="module")
def fusion(fixture: Fixture) -> AutoFusion:
    hidden, latent = fixture.shape("fusion.fuse_outGlobal.0.weight")
    config = architecture.AutoFusion(
        projection=fixture.shape("fusion.projectA.weight")[0], hidden=hidden, latent=latent
    )
    widths = [fixture.shape(f"fusion.project{m}.weight")[1] for m in "ATV"]
    return fixture.fill(AutoFusion(widths, config), renamed(FUSION, "fusion."))


def test_fusion_and_its_reconstruction_loss(fixture: Fixture, fusion: AutoFusion) -> None:
    fused = fusion(torch.cat([fixture.array[f"fusion.{m}"] for m in "atv"], -1))
    agree(fused.vector, fixture.array["fusion.out"])
    loss = sum(MSE()(x.output, x.target).mean(-1) for x in fused.reconstructions.values())
    assert isinstance(loss, Tensor)
    agree(loss, fixture.array["fusion.loss_per_utterance"])


def test_hierarchical_fusion_and_its_loss(fixture: Fixture) -> None:
    hidden, latent = fixture.shape("hier.fuse_outInter.0.weight")
    config = architecture.Hierarchical(
        projection=fixture.shape("hier.projectA.weight")[0], hidden=hidden, latent=latent
    )
    widths = [fixture.shape(f"hier.project{m}.weight")[1] for m in "ATV"]
    module = fixture.fill(Hierarchical(widths, config), renamed(HIERARCHICAL, "hier."))
    fused = module(torch.cat([fixture.array[f"fusion.{m}"] for m in "atv"], -1))
    agree(fused.vector, fixture.array["hier.out"])
    for kind, weight, name in (
        (MSE(), 0.01, "gate_weight_0.01"),
        (MSE(), 0.0, "gate_weight_0"),
        (SmoothL1(), 0.01, "smoothl1_gate_0.01"),
    ):
        loss = sum(kind(x.output, x.target).mean(-1) for x in fused.reconstructions.values())
        loss = loss + weight * fused.gate
        agree(loss, fixture.array[f"hier.loss_per_utterance_{name}"])


def test_context_of_padded_batch_equals_each_dialogue_alone(fixture: Fixture) -> None:
    prefix = "context.transformer_encoder.layers."
    width = fixture.array["fusion.out"].shape[1]
    config = architecture.Transformer(
        layers=1 + max(int(name.removeprefix(prefix)[0]) for name in fixture.info["params"] if name.startswith(prefix)),
        heads=8,
        feed_forward=fixture.shape(f"{prefix}0.linear1.weight")[0],
    )
    out = fixture.shape("context.transformer_out.weight")[0]
    context = fixture.fill(Transformer(width, out, config), _context_name)
    longest = max(fixture.lengths)
    present = torch.arange(longest) < torch.tensor(fixture.lengths)[:, None]
    slot = present.flatten().nonzero()[:, 0]
    padded = context(fixture.array["fusion.out"], slot, ~present)
    agree(padded, fixture.array["context.out_per_dialogue_concat"])
    first = fixture.array["context.in"][0]
    alone = context(first, torch.arange(len(first)), torch.zeros(1, len(first), dtype=torch.bool))
    agree(alone, fixture.array["context.out_unpadded_dialogue_0"].view_as(alone))


def _context_name(ours: str) -> str:
    part, _, rest = ours.partition(".")
    return f"context.{'transformer_encoder' if part == 'encoder' else 'transformer_out'}.{rest}"


@pytest.fixture(scope="module")
def edges(fixture: Fixture) -> Edges:
    dialogue = torch.repeat_interleave(torch.arange(len(fixture.lengths)), torch.tensor(fixture.lengths))
    window = architecture.Graph(past=fixture.info["window_past"], future=fixture.info["window_future"])
    return window_edges(dialogue, fixture.array["graph.speakers_concat"], fixture.speakers, window)


def test_edges_and_relations_of_the_window(fixture: Fixture, edges: Edges) -> None:
    assert torch.equal(edges.link, fixture.array["graph.edge_index"])
    assert torch.equal(edges.relation, fixture.array["graph.edge_type"])


@pytest.fixture(scope="module")
def relational(fixture: Fixture) -> RelationalConv:
    width = fixture.shape("graph.conv1.root")[0]
    return fixture.fill(RelationalConv(width, width, 2 * fixture.speakers**2), renamed({}, "graph.conv1."))


@pytest.fixture
def attentive(fixture: Fixture) -> AttentiveConv:
    width = fixture.shape("graph.conv1.root")[0]
    config = architecture.Graph(hidden=width, heads=fixture.shape("graph.bn.weight")[0] // width)
    linear = {f"{name}.": f"transform_conv.lin_{name}." for name in ("query", "key", "value", "skip")}
    return fixture.fill(AttentiveConv(config), renamed(linear | {"norm.": "bn."}, "graph."))


class Grid(NamedTuple):
    """Where the utterances are in the padded grid, and who sees whom there."""

    slot: Tensor
    window: Tensor


@pytest.fixture(scope="module")
def grid(fixture: Fixture) -> Grid:
    present = torch.arange(max(fixture.lengths)) < torch.tensor(fixture.lengths)[:, None]
    config = architecture.Graph(past=fixture.info["window_past"], future=fixture.info["window_future"])
    return Grid(present.flatten().nonzero()[:, 0], window_mask(present, config))


def test_relational_and_transformer_convolution(
    fixture: Fixture, edges: Edges, grid: Grid, relational: RelationalConv, attentive: AttentiveConv
) -> None:
    nodes = relational(fixture.array["context.out_per_dialogue_concat"], edges)
    agree(nodes, fixture.array["graph.rgcn_out"])
    agree(attentive.attend(nodes, *grid), fixture.array["graph.transformer_conv_out"])
    agree(attentive(nodes, *grid), fixture.array["graph.out_eval"])


def test_batch_norm_in_training(fixture: Fixture, grid: Grid, attentive: AttentiveConv) -> None:
    agree(attentive.train()(fixture.array["graph.rgcn_out"], *grid), fixture.array["graph.out_train_batchnorm"])


def test_attentive_convolution_is_that_of_pyg(
    fixture: Fixture, edges: Edges, grid: Grid, attentive: AttentiveConv
) -> None:
    nodes = torch.randn(len(grid.slot), attentive.query.in_features, generator=torch.Generator().manual_seed(0))
    library = TransformerConv(attentive.query.in_features, attentive.query.in_features, attentive.heads).double()
    library.load_state_dict(
        {f"lin_{name}": value for name, value in attentive.state_dict().items() if not name.startswith("norm")}
    )
    agree(attentive.attend(nodes.double(), *grid), library(nodes.double(), edges.link))


def test_relational_convolution_is_that_of_pyg(fixture: Fixture, edges: Edges, relational: RelationalConv) -> None:
    nodes = fixture.array["context.out_per_dialogue_concat"]
    relations, width, _ = relational.weight.shape
    library = RGCNConv(width, width, relations).double()
    library.load_state_dict(relational.state_dict())
    torch.set_default_dtype(torch.float64)
    try:
        expected = library(nodes, edges.link, edges.relation)
    finally:
        torch.set_default_dtype(torch.float32)
    agree(relational(nodes, edges), expected)


def test_views_and_contrastive_loss(fixture: Fixture, edges: Edges, relational: RelationalConv) -> None:
    array = fixture.array
    views = [
        View(array[f"contrastive.mask{i}"], Edges(array[f"contrastive.edge_index{i}"], edges.relation)) for i in (1, 2)
    ]
    nodes = array["context.out_per_dialogue_concat"]
    h = relational(*stack_views(nodes, edges, views)).split(len(nodes))
    for i in range(3):
        agree(h[i], array[f"contrastive.h{i}"])
    for name, exclude in (("excluded", True), ("in_denominator", False)):
        loss = InfoNCE(exclude_self=exclude)
        total = loss(h[0], h[1]).mean() + loss(h[0], h[2]).mean()
        agree(total, array[f"contrastive.loss_self_{name}"])


def test_classifier_and_its_losses(fixture: Fixture) -> None:
    hidden, width = fixture.shape("classifier.lin1.weight")
    classes = fixture.shape("classifier.lin2.weight")[0]
    names = renamed({"hidden.": "lin1.", "out.": "lin2."}, "classifier.")
    classifier = fixture.fill(Classifier(width, hidden, classes, dropout=0.5), names)
    logits = classifier(fixture.array["classifier.in"])
    label = fixture.array["classifier.labels"]
    agree(logits.log_softmax(-1), fixture.array["classifier.log_prob"])
    weights = tuple(fixture.array["classifier.class_weights"].tolist())
    for loss, expected in (
        (Losses(), "nll"),
        (Losses(class_weight=weights), "nll_class_weighted"),
        (Losses(classification=Focal(alpha=1.0, gamma=2.0)), "focal_alpha1_gamma2"),
    ):
        count = torch.bincount(label, minlength=classes).double()
        objective, numbers = Objective.of([loss], ("text",), gated=False), Coefficients.of(loss, count, ("text",))
        output = Output(logits, Fused(logits, {}), (logits,))
        agree(objective.terms(output, label, numbers)[0], fixture.array[f"classifier.loss_{expected}"])


def test_every_array_is_compared(fixture: Fixture) -> None:
    """A new array in the fixture must not go unnoticed."""
    source = Path(__file__).read_text()
    inputs = {"fusion.a", "fusion.t", "fusion.v", "contrastive.mask", "contrastive.edge_index", "contrastive.h"}
    patterns = {"classifier.loss_", "contrastive.loss_self_", "hier.loss_per_utterance_", *inputs}
    for name in fixture.array:
        assert name in source or any(name.startswith(pattern) for pattern in patterns), name
