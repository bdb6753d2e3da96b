"""A training step at the published size against its bare matrix products.

    python -m benchmarks.step

The step is forward, backward and optimiser for 200 utterances. Its matrix products (all of forward and backward, as
they are dispatched) are recorded and done again alone, with the same shapes and strides.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.timing import DIALOGUES, LENGTH, PUBLISHED, UTTERANCES, WIDTHS, medians
from model.config import RunConfig, Training
from model.data import TRAIN, Dataset
from model.training import Trainer


def conversations() -> Dataset:
    """Random features of the published widths: 10 dialogues of 20 utterances, one more each for dev and test."""
    rng = np.random.default_rng(0)
    n = (DIALOGUES + 2) * LENGTH
    names = ("audio", "text", "visual")
    return Dataset(
        name="published size",
        features={name: rng.normal(size=(n, d)).astype(np.float32) for name, d in zip(names, WIDTHS, strict=True)},
        label=rng.integers(6, size=n),
        length=np.full(DIALOGUES + 2, LENGTH),
        speaker=rng.integers(2, size=n),
        split=np.repeat([0, 1, 2], [UTTERANCES, LENGTH, LENGTH]),
        label_names=tuple("abcdef"),
    )


class Products(TorchDispatchMode):
    """Records the operands of every matrix product."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operands: list[tuple[Any, list[Tensor]]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the product, then let it happen."""
        if function in (torch.ops.aten.mm.default, torch.ops.aten.bmm.default):
            self.operands.append((function, list(args)))
        elif function is torch.ops.aten.addmm.default:
            self.operands.append((torch.ops.aten.mm.default, list(args[1:])))
        return function(*args, **(kwargs or {}))

    def replay(self) -> None:
        """Do them all again."""
        for function, operands in self.operands:
            function(*operands)


def main() -> None:
    """Print medians and ratio."""
    config = RunConfig(model=PUBLISHED, training=Training(batch_size=DIALOGUES))
    trainer = Trainer([config], conversations(), 0, torch.device("cpu"))
    batch = trainer.workload.batch(trainer.workload.units(TRAIN))
    trainer.networks.train()
    with Products() as products:
        trainer.step(batch, 0, 1)
    with torch.no_grad():
        step, bare = medians(lambda: torch.enable_grad()(trainer.step)(batch, 0, 1), products.replay)
    parameters = sum(p.numel() for p in trainer.networks.parameters.values()) / 1e6
    print(
        f"training step, {UTTERANCES} utterances, {parameters:.1f} M parameters, {torch.get_num_threads()} threads: "
        f"{step:.3f} s; its {len(products.operands)} matrix products alone {bare:.3f} s; {step / bare:.2f}x"
    )


if __name__ == "__main__":
    main()
