"""Which cells a matrix declares. A new design is one new file beside these, named in the union below."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ablations.designs.add_one_in import AddOneIn
from ablations.designs.fractional import Fractional
from ablations.designs.grid import Grid
from ablations.designs.leave_one_out import LeaveOneOut
from ablations.designs.one_at_a_time import OneAtATime
from ablations.designs.path import Path
from ablations.designs.searched import Searched
from ablations.designs.written import Written

__all__ = ["Design", "Designs", "Grid", "Path", "Searched", "Written"]

Design = Annotated[
    Grid | OneAtATime | LeaveOneOut | AddOneIn | Path | Fractional | Written | Searched, Field(discriminator="kind")
]
Name = Literal["grid", "one_at_a_time", "leave_one_out", "add_one_in", "fractional", "cells", "search"]


def _listed(value: object) -> object:
    """One design or several, each by its name or with its settings."""
    several = value if isinstance(value, list | tuple) else [value]
    return tuple(_whole(design) for design in several)


def _whole(design: object) -> object:
    if isinstance(design, str):
        return {"kind": design}
    if not isinstance(design, dict):
        return design
    # What a validator has touched is strictly Python, where a list is no tuple.
    return {key: tuple(value) if isinstance(value, list) else value for key, value in design.items()}


Designs = Annotated[
    tuple[Design, ...],
    BeforeValidator(_listed, json_schema_input_type=Name | Design | list[Name | Design]),
]
