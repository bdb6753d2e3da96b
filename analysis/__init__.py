"""What is concluded from a study, from the store alone. Imports of ours: ``ablations.record`` and nothing else.

In a notebook: ``import analysis; frame = analysis.load("loss"); analysis.contrasts(frame, frame.attrs["baseline"])``.
Frames go in and come out; what is named here is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.notebook import history, load, study
    from analysis.statistics.anova import effects
    from analysis.statistics.dunnett import contrasts
    from analysis.statistics.intervals import means

__all__ = ["contrasts", "effects", "history", "load", "means", "study"]

_HOME = {
    "load": "notebook",
    "study": "notebook",
    "history": "notebook",
    "contrasts": "statistics.dunnett",
    "effects": "statistics.anova",
    "means": "statistics.intervals",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """For completion."""
    return sorted({*globals(), *__all__})
