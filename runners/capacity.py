"""How many runs are trained together on this process's device: by memory, and by what has been seen."""

import functools

import psutil
import torch

from model.configuration import Configuration, Loaded
from model.memory import cell_bytes

USED = 0.8  # of the memory that is free: what is not a cell's own, and fragments, take the rest
# Bytes of a pack on a core. What it saves is there with little; at the published size, where a cell takes 860 MiB, a
# pack of 4 takes 1.7 x the time of single runs, since no cell stays in the cache.
ON_CORE = 2**29


class Capacity:
    """The most runs of a pack: measured once, less after a pack was too large."""

    def __init__(self, device: torch.device, share: float) -> None:
        """Of the ``share`` of a device that this process may use."""
        self.device, self.share = device, share
        self.most: int | None = None

    def runs(self, config: Configuration, data: Loaded) -> int:
        """For the configuration of any of the runs, and its data, prepared."""
        if self.most is None:
            self.most = max(1, int(USED * self._room() / cell_bytes(config, data)))
        return self.most

    def exceeded(self, runs: int) -> None:
        """So many, more than one, did not fit."""
        self.most = min(self.most or runs, -(-runs // 2))

    def _room(self) -> float:
        """Bytes that a pack may take."""
        if self.device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self.device)
            return min(free, self.share * total)
        return min(ON_CORE, self.share * float(psutil.virtual_memory().available))


@functools.lru_cache(maxsize=16)
def capacity(pack_key: str, device: torch.device, share: float) -> Capacity:  # noqa: ARG001
    """For runs that may be trained together; kept for the life of the process, which trains many packs."""
    return Capacity(device, share)
