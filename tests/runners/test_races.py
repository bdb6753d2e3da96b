"""Drivers that write the same thing at the same moment: nobody is refused, and a claim is still given once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Barrier

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE

from ablations.record import Kind, Tag
from runners import store
from runners.claims import Claims, Patience, new_driver
from runners.ledger import Ledger
from runners.store.client import ATTEMPTS, SharedClient, repeated

CLIENTS = 6
ROUNDS = 10
PATIENT = Patience(dead=600.0)  # nobody shows signs of life here, and nobody may be taken for dead


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which are not waited for."""
    waited: list[float] = []
    monkeypatch.setattr("runners.store.client.time.sleep", waited.append)
    return waited


def at_once(clients: Sequence[MlflowClient], write: Callable[[MlflowClient, int, int], object]) -> None:
    """Let every client write in each round, all at the same moment."""
    barrier = Barrier(len(clients))

    def rounds(number: int) -> None:
        try:
            for round_number in range(ROUNDS):
                barrier.wait(60)
                write(clients[number], number, round_number)
        except BaseException:
            barrier.abort()  # the others must not wait for this one
            raise

    with ThreadPoolExecutor(len(clients)) as threads:
        for done in [threads.submit(rounds, number) for number in range(len(clients))]:
            done.result()


def test_clients_that_write_the_same_at_once_all_succeed(shared: str) -> None:
    clients = [store.connect(shared) for _ in range(CLIENTS)]
    experiment = clients[0].create_experiment("same")
    runs = [client.create_run(experiment).info.run_id for client in clients]

    def write(client: MlflowClient, number: int, round_number: int) -> None:
        dataset = Dataset(f"data {round_number}", "digest", "code", "{}")
        client.log_inputs(runs[number], [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        client.set_experiment_tag(experiment, f"tag {round_number}", str(number))
        client.set_tag(runs[0], f"tag {round_number}", str(number))
        client.log_batch(runs[0], tags=[RunTag(f"batch {round_number}", str(number))])
        client.log_param(runs[0], f"param {round_number}", "same")
        client.log_batch(runs[0], params=[Param(f"batch {round_number}", "same")])
        client.update_run(runs[0], name=f"name {number}")

    at_once(clients, write)
    found = clients[0].get_run(runs[0]).data
    rounds = {str(number) for number in range(ROUNDS)}
    assert {key.split()[1] for key in found.tags if key.startswith(("tag", "batch"))} == rounds
    assert len(found.params) == 2 * ROUNDS
    for run in runs:
        inputs = clients[0].get_run(run).inputs.dataset_inputs
        assert sorted(given.dataset.name for given in inputs) == [f"data {number}" for number in range(ROUNDS)]


def test_of_drivers_that_claim_the_same_runs_at_once_each_run_goes_to_one(shared: str) -> None:
    client = store.connect(shared)
    board = client.create_run(client.create_experiment("claimed")).info.run_id
    drivers = [Claims(shared, board, new_driver(), PATIENT, Ledger(())) for _ in range(CLIENTS)]
    taken: list[list[str]] = [[] for _ in drivers]
    keys = [[f"{letter}{number}" for letter in "abcde"] for number in range(ROUNDS)]

    def claim(_: MlflowClient, number: int, round_number: int) -> None:
        # In opposite orders, two transactions of PostgreSQL wait for each other until it ends one of them.
        wanted = keys[round_number][:: 1 if number % 2 else -1]
        taken[number] += drivers[number].take(wanted).runs

    at_once([driver.client for driver in drivers], claim)
    assert sorted(chain(*taken)) == sorted(chain(*keys))
    params = client.get_run(board).data.params
    for driver, runs in zip(drivers, taken, strict=True):
        assert {params[f"{run}.1"] for run in runs} <= {driver.driver}


def test_a_param_that_another_set_first_is_refused_at_once(shared: str, pauses: list[float]) -> None:
    client = store.connect(shared)
    run = client.create_run(client.create_experiment("param")).info.run_id
    client.log_batch(run, params=[Param("key", "first")])
    with pytest.raises(MlflowException, match="already") as refused:
        client.log_batch(run, params=[Param("key", "second")])
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert not pauses


def test_a_fault_that_stays_is_raised_after_the_last_attempt(pauses: list[float]) -> None:
    def refuse() -> None:
        raise MlflowException("no such table", BAD_REQUEST)

    with pytest.raises(MlflowException, match="no such table"):
        repeated(refuse)()
    assert len(pauses) == ATTEMPTS - 1
    assert sum(pauses) < 6


def test_what_is_no_conflict_is_not_repeated(pauses: list[float]) -> None:
    def refuse() -> None:
        raise MlflowException("wrong", INVALID_PARAMETER_VALUE)

    with pytest.raises(MlflowException, match="wrong"):
        repeated(refuse)()
    assert not pauses


@pytest.mark.parametrize("committed", [True, False])
def test_a_run_is_created_once_whether_or_not_the_refused_attempt_left_it(
    shared: str, committed: bool, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    client = store.connect(shared)
    experiment = client.create_experiment(f"created {committed}")
    tags = {Tag.KIND: Kind.CELL, Tag.RUN_KEY: "key", Tag.DRIVER: new_driver(), Tag.ATTEMPT: "1"}
    other = client.create_run(experiment, tags={**tags, Tag.DRIVER: new_driver()}).info.run_id
    create = MlflowClient.create_run

    def create_and_lose(self: MlflowClient, *arguments: object) -> object:
        monkeypatch.setattr(MlflowClient, "create_run", create)
        if committed:
            create(self, *arguments)
        raise MlflowException("the connection broke", BAD_REQUEST)

    monkeypatch.setattr(MlflowClient, "create_run", create_and_lose)
    run = client.create_run(experiment, tags=tags).info.run_id
    assert {found.info.run_id for found in client.search_runs([experiment])} == {run, other}
    assert isinstance(client, SharedClient)
