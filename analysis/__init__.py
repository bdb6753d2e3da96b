"""What is concluded from a study, from the store alone.

Of the rest it knows ``ablations.record``, ``predictions``, ``sequential``, ``power`` and ``noise``, which the runners
share.

In a notebook: ``import analysis; frame = analysis.load("loss"); analysis.contrasts(frame, frame.attrs["baseline"])``.
Frames go in and come out; what is named here is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablations.power import detectable, power, seeds_needed
    from analysis.comparisons import contrasts, pairwise, screen, sizes, verdicts
    from analysis.notebook import history, load, predictions, study
    from analysis.statistics.effects import effects
    from analysis.statistics.intervals import means
    from analysis.statistics.marginal_means import advice, marginal_means

__all__ = [
    "advice",
    "contrasts",
    "detectable",
    "effects",
    "history",
    "load",
    "marginal_means",
    "means",
    "pairwise",
    "power",
    "predictions",
    "screen",
    "seeds_needed",
    "sizes",
    "study",
    "verdicts",
]

_HOME = {
    "advice": "analysis.statistics.marginal_means",
    "contrasts": "analysis.comparisons",
    "detectable": "ablations.power",
    "effects": "analysis.statistics.effects",
    "history": "analysis.notebook",
    "load": "analysis.notebook",
    "marginal_means": "analysis.statistics.marginal_means",
    "means": "analysis.statistics.intervals",
    "pairwise": "analysis.comparisons",
    "power": "ablations.power",
    "predictions": "analysis.notebook",
    "screen": "analysis.comparisons",
    "seeds_needed": "ablations.power",
    "sizes": "analysis.comparisons",
    "study": "analysis.notebook",
    "verdicts": "analysis.comparisons",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """For completion."""
    return sorted({*globals(), *__all__})
