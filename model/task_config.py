"""The complete configuration of a run of a user's task."""

from __future__ import annotations

import functools
import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, SerializeAsAny, create_model

from model.base import Config, InputError
from model.configuration import Configuration, Optimisation, Switches
from model.parts import of_fields
from model.task import Coefficient, Data, Task
from model.weighting import Fixed, Weighting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.configuration import Direction


class TaskError(InputError):
    """A task that cannot be used; the message says why."""


@dataclass(frozen=True)
class TaskSource:
    """The data of a task with some settings, as JSON."""

    task: str
    settings: str

    def load(self) -> Data:
        """As the task does; errors too."""
        return imported(self.task).model_validate_json(self.settings).load()

    def identity(self) -> dict[str, Any]:
        """Task and settings."""
        return {"kind": self.task, **json.loads(self.settings)}


class TaskLosses(Config):
    """Weights of the terms, and how the terms are put together; ``task_class`` adds a weight for each term."""

    weight: SerializeAsAny[Config]
    normalisation: Annotated[Literal["none", "log", "minmax"], Field(title="norm")] = "none"
    weighting: Weighting = Fixed()


class TaskTraining(Optimisation):
    """Steps over examples; ``task_class`` adds ``select``, one of the task's metrics, by default the first."""

    batch_size: Annotated[PositiveInt, Field(description="examples a step")] = 32


class TaskConfig(Configuration):
    """Task, its settings, loss and training of one cell; ``task_class`` makes the class of a task."""

    task: str
    model: SerializeAsAny[Task]
    loss: TaskLosses
    training: TaskTraining

    def __reduce__(self) -> tuple[Any, ...]:
        """A class that was made here is found again by the name of its task."""
        return _restored, (self.task, self.model_dump_json())

    @property
    def source(self) -> TaskSource:
        """The task's own."""
        return TaskSource(self.task, self.model.model_dump_json())

    @classmethod
    def metrics(cls) -> Mapping[str, Direction]:
        """As the task declares."""
        return imported(cls.model_fields["task"].default).metrics

    def check(self, data: Data, metrics: Mapping[str, str]) -> None:
        """What can be told without running it, the configuration itself has checked."""

    def label_names(self, data: Data) -> tuple[str, ...]:  # noqa: ARG002
        """Names of classes are the task's own."""
        return ()

    def coefficients(self) -> tuple[str, ...]:
        """Settings of the task that cells of a pack may differ in."""
        return tuple(name for name, field in type(self.model).model_fields.items() if Coefficient in field.metadata)

    def pack_key(self) -> str:
        """Equal for configurations that may be trained as one batched computation."""
        alike = self.model_dump(mode="json", exclude={"loss": True, "model": {*self.coefficients()}})
        alike["loss"] = self.loss.weighting.measures
        if not (self.model.packable and self.loss.weighting.packable):
            alike["alone"] = self.model_dump(mode="json")
        return json.dumps(alike, sort_keys=True)

    def switches(self) -> Switches:
        """Every term, and what else the loss has."""
        weights = self.loss.weight.model_dump()
        terms = {name: {f"loss.weight.{name}": 0.0} for name, weight in weights.items() if weight}
        others = {"normalisation": "normalisation", "weighting": "weighting"}
        return (terms if len(terms) > 1 else {}) | of_fields(self.loss, others)

    def identity(self) -> dict[str, Any]:
        """The configuration as it enters a cell's identity."""
        return self.model_dump(mode="json")


def _restored(task: str, text: str) -> TaskConfig:
    return task_class(task).model_validate_json(text)


@functools.cache
def task_class(task: str) -> type[TaskConfig]:
    """Configurations of one task: every setting has a default.

    Raises:
        TaskError: there is no such task, or it lacks something.
    """
    kind = imported(task)
    weights: dict[str, Any] = {name: (NonNegativeFloat, float(weight)) for name, weight in kind.terms.items()}
    weight = create_model("Weights", __base__=Config, **weights)
    loss = create_model("TaskLosses", __base__=TaskLosses, weight=(weight, weight()))
    select: Any = Literal[*kind.metrics]
    first = next(iter(kind.metrics))
    training = create_model("TaskTraining", __base__=TaskTraining, select=(select, first))
    own: Any = Literal[task]
    return create_model(
        "TaskConfig",
        __base__=TaskConfig,
        task=(own, task),
        model=(kind, kind()),
        loss=(loss, loss.model_validate({})),
        training=(training, training()),
    )


@functools.cache
def imported(task: str) -> type[Task]:
    """The class of a task.

    Raises:
        TaskError: it cannot be imported, is no task, or lacks a default, terms or metrics.
    """
    module_name, _, name = task.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's module raises
        what = f"{type(error).__name__}: {error}"
        raise TaskError(f"task: {task} cannot be imported from {Path.cwd()}: {what}") from error
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        tasks = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Task)]
        known = ", ".join(f"{module_name}:{key}" for key in tasks if key != "Task") or "none"
        raise TaskError(f"task: {module_name} has no task '{name}', a class that derives from model.task.Task: {known}")
    needed = [field for field, info in found.model_fields.items() if info.is_required()]
    if needed:
        raise TaskError(f"task: {task} needs a default for each setting; {', '.join(needed)} has none")
    terms = getattr(found, "terms", {})
    bad = [key for key in (*terms, *found.metrics) if not key.replace("_", "").isalnum()]
    if not terms or not found.metrics or bad:
        said = f", but has {', '.join(bad)}" if bad else ""
        raise TaskError(f"task: {task} needs 'terms' and 'metrics' by names of letters, digits and _{said}")
    return found
