"""What a file of a run holds."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def artifact(client: "MlflowClient", run_id: str, name: str) -> str:
    """The text of a file that a run has."""
    return artifact_bytes(client, run_id, name).decode()


def artifact_bytes(client: "MlflowClient", run_id: str, name: str) -> bytes:
    """A file that a run has. It is fetched to a place of its own, for MLflow leaves a copy."""
    with tempfile.TemporaryDirectory() as place:
        return Path(client.download_artifacts(run_id, name, place)).read_bytes()
