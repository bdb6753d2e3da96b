"""What a file of a run says."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def artifact(client: "MlflowClient", run_id: str, name: str) -> str:
    """The text of a file that a run has. It is fetched to a place of its own, for MLflow leaves a copy."""
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
