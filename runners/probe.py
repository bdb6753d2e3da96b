"""Measures what a run will cost, by a few steps of it in this process."""

import contextlib
import resource
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from model.configuration import Configuration
    from model.training import Trainer

BUDGET = 0.8  # seconds for the steps that are measured, if two do not take longer
SLOW = 3.0  # seconds of a first epoch after which there is no other
EPOCHS = 3  # the first warms up, the second has one step, the third several


def probe(config: "Configuration", data_digest: str, runs: int, share: float) -> float:
    """Seconds that one run will take here, one of so many like it in a pack; nothing is kept.

    The steps of an epoch cost the same but for those at which the gradients are measured, the first of each epoch
    among them: an epoch of one step and one of several tell both apart.

    Args:
        config: of the run.
        data_digest: of its data.
        runs: of the pack, as far as the memory has room.
        share: of the device that a trial may use.

    Raises:
        Exception: whatever training raises.
    """
    import torch

    from model.training import Trainer
    from runners.capacity import capacity
    from runners.trial import load

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _as_in_a_trial(device):
        data = load(config.source, data_digest)
        room = capacity(config.pack_key(), device, share).runs(config, data) if runs > 1 else 1
        short = config.model_copy(update={"training": config.training.model_copy(update={"epochs": EPOCHS})})
        start = time.perf_counter()
        trainer = Trainer([short] * min(runs, room), data, 0, device)
        setup = time.perf_counter() - start
        return (setup + _training(trainer, config)) / trainer.cells


@contextlib.contextmanager
def _as_in_a_trial(device: "torch.device") -> Iterator[None]:
    """One thread; and what asks for more memory than there is gets an error, before the system kills what it likes."""
    import psutil
    import torch

    threads, limits = torch.get_num_threads(), resource.getrlimit(resource.RLIMIT_AS)
    torch.set_num_threads(1)
    limited = sys.platform == "linux" and device.type == "cpu"
    if limited:
        most = psutil.Process().memory_info().vms + psutil.virtual_memory().available
        most = most if limits[1] == resource.RLIM_INFINITY else min(most, limits[1])
        resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if limited:
            resource.setrlimit(resource.RLIMIT_AS, limits)


def _training(trainer: "Trainer", config: "Configuration") -> float:
    """Seconds of all epochs of a pack and its test."""
    from model.data import DEV

    batch, epochs = config.training.batch_size, config.training.epochs
    steps, dev, test = (-(-len(split) // batch) for split in trainer.splits)
    one, several, measured = _epochs(trainer, batch)
    start = time.perf_counter()
    trainer.predict(DEV, range(trainer.cells))
    predicting = time.perf_counter() - start
    step = (several - one) / (measured - 1) if measured > 1 else one - predicting
    every = config.training.monitor_every
    monitored = -(-steps // every) if every else 0
    epoch = steps * step + monitored * max(0.0, one - predicting - step) + dev * predicting
    return epochs * epoch + test * predicting


def _epochs(trainer: "Trainer", batch: int) -> tuple[float, float, int]:
    """Seconds of an epoch of one step and of one of several, each with a batch of dev; and how many steps those are."""
    train, *others = trainer.splits
    steps = [1, 1]
    starts: list[float] = []
    ends: list[float] = []

    def before() -> None:
        if len(ends) == 1 and ends[0] - starts[0] > SLOW:
            raise _EnoughError
        if len(ends) == 2:
            most = 2 + int(BUDGET / (ends[1] - starts[1]))
            steps.append(min(most, -(-len(train) // batch)))
        trainer.splits = [train[: batch * steps[len(ends)]], *(split[:batch] for split in others)]
        starts.append(time.perf_counter())

    def after(*_: object) -> None:
        ends[len(starts) - 1 :] = [time.perf_counter()]  # of the last cell that has not diverged

    with contextlib.suppress(_EnoughError):
        trainer.fit(after, before)
    seconds = [end - start for start, end in zip(starts, ends, strict=True)]
    return seconds[:2][-1], seconds[-1], steps[len(ends) - 1]


class _EnoughError(Exception):
    """One step took so long that it tells enough."""
