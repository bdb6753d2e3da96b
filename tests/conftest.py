"""What all tests share, and which of them take turns."""

import os
from collections.abc import Iterator
from pathlib import PurePath

import pytest
import torch
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# A busy machine is no fault of what is tested, and the same inputs are tried every time.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

# Each test starts a Ray of its own, which takes both cores.
RAY = ("test_ray", "test_cluster", "test_torture")
# What takes longest, first, so that no process waits for another at the end.
LONG = (
    *RAY, "test_claims", "test_docs", "test_verify", "test_resume", "test_packs", "test_checkpoint", "test_task",
    "test_browser", "test_conclusions", "test_races",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """As in a trial: with several threads, sums over edges are not the same bits twice."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Turns(LoadFileScheduling):
    """The tests of a file run in one process, so that what they share is made once, and those of Ray in one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "ray" if PurePath(file).stem in RAY else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Turns:
    """Where several processes run the tests."""
    config.option.loadscopereorder = False
    return Turns(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
