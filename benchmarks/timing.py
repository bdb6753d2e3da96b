"""What the benchmarks share: the published size, and how they time."""

import statistics
import time
from collections.abc import Callable

from model.architecture import Architecture, AutoFusion, Graph, Transformer

WIDTHS = (100, 768, 512)
DIALOGUES, LENGTH = 10, 20
UTTERANCES = DIALOGUES * LENGTH
SIZES = AutoFusion(projection=460, hidden=1024, latent=512)
PUBLISHED = Architecture(
    fusion=SIZES,
    context=Transformer(layers=4, heads=8, feed_forward=2048),
    graph=Graph(past=10, future=10, hidden=100, heads=4),
)


def medians(*functions: Callable[[], object], repeats: int = 7) -> list[float]:
    """Median seconds of each function; they take turns, so that a change of the machine's speed meets all."""
    times: list[list[float]] = [[] for _ in functions]
    for repeat in range(repeats + 1):
        for function, seconds in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            if repeat:
                seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in times]
