"""The results database: where it is, that it exists, and its upkeep (``python -m runners.store``)."""

from runners.store.artifact import artifact, artifact_bytes
from runners.store.connection import absolute, analyze, artifact_location, connect, failures, refusals, supersede
from runners.store.errors import StoreError
from runners.store.lock import only_driver

__all__ = [
    "StoreError",
    "absolute",
    "analyze",
    "artifact",
    "artifact_bytes",
    "artifact_location",
    "connect",
    "failures",
    "only_driver",
    "refusals",
    "supersede",
]
