"""Trains a pack in this process and tells what came of each run."""

import contextlib
import functools
import logging
import math
import platform
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from ablations.predictions import TypedPredictions
from ablations.record import Outcome, RunRecord, Tag
from ablations.results import Predictions
from model import evaluation
from model.base import DataError
from model.configuration import Loaded, Source
from model.evaluation import Prediction
from model.monitor import Metrics
from model.training import Fit, Trainer
from model.user_code import guarded
from runners import saved_model
from runners.capacity import Capacity, capacity
from runners.checkpoint import Checkpoint
from runners.checkpoints import OFF, Checkpoints, Interrupted
from runners.executors import Message, Progress
from runners.peak_memory import peak_memory
from runners.planner import Pack, RunSpec

PROGRESS_SECONDS = 10.0

log = logging.getLogger(__name__)


Load = Callable[[Source, str], Loaded]


@functools.lru_cache(maxsize=2)
def load(source: Source, digest: str) -> Loaded:
    """Data as they are trained on, from where the configuration says.

    Raises:
        DataError: they cannot be read, or are not those of this digest.
    """
    return checked(source.load(), digest)


def checked(data: Loaded, digest: str) -> Loaded:
    """Data as they are trained on, if they are those of the digest.

    Raises:
        DataError: they are not.
    """
    if data.digest != digest:
        raise DataError(f"{data.name} has changed since the study was planned: digest {data.digest}, not {digest}.")
    return data.prepared()


def run_pack(
    pack: Pack,
    share: float,
    report: Callable[[Message], None],
    checkpoints: Checkpoints = OFF,
    load: Load = load,
) -> None:
    """Train the runs of the pack and report the record of each; long runs report their progress in between.

    Runs of one seed that differ only inside the loss are trained as one batched computation. If they do not fit in the
    memory, or raise, halves are tried; a run that raises alone is reported as failed.

    Args:
        pack: the runs.
        share: of the device that this process may use.
        report: called with each message.
        checkpoints: that are kept, and gone on from.
        load: gives the data of a source and digest.

    Raises:
        Interrupted: the driver asks for the end; see ``Checkpoints``.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # One thread a run: the parallelism is over runs, and results do not depend on the number of cores.
    torch.set_num_threads(1)
    together: dict[tuple[int, str], list[RunSpec]] = {}
    for spec in pack.runs:
        together.setdefault((spec.seed, spec.config.pack_key()), []).append(spec)
    for (_, key), specs in together.items():
        _run(specs, capacity(key, device, share), report, checkpoints, load)


def _run(
    specs: Sequence[RunSpec],
    room: Capacity,
    report: Callable[[Message], None],
    checkpoints: Checkpoints,
    load: Load,
) -> None:
    reporters = [_Reporter(spec, report) for spec in specs]
    waiting = [reporters]
    while waiting:
        part = waiting.pop(0)
        started, clock = time.time(), time.perf_counter()
        # The next try is made outside of the handler: the error holds all that the last one had allocated.
        error = _attempt(part, room, started, checkpoints, load)
        if error is None:
            continue
        if room.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(part) > 1:
            if error:
                log.warning("a pack of %d runs failed, halves are tried:\n%s", len(part), error)
            half = len(part) // 2
            waiting[:0] = [part[:half], part[half:]]
            continue
        spec, fit = part[0].spec, Fit(history=part[0].history)
        log.warning("%s failed:\n%s", spec.name, error)
        seconds = time.perf_counter() - clock
        report(_record(spec, fit, (started, seconds), _environment(room.device), error))


def _attempt(
    part: "Sequence[_Reporter]", room: Capacity, started: float, checkpoints: Checkpoints, load: Load
) -> str | None:
    """Train runs together and report their records; returns None.

    If that raises, returns the traceback and reports none; if they would not fit, the same with an empty text.
    """
    task = part[0].spec.config.task
    if room.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        with guarded(f"the task {task}") if task else contextlib.nullcontext():
            records = _trained(part, room, started, checkpoints, load)
    except Interrupted:
        raise
    except Exception as error:  # whatever a run raises is its stored outcome
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            room.exceeded(len(part))
        return traceback.format_exc()
    if records is None:
        return ""
    for reporter, record in zip(part, records, strict=True):
        reporter.report(record)
    return None


def _trained(
    part: "Sequence[_Reporter]", room: Capacity, started: float, checkpoints: Checkpoints, load: Load
) -> list[RunRecord] | None:
    """The records of runs that are trained together; None if they would not fit."""
    specs, clock = [reporter.spec for reporter in part], time.perf_counter()
    data = load(specs[0].config.source, specs[0].data_digest)
    if len(specs) > 1 and len(specs) > room.runs(specs[0].config, data):
        return None
    for reporter in part:
        reporter.start(started)
    trainer = Trainer([spec.config for spec in specs], data, specs[0].seed, room.device)
    checkpoint = Checkpoint(checkpoints, trainer, [spec.run_key for spec in specs])
    resumed = checkpoint.resume()
    for reporter, fit in zip(part, trainer.fits, strict=True):
        reporter.history = list(fit.history)
    fits = trainer.fit(lambda cell, metrics: part[cell](metrics), checkpoint)
    # Each run has its share of the clock.
    clock_of_each = started, (time.perf_counter() - clock) / len(specs)
    environment = _environment(room.device, resumed)
    records = []
    for cell, (spec, fit) in enumerate(zip(specs, fits, strict=True)):
        model = saved_model.kept(trainer, cell) if spec.save_model and fit.scores else None
        records.append(replace(_record(spec, fit, clock_of_each, environment, None), model=model))
    return records


def _record(
    spec: RunSpec,
    fit: Fit,
    clock: tuple[float, float],
    environment: Mapping[str, str],
    error: str | None,
) -> RunRecord:
    outcome = Outcome.FAILED if error else Outcome.DIVERGED if fit.diverged else Outcome.FINISHED
    return RunRecord(
        run_key=spec.run_key,
        outcome=outcome,
        history=tuple(fit.history),
        final=_final(fit) if fit.scores else {},
        predictions=_predictions(fit.test) if fit.test else None,
        error=error,
        started=clock[0],
        duration=clock[1],
        environment={**environment, **({str(Tag.DIVERGED): fit.diverged} if fit.diverged else {})},
    )


class _Reporter:
    """Keeps the history of a run and sends it in pieces, at most every ``PROGRESS_SECONDS``; each epoch once."""

    def __init__(self, spec: RunSpec, report: Callable[[Message], None]) -> None:
        self.spec, self.report = spec, report
        self.history: list[Metrics] = []
        self.sent, self.sent_at = 0, time.monotonic()
        self.started = 0.0

    def start(self, started: float) -> None:
        """The run starts, perhaps anew: it will be as before."""
        self.history = []
        self.started = self.started or started

    def __call__(self, metrics: Metrics) -> None:
        self.history.append(metrics)
        if len(self.history) > self.sent and time.monotonic() - self.sent_at > PROGRESS_SECONDS:
            self.report(Progress(self.spec.run_key, self.started, self.sent, tuple(self.history[self.sent :])))
            self.sent, self.sent_at = len(self.history), time.monotonic()


def _final(fit: Fit) -> Mapping[str, float]:
    """Metrics at the chosen epoch; one that is not finite is missing."""
    assert fit.best_epoch is not None
    test = {f"test/{name}": value for name, value in fit.scores.items()}
    best = {f"best/{name}": value for name, value in fit.history[fit.best_epoch].items() if name.startswith("dev/")}
    known = {name: value for name, value in (test | best).items() if math.isfinite(value)}
    return known | {"best/epoch": float(fit.best_epoch)}


def _predictions(prediction: Prediction) -> Predictions:
    typed = TypedPredictions(
        prediction.label_names, prediction.dialogue, prediction.label, prediction.predicted, prediction.probability
    )
    confusion = tuple(map(tuple, evaluation.confusion(prediction).tolist()))
    return Predictions(typed.encode(), prediction.label_names, prediction.multi_label, confusion)


def _environment(device: torch.device, resumed: int = 0) -> Mapping[str, str]:
    cuda = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if cuda else peak_memory()
    return {
        "device": torch.cuda.get_device_name(device) if cuda else f"cpu ({platform.machine()})",
        "host": platform.node(),
        "peak_memory_mib": f"{peak / 2**20:.0f}",
        **({"resumed_after_epochs": str(resumed)} if resumed else {}),
    }
