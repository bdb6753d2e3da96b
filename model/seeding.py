"""Everything random in training comes from here: from the seed, the epoch and the step, and from nothing else."""

import random

import numpy as np
import torch

INIT, ORDER, STEP, WEIGHT, EVALUATION = range(5)


def generator(*key: int) -> np.random.Generator:
    """A NumPy generator that depends on the key alone."""
    return np.random.default_rng(np.random.SeedSequence(key))


def reseed(*key: int) -> None:
    """Set the default generators of torch (CPU and CUDA), NumPy and Python anew, from the key alone.

    Called before the initial weights, each step and each evaluation, so that neither what ran before in the process
    nor what a cell's own settings draw can shift the random numbers of later steps: all cells of one seed share them.
    """
    state = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
    torch.manual_seed(state)
    # A user's network may draw from these as well.
    np.random.seed(state & 0xFFFFFFFF)
    random.seed(state)
