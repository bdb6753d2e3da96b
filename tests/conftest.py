"""What all tests share."""

import os
from collections.abc import Iterator

import pytest
import torch

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


FIRST = ("ray", "claims", "docs", "browser")  # groups that take minutes


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes the tests of a file run in one: what it makes once for all is not made in each."""

    def group(item: pytest.Item) -> str:
        mark = item.get_closest_marker("xdist_group")
        return str(mark.args[0]) if mark else ""

    for item in items:
        if not group(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: FIRST.index(name) if (name := group(item)) in FIRST else len(FIRST))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """As in a trial: with several threads, sums over edges are not the same bits twice."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
