"""The network of a run, kept as files of the run (``--save-model``) and loaded again.

from runners.saved_model import load

saved = load("RUN_ID")
saved.network  # a torch.nn.Module with the weights of the chosen epoch
saved.evaluate("test").metrics  # as the run had them
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ablations.credentials import redact, told
from ablations.record import DEFAULT_URI
from ablations.results import Form, KeptModel
from ablations.settings import resolved
from model.configuration import Configuration
from model.data.dataset import SPLITS, TRAIN
from runners.planner import RunSpec
from runners.store import StoreError, absolute, connect, failures

if TYPE_CHECKING:
    from torch import nn

    from model.evaluation import Evaluation
    from model.training import Trainer

FOLDER, WEIGHTS, DOCUMENT, MLMODEL = "model", "weights.safetensors", "model.json", "MLmodel"


@dataclass(frozen=True)
class SavedModel:
    """A network that was kept.

    Attributes:
        config: of the run.
        network: in evaluation mode, on the CPU, with the weights of the chosen epoch.
    """

    config: Configuration
    network: "nn.Module"
    _trainer: "Trainer"

    def evaluate(self, split: str) -> "Evaluation":
        """Metrics and predictions on ``train``, ``dev`` or ``test``."""
        return self._trainer.predict(SPLITS.index(split), [0])[0].evaluation


def kept(trainer: "Trainer", cell: int) -> KeptModel:
    """The network of a cell as it is now."""
    import torch
    from safetensors.torch import save

    workload, networks = trainer.workload, trainer.networks
    state = {k.removeprefix(workload.prefix): x.cpu().contiguous() for k, x in networks.of(cell).items()}
    units = workload.units(TRAIN)[:1]
    networks.eval()
    with torch.no_grad():
        output = trainer.forward(workload.batch(units), training=False)[1][cell]
    inputs = {name: _form(array) for name, array in workload.inputs().items()}
    return KeptModel(save({name: value.clone() for name, value in state.items()}), inputs, _form(output.cpu().numpy()))


def files(run_id: str, spec: RunSpec, model: KeptModel) -> Mapping[str, str | bytes]:
    """Files of a run by path: the weights, what they are of, and a description with the signature, for MLflow."""
    document = {"run_key": spec.run_key, "seed": spec.seed, "data_digest": spec.data_digest}
    text = json.dumps(document | {"config": spec.config.model_dump(mode="json")}, indent=1)
    found: dict[str, str | bytes] = {WEIGHTS: model.weights, DOCUMENT: text, MLMODEL: _described(run_id, model)}
    return {f"{FOLDER}/{name}": content for name, content in found.items()}


def load(run_id: str, tracking_uri: str = DEFAULT_URI) -> SavedModel:
    """The network of a run that was kept by ``--save-model``.

    The data that it was trained on are loaded too, as they tell how inputs are prepared.

    Args:
        run_id: of the run in MLflow.
        tracking_uri: of the store.

    Raises:
        StoreError: there is no such run, or its network was not kept.
        DataError: its data are gone, or have changed.
    """
    import torch
    from safetensors.torch import load as tensors

    from model.training import Trainer
    from runners.trial import load as data

    document, weights = _read(run_id, absolute(tracking_uri))
    config = resolved(document["config"])
    loaded = data(config.source, document["data_digest"])
    trainer = Trainer([config], loaded, document["seed"], torch.device("cpu"))
    network = trainer.networks.network.get_submodule(trainer.workload.prefix.rstrip("."))
    network.load_state_dict(tensors(weights))
    return SavedModel(config, network.eval(), trainer)


def _read(run_id: str, uri: str) -> tuple[dict[str, Any], bytes]:
    from mlflow.exceptions import MlflowException

    client = connect(uri)
    with tempfile.TemporaryDirectory() as folder, failures(uri):
        try:
            there = client.list_artifacts(run_id, FOLDER)
        except MlflowException as error:
            raise StoreError(f"no run {run_id} in {redact(uri)}: {told(error)}") from error
        if not there:
            raise StoreError(f"the network of the run {run_id} was not kept: run it with --save-model")
        place = Path(client.download_artifacts(run_id, FOLDER, folder))
        return json.loads((place / DOCUMENT).read_text(encoding="utf-8")), (place / WEIGHTS).read_bytes()


def _form(array: NDArray[Any]) -> Form:
    return str(array.dtype), array.shape[1:]


def _described(run_id: str, model: KeptModel) -> str:
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    def spec(form: Form, name: str | None = None) -> "TensorSpec":
        return TensorSpec(np.dtype(form[0]), (-1, *form[1]), name)

    inputs = Schema([spec(form, name) for name, form in model.inputs.items()])
    signature = ModelSignature(inputs=inputs, outputs=Schema([spec(model.output)]))
    flavors = {"safetensors": {"weights": WEIGHTS, "loader": "runners.saved_model.load"}}
    return str(Model(artifact_path=FOLDER, run_id=run_id, flavors=flavors, signature=signature).to_yaml())
