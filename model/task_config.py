"""The complete configuration of a run of a user's task."""

from __future__ import annotations

import functools
import importlib
import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, SerializeAsAny, create_model

from model.base import Config, DataError, InputError
from model.configuration import Configuration, Optimisation, Switches
from model.parts import of_fields
from model.task import Coefficient, Data, Task
from model.user_code import UserCodeError, described, guarded
from model.weighting import Fixed, Weighting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model.configuration import Direction


TOTAL = "total"  # what the sum of the terms is called in the metrics


class TaskError(InputError):
    """A task that cannot be used; the message says why."""


@dataclass(frozen=True)
class TaskSource:
    """The data of a task with some settings, as JSON."""

    task: str
    settings: str

    def load(self) -> Data:
        """As the task does.

        Raises:
            DataError: it raises something, or returns something else.
        """
        task, what = imported(self.task).model_validate_json(self.settings), f"load of the task {self.task}"
        try:
            with guarded(what):
                found: object = task.load()
        except (DataError, UserCodeError) as error:
            raise DataError(f"task: {self.task}: {error}") from error
        except Exception as error:  # whatever the user's code raises
            raise DataError(f"{what} raises {described(error)}") from error
        if not isinstance(found, Data):
            raise DataError(f"{what} returns a {type(found).__name__}; it must return Data(train, dev, test).")
        return found

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
    drop_last: Annotated[
        bool, Field(description="leave out the last batch of an epoch where it is smaller than the others")
    ] = False

    @property
    def drops_last(self) -> bool:
        """As set."""
        return self.drop_last


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

    def check(self, data: Data, metrics: Mapping[str, str]) -> None:  # noqa: ARG002
        """Refuse a setting that leaves no batch; what else can be told before it runs, has been checked.

        Raises:
            DataError: there is no whole batch, and the last one is to be left out.
        """
        examples = len(next(iter(data.train.values())))
        if self.training.drop_last and examples < self.training.batch_size:
            raise DataError(
                f"training.drop_last leaves nothing of the {examples} examples of {data.name}, less than a batch of "
                f"{self.training.batch_size}; set a smaller training.batch_size."
            )

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
        """The configuration as it enters a cell's identity; a setting that came later, only where it is used."""
        whole = self.model_dump(mode="json")
        if not self.training.drop_last:
            del whole["training"]["drop_last"]
        return whole


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
    with warnings.catch_warnings():
        # A term may be called json or copy, as old methods of pydantic's are, which nothing here calls.
        warnings.filterwarnings("ignore", message=".*shadows an attribute in parent")
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
        with guarded(f"the module {module_name} of the task"):
            module = importlib.import_module(module_name)
    except UserCodeError as error:
        raise TaskError(f"task: {task} cannot be imported: {error}") from error
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
    _check_defaults(task, found)
    terms = _declared(task, found, "terms", "a weight of 0 or more", _is_weight)
    _declared(task, found, "metrics", "'max' or 'min'", lambda value: value in ("max", "min"))
    bad = [key for key in (*terms, *found.metrics) if not key.replace("_", "").isalnum()]
    taken = [key for key in terms if key == TOTAL or (key.startswith("model_") and hasattr(Config, key))]
    if taken:
        raise TaskError(f"task: a term of {task} cannot be called {' or '.join(taken)}; that name is in use")
    if not terms or not found.metrics or bad:
        said = f", but has {', '.join(bad)}" if bad else ""
        raise TaskError(f"task: {task} needs 'terms' and 'metrics' by names of letters, digits and _{said}")
    return found


def _declared(
    task: str, kind: type[Task], name: str, rule: str, holds: Callable[[object], bool]
) -> Mapping[str, object]:
    """One of the mappings that a task declares.

    Raises:
        TaskError: it is none, or a value breaks the rule.
    """
    found: object = getattr(kind, name, {})
    if not isinstance(found, dict):
        raise TaskError(f"task: '{name}' of {task} is a {type(found).__name__}; write {{name: {rule}}} for each")
    bad = [f"{key!r}: {value!r}" for key, value in found.items() if not (isinstance(key, str) and holds(value))]
    if bad:
        raise TaskError(f"task: '{name}' of {task} has {', '.join(bad)}; each name needs {rule}")
    return found


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _check_defaults(task: str, kind: type[Task]) -> None:
    """A default is not validated by pydantic: a NumPy scalar would pass, and fail where it is written."""
    for name, field in kind.model_fields.items():
        value = field.get_default(call_default_factory=True)
        if type(value).__module__ == "numpy":
            plain = value.tolist()
            raise TaskError(
                f"task: the setting '{name}' of {task} has a default of NumPy's type {type(value).__name__}, which no "
                f"file can hold; write {plain!r}"
            )
