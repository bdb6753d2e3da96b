"""A user's task is tried on one batch before anything starts, so that its mistakes are messages and not failed runs."""

import math
import traceback
from collections.abc import Iterator

import torch

from ablations.record import metric_name
from ablations.study import Study
from model.base import DataError
from model.configuration import Configuration
from model.data import DEV, TRAIN
from model.task import Task
from model.training import Trainer

SHOWN = 3  # frames of a traceback
PACKABLE = "; a task that no pack can train says so: set packable = False"


def rehearse(study: Study) -> None:
    """Build each network of a study of a task, and compute its losses and metrics once.

    Raises:
        DataError: something raises, or is not as the task declares it.
    """
    tried: dict[str, Configuration] = {}
    for cell in study.cells:
        tried.setdefault(cell.config.model.model_dump_json(), cell.config)
    for config in tried.values():
        data, what = config.source.load(), f"task: {config.task}"
        try:
            problem = next(_problems(config, data), None)
        except DataError as error:
            raise DataError(f"{what}: {error}") from error
        except Exception as error:  # whatever the user's code raises
            where = "".join(traceback.format_tb(error.__traceback__)[-SHOWN:]).rstrip()
            advice = PACKABLE if "vmap" in str(error) or "functorch" in where else ""
            raise DataError(f"{what} raises {type(error).__name__}: {error}{advice}\n{where}") from error
        if problem:
            raise DataError(f"{what}: {problem}.")


def _problems(config: Configuration, data: object) -> Iterator[str]:
    task: Task = config.model
    cells = 2 if task.packable else 1
    trainer = Trainer([config] * cells, data, 0, torch.device("cpu"))  # type: ignore[arg-type]
    units = trainer.workload.units(TRAIN)[: config.training.batch_size]
    terms, output = trainer.forward(trainer.workload.batch(units), training=True)
    for name, term in zip(trainer.workload.names, terms, strict=True):
        if term.shape != (cells,):
            yield f"the term '{name}' has shape {tuple(term.shape[1:])}, not that of a scalar"
        if not term.isfinite().all():
            yield f"the term '{name}' is {term[0].item()} before anything is trained"
    if not any(term.requires_grad for term in terms):
        yield "no term depends on a parameter of the network"
    if output.shape[:2] != (cells, len(units)):
        yield f"losses gives outputs for {tuple(output.shape[1:2])} examples of {len(units)}"
    metrics = trainer.predict(DEV, [0])[0].evaluation.metrics
    missing = [name for name in task.metrics if not math.isfinite(metrics.get(name, math.nan))]
    if missing:
        yield f"evaluate gives {', '.join(metrics)}; of the declared metrics {', '.join(missing)} is no finite number"
    if len({metric_name(name) for name in metrics}) < len(metrics):
        yield f"the names of the metrics {', '.join(metrics)} are not distinct as those of MLflow"
