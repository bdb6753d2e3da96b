"""The checkpoint of what is trained together: after an interruption it goes on where it was.

The keys of the runs name configuration, seed, data and code of the model, so what is found under them is of no other
training. A checkpoint is read without running anything of it.
"""

import json
import logging
import os
import pickle
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from model.training import Trainer
from runners.checkpoints import UNFINISHED, Checkpoints, Interrupted

FORMAT = 1
COST = 0.01  # most of the time that checkpoints may take: large networks are kept less often

log = logging.getLogger(__name__)


class Checkpoint:
    """The checkpoint of one trainer."""

    def __init__(self, checkpoints: Checkpoints, trainer: Trainer, keys: Sequence[str]) -> None:
        """Nothing is read or written yet.

        Args:
            checkpoints: where, and how often.
            trainer: newly made.
            keys: of the runs of its cells, in order.
        """
        self.checkpoints, self.trainer, self.keys = checkpoints, trainer, list(keys)
        self.device = trainer.device
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        # With another of these the training would go on, but not to the same bits.
        self.origin = {"format": FORMAT, "runs": self.keys, "torch": str(torch.__version__), "device": name}
        self.kept, self.at, self.wait = 0, time.monotonic(), checkpoints.every

    def resume(self) -> int:
        """Set the trainer to the state that is kept, if there is one; returns the epochs that are trained already."""
        if self.checkpoints.on and self.checkpoints.path(self.keys).exists():
            found = self._load(self.checkpoints.path(self.keys))
            if found is not None:
                self.trainer.resume(found)
                self.kept = self.trainer.epoch
                log.info("%d runs go on after %d epochs", len(self.keys), self.kept)
        return self.kept

    def __call__(self) -> None:
        """Between epochs: keep the state if it is time, or if the driver asks for the end.

        Raises:
            Interrupted: it does.
        """
        if not self.checkpoints.on:
            return
        stop = self.checkpoints.stop_requested()
        if self.trainer.epoch > self.kept and (stop or time.monotonic() - self.at >= self.wait):
            self._save(self.checkpoints.path(self.keys))
        if stop:
            raise Interrupted

    def _save(self, path: Path) -> None:
        start = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            names = path.with_suffix(".json")
            if not names.exists():
                _write(names, lambda file: file.write(json.dumps(self.keys).encode()))
            _write(path, lambda file: torch.save({"origin": self.origin, "state": self.trainer.state()}, file))
            self.kept = self.trainer.epoch
        except (OSError, RuntimeError) as error:  # torch's own writer says RuntimeError of a full disk
            log.warning("no checkpoint can be kept: %s", error)
        self.at = time.monotonic()
        self.wait = max(self.checkpoints.every, (self.at - start) / COST)

    def _load(self, path: Path) -> Any:
        """The state; None if there is none to go on from."""
        try:
            # Torch itself does not look at the check sums.
            with zipfile.ZipFile(path) as file:
                torn = file.testzip()
            found = None if torn else torch.load(path, self.device, weights_only=True)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
            log.warning(
                "the checkpoint %s cannot be read, its runs start anew: %s", path, str(error).partition("\n")[0]
            )
            return None
        if not isinstance(found, dict) or found.get("origin") != self.origin:
            log.warning("the checkpoint %s is damaged, or of another version or device: its runs start anew", path)
            return None
        return found["state"]


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Whole or not at all."""
    new = path.with_name(f"{path.name}{UNFINISHED}")
    with new.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
