"""Where checkpoints are, and of which runs; a driver knows no more of them, and needs no torch.

A folder has two files for each group of runs that are trained together: ``NAME.json`` with their keys, and ``NAME.pt``
(``runners.checkpoint``). As the bits of a result depend on which runs are trained together, the driver keeps there also
how it has divided its runs into packs, until all of them have ended.
"""

import contextlib
import json
import logging
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablations.record import digest, sqlite_path

UNFINISHED = ".tmp"
DIVISION = "division"
SECONDS = 60.0
KEPT_SECONDS = 30 * 24 * 3600.0  # for a study that is not gone on with
UNFINISHED_SECONDS = 600.0  # a trial of another driver may be writing

log = logging.getLogger(__name__)


class Interrupted(Exception):  # noqa: N818  (it is no error)
    """The trial was asked to stop, and has kept its checkpoint; its runs are neither reported nor failed."""


@dataclass(frozen=True)
class Checkpoints:
    """Where a driver and its trials keep checkpoints, and where the driver asks its trials to stop.

    Attributes:
        folder: that all of them reach; None for no checkpoints.
        every: seconds from one checkpoint to the next, at least; 0 for no checkpoints.
        driver: whose request to stop counts.
    """

    folder: Path | None = None
    every: float = 0.0
    driver: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def on(self) -> bool:
        """Whether there are any."""
        return self.folder is not None and self.every > 0

    def request_stop(self) -> bool:
        """Ask the trials to stop after their epoch; returns whether they can hear it."""
        if not self.on:
            return False
        try:
            self._stop.parent.mkdir(parents=True, exist_ok=True)
            self._stop.touch()
        except OSError as error:
            log.warning("cannot ask the trials to stop: %s", error)
            return False
        return True

    def stop_requested(self) -> bool:
        """Whether the driver has asked."""
        return self.on and self._stop.exists()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """By a driver: what is of no use is removed before, and its request to stop after."""
        self._tidy()
        try:
            yield
        finally:
            if self.on:
                self._stop.unlink(missing_ok=True)
                self._close()

    def _tidy(self) -> None:
        """Remove what a killed trial was writing, and what nobody has gone on with."""
        for path in self._files("*"):
            most = UNFINISHED_SECONDS if path.suffix == UNFINISHED else KEPT_SECONDS
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > most:
                    path.unlink()
        self._close()

    def path(self, keys: Sequence[str]) -> Path:
        """The checkpoint of these runs, trained together in this order."""
        assert self.folder is not None
        return self.folder / f"{digest(list(keys))}.pt"

    def groups(self, keys: Collection[str]) -> list[tuple[str, ...]]:
        """Keys of the runs of each checkpoint of which all runs are among these."""
        return [group for _, group in self._groups() if set(group) <= set(keys)] if self.on else []

    def divide(self, groups: Sequence[Sequence[str]]) -> None:
        """Keep which runs are to be trained together; nothing is kept of none."""
        if not self.on:
            return
        try:
            if groups:
                self._division.parent.mkdir(parents=True, exist_ok=True)
                new = self._division.with_suffix(UNFINISHED)
                new.write_text(json.dumps(groups), encoding="utf-8")
                new.replace(self._division)
            else:
                self._division.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the division into packs cannot be kept: %s", error)

    def division(self) -> list[tuple[str, ...]]:
        """What was kept last."""
        try:
            groups = json.loads(self._division.read_text(encoding="utf-8")) if self.on else []
        except (OSError, ValueError):  # there is none, or it is torn
            return []
        return [tuple(group) for group in groups]

    def drop(self, key: str) -> None:
        """Remove the checkpoints that have a run which has ended: its training was over, or is to begin anew."""
        for path, group in self._groups():
            if key in group:
                for part in (*path.parent.glob(f"{path.stem}.*{UNFINISHED}"), path.with_suffix(".pt"), path):
                    part.unlink(missing_ok=True)
                self._close()

    def _close(self) -> None:
        """Remove the folder if it is empty."""
        if self.folder:
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def _groups(self) -> Iterator[tuple[Path, tuple[str, ...]]]:
        for path in self._files("*.json"):
            try:
                keys = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):  # another driver has removed it, or it is torn
                continue
            if path.stem == digest(keys):
                yield path, tuple(keys)

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(pattern)) if self.folder else []

    @property
    def _division(self) -> Path:
        assert self.folder is not None
        return self.folder / DIVISION

    @property
    def _stop(self) -> Path:
        assert self.folder is not None
        return self.folder / f"stop-{self.driver}"


OFF = Checkpoints()


def beside(uri: str, study: str, folder: Path | None, every: float, shared: bool = True) -> Checkpoints:
    """Those of a study.

    Args:
        uri: absolute URI of the store.
        study: name of the study.
        folder: where the command line says; None for beside an SQLite store.
        every: seconds.
        shared: whether the trials reach the files of the store.
    """
    path = sqlite_path(uri)
    if folder is None and path and shared:
        folder = path.parent / "checkpoints"
    return Checkpoints(folder.absolute() / study if folder else None, every)
