"""What a cell of a pack takes of a device's memory."""

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from model.configuration import Configuration, Loaded
from model.training import Trainer

# Of what is trained: itself, its gradient, two moments of Adam, and the copy of the chosen epoch.
COPIES = 5
# Of what is kept for the backward pass: itself, and as much again for the gradients that replace it.
PASSES = 2


def cell_bytes(config: Configuration, data: Loaded) -> int:
    """Bytes that each cell of a pack takes at its largest step.

    ``COPIES x trained + the rest of the state + PASSES x saved``: what autograd saves is counted in a step of one cell,
    made on the host, on the largest batch that there can be. Data, masks and frozen parameters are shared by all cells,
    but counted with each, so that the estimate is from above.

    Args:
        config: of a cell; all that may be packed with it take the same.
        data: prepared.
    """
    trainer = Trainer([config], data, 0, torch.device("cpu"))
    largest = trainer.workload.batch(trainer.workload.largest(config.training.batch_size))
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    state, trained = list(trainer.networks.state.values()), list(trainer.networks.parameters.values())
    with saved_tensors_hooks(count, lambda tensor: tensor):
        terms = trainer.forward(largest, training=True)[0]
    for tensor in state:
        saved.pop(tensor.untyped_storage().data_ptr(), None)
    del terms
    copies = (COPIES - 1) * sum(value.nbytes for value in trained) + sum(value.nbytes for value in state)
    return copies + PASSES * sum(saved.values())
