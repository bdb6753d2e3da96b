"""Everything random in training comes from here: from the seed, the epoch and the step, and from nothing else."""

import numpy as np
import torch

INIT, ORDER, STEP, WEIGHT = range(4)


def generator(*key: int) -> np.random.Generator:
    """A NumPy generator that depends on the key alone."""
    return np.random.default_rng(np.random.SeedSequence(key))


def reseed(*key: int) -> None:
    """Set torch's default generators (CPU and CUDA) anew, from the key alone.

    Called before the initial weights and before each step, so that neither what ran before in the process nor what a
    cell's own settings draw can shift the random numbers of later steps: all cells of one seed share them.
    """
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))
