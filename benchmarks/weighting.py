"""What each weighting strategy and the measuring of gradients cost: a training step against one with fixed weights.

    python -m benchmarks.weighting

Hierarchical fusion (5 terms), at the sizes of the embedded data and at the published size.
"""

from typing import Any

import torch

from benchmarks.step import conversations
from benchmarks.timing import DIALOGUES, PUBLISHED, medians
from model.architecture import Architecture, Hierarchical
from model.base import kinds
from model.config import RunConfig
from model.data import TRAIN, Dataset, Synthetic
from model.training import Trainer
from model.weighting import Weighting

STEPS = 5


def step(dataset: Dataset, model: Architecture, strategy: str, **training: Any) -> Any:
    """A function that makes five training steps, each the first of an epoch if gradients are to be measured."""
    config = RunConfig.model_validate({"loss": {"weighting": {"kind": strategy}}, "training": training})
    trainer = Trainer([config.model_copy(update={"model": model})], dataset, 0, torch.device("cpu"))
    batch = trainer.workload.batch(trainer.workload.units(TRAIN)[:DIALOGUES])
    trainer.networks.train()

    def steps() -> None:
        for _ in range(STEPS):
            trainer.step(batch, 0, 0)

    return steps


def compare(name: str, dataset: Dataset, model: Architecture, repeats: int) -> None:
    """Print the ratio of each strategy to fixed weights."""
    strategies = kinds(Weighting)
    steps = [step(dataset, model, strategy, monitor_every=0) for strategy in strategies]
    measured = step(dataset, model, "fixed", monitor_every=1)
    fixed, *rest, watched = medians(*steps, measured, repeats=repeats)
    print(f"{name}: a step with fixed weights takes {1000 * fixed / STEPS:.1f} ms; against it")
    for strategy, seconds in zip(strategies[1:], rest, strict=True):
        print(f"  {strategy:17} {seconds / fixed:.2f}x")
    print(f"  a step at which gradients are measured {watched / fixed:.2f}x")


def main() -> None:
    """Print all ratios."""
    torch.set_num_threads(1)
    compare("embedded size", Synthetic().load().standardised(), Architecture(fusion=Hierarchical()), 15)
    sizes = PUBLISHED.fusion.model_dump(exclude={"kind"})
    published = PUBLISHED.model_copy(update={"fusion": Hierarchical(**sizes)})
    compare("published size", conversations(), published, 2)


if __name__ == "__main__":
    main()
