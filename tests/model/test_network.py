"""Properties of the network: padding, order of dialogues, views, single utterances, any modalities."""

import pytest
import torch

from model.architecture import GRU, LSTM, Architecture, Graph, Hierarchical
from model.batch import Batch, Conversations
from model.config import RunConfig
from model.data import Synthetic
from model.graph import Edges, window_edges
from model.losses import InfoNCE
from model.network import Joyful
from model.seeding import reseed
from model.views import random_view, stack_views

DATA = Synthetic(dialogues=8, min_dev_dialogues=0, min_test_dialogues=0)


ARCHITECTURES = [
    Architecture(),
    Architecture(fusion=Hierarchical()),
    Architecture(context=LSTM()),
    Architecture(context=GRU(layers=1)),
]


def network(data: Conversations, architecture: Architecture = ARCHITECTURES[0]) -> Joyful:
    reseed(0)
    return Joyful(data.widths, data.speakers, data.classes, architecture).double().eval()


@pytest.fixture(scope="module")
def data() -> Conversations:
    return Conversations.of(DATA.load().standardised(), torch.device("cpu"), torch.float64)


def batch(data: Conversations, *dialogues: int) -> Batch:
    return data.batch(torch.tensor(dialogues).numpy(), Graph())


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: f"{a.fusion.kind}-{a.context.kind}")
def test_a_dialogue_is_classified_alike_alone_and_beside_others(
    data: Conversations, architecture: Architecture
) -> None:
    net = network(data, architecture)
    together = net(batch(data, 0, 1, 2)).logits
    alone = torch.cat([net(batch(data, i)).logits for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_order_of_dialogues_does_not_matter(data: Conversations) -> None:
    net = network(data)
    n = int(data.length[0])
    first, second = net(batch(data, 0, 1)).logits, net(batch(data, 1, 0)).logits
    torch.testing.assert_close(torch.cat([second[-n:], second[:-n]]), first, rtol=0, atol=1e-12)


def test_edges_stay_within_the_window_and_the_dialogue() -> None:
    dialogue, speaker = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 0, 2])
    edges = window_edges(dialogue, speaker, 3, Graph(past=1, future=0))
    assert edges.link.tolist() == [[0, 1, 1, 2, 2, 3], [0, 0, 1, 1, 2, 3]]
    # relation = 2 (3 s_source + s_target) + (not source < target)
    assert edges.relation.tolist() == [1, 7, 9, 3, 1, 17]


def test_views_leave_the_graph_as_it_is(data: Conversations) -> None:
    edges = batch(data, 0, 1).edges
    node = torch.ones(int(data.length[:2].sum()), 4)
    before = node.clone(), edges.link.clone(), edges.relation.clone()
    reseed(1)
    view = random_view(node, edges, InfoNCE(feature_mask=0.5, edge_perturbation=0.5))
    stack_views(node, edges, [view])
    assert all(torch.equal(a, b) for a, b in zip(before, (node, *edges), strict=True))
    assert 0.3 < view.mask.mean() < 0.7
    assert torch.equal(view.edges.link[0], edges.link[0])
    assert 0.3 < (view.edges.link[1] != edges.link[1]).float().mean() < 0.6


def test_views_without_probability_are_the_graph(data: Conversations) -> None:
    edges = batch(data, 0).edges
    node = torch.ones(int(data.length[0]), 4)
    view = random_view(node, edges, InfoNCE(feature_mask=0.0, edge_perturbation=0.0))
    assert torch.equal(view.mask, node)
    assert torch.equal(view.edges.link, edges.link)


def test_stacked_views_do_not_touch_each_other() -> None:
    edges = Edges(torch.tensor([[0, 1], [1, 0]]), torch.tensor([0, 1]))
    node = torch.ones(2, 3)
    view = random_view(node, edges, InfoNCE(feature_mask=0.0, edge_perturbation=0.0))
    nodes, stacked = stack_views(node, edges, [view, view])
    assert nodes.shape == (6, 3)
    assert (stacked.link[0] // 2).tolist() == (stacked.link[1] // 2).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("training", [True, False])
def test_one_utterance_is_enough(data: Conversations, training: bool) -> None:
    net = network(data).train(training)
    whole = batch(data, 0)
    edges = Edges(torch.zeros(2, 1, dtype=torch.long), torch.ones(1, dtype=torch.long))
    single = Batch(
        whole.features[:1], whole.label[:1], whole.slot[:1], whole.padding[:, :1], whole.window[:, :1, :1], edges
    )
    output = net(single, InfoNCE())
    assert torch.isfinite(output.logits).all()
    assert output.nodes[1].shape == (1, Architecture().graph.hidden)


@pytest.mark.parametrize("features", [("text",), ("audio", "visual"), ("visual", "text", "audio")])
def test_any_subset_of_modalities_in_any_order(features: tuple[str, ...]) -> None:
    config = RunConfig.model_validate(
        {
            "data": {
                "kind": "synthetic",
                "dialogues": 8,
                "min_dev_dialogues": 0,
                "min_test_dialogues": 0,
                "features": features,
            }
        }
    )
    data = Conversations.of(config.data.load().standardised(), torch.device("cpu"), torch.float64)
    assert network(data)(batch(data, 0)).logits.shape == (int(data.length[0]), 6)
