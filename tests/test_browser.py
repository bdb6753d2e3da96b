"""The page, the documentation and MLflow's UI in a real browser: they work, and ask nothing of the network.

Needs a Chromium: one on the path, or its file in the environment variable CHROMIUM.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from ablations.record import Kind
from analysis import report
from analysis.runs import Store as Reader
from runners import ledger
from runners.store.__main__ import app as upkeep
from tests.documentation import build_site
from tests.runners.conftest import Store, run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install one, or name its file in CHROMIUM")
LOOPBACK = "127.0.0.1"
PATIENCE = 60_000  # milliseconds
# MLflow asks its server, which has no users, who is there; and its tables are laid out twice.
OF_MLFLOW = ("mlflow/users/current", "ResizeObserver loop")


class Tab:
    """A tab that keeps what it asked for and what went wrong in it."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", self._keep)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _keep(self, message: "ConsoleMessage") -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    def outside(self, *allowed: str) -> list[str]:
        """Requests to anything else than these hosts; a file has none."""
        inside = ("data", "blob")
        urls = [url for url in self.requests if urlsplit(url).scheme not in inside]
        return [url for url in urls if (urlsplit(url).hostname or "") not in ("", *allowed)]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with playwright.sync_playwright() as driver:
        # As root, Chromium has no sandbox; what it is shown here is ours.
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def html(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    done = CliRunner().invoke(report.app, ["--study", "tiny", "--out", str(folder), "--tracking-uri", store.uri])
    assert done.exit_code == 0, done.output
    return folder / "report.html"


@pytest.fixture
def tab(browser: "Browser", html: Path) -> "Iterator[Tab]":
    opened = Tab(browser.new_page())
    opened.page.goto(html.as_uri())
    yield opened
    opened.page.close()
    assert opened.errors == []
    assert opened.outside() == []
    assert all(url.startswith("file://") for url in opened.requests)
    assert opened.requests


def column(tab: Tab, number: int) -> list[str]:
    found = tab.page.eval_on_selector_all(
        f'[aria-labelledby="cells"] tbody tr > :nth-child({number})', "all => all.map((cell) => cell.textContent)"
    )
    return [str(text) for text in found]


def test_a_table_is_sorted_by_click_and_by_keyboard(tab: Tab) -> None:
    mean, head = 3, tab.page.locator('[aria-labelledby="cells"] thead th').nth(2)
    own = column(tab, mean)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(tab, mean) == sorted(own) != own
    head.get_by_role("button").focus()
    tab.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(tab, mean) == sorted(own, reverse=True)
    tab.page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "none"
    assert column(tab, mean) == own


def test_what_has_no_number_is_last_in_both_directions(tab: Tab) -> None:
    button = tab.page.locator('[aria-labelledby="cells"] thead th').nth(4).get_by_role("button")
    for _ in range(2):
        button.click()
        assert column(tab, 5)[-1] == "–"


def test_a_heatmap_shows_what_stands_behind_a_number(tab: Tab) -> None:
    tip, first = tab.page.locator("#tip"), tab.page.locator("table.heat a").first
    assert not tip.is_visible()
    first.hover()
    text = tip.inner_text()
    assert first.inner_text().split()[0] in text
    assert "95 % interval [" in text
    assert "n 2" in text
    tab.page.keyboard.press("Escape")
    assert not tip.is_visible()
    first.focus()
    tab.page.keyboard.press("ArrowRight")
    assert tip.is_visible()
    assert tip.inner_text() != text
    tab.page.keyboard.press("Enter")
    assert "#cell-" in tab.page.url


def test_the_first_tabulator_leads_to_the_results(tab: Tab) -> None:
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.className") == "skip"
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "main"


def test_links_follow_the_address_of_the_ui_and_no_other_scheme(tab: Tab) -> None:
    link, field = tab.page.locator("a.run").first, tab.page.locator("#ui")
    own = str(link.get_attribute("href"))
    field.fill("javascript:alert(1)")
    assert link.get_attribute("href") == own
    field.fill("https://host.example/mlflow/")
    assert link.get_attribute("href") == "https://host.example/mlflow" + own[own.index("/#/") :]


def test_no_table_of_colours_is_cut_off_on_a_wide_screen(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 1280, "height": 800})
    cut = "[...document.querySelectorAll('.scroll:has(> .heat)')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert tab.page.locator(".heat").count() > 3
    assert tab.page.evaluate(cut) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_the_page_is_no_wider_than_the_window(tab: Tab, width: int, scheme: Literal["light", "dark"]) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    tab.page.set_viewport_size({"width": width, "height": 800})
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    paper = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_on_paper_tables_are_whole_and_controls_are_gone(tab: Tab) -> None:
    tab.page.emulate_media(media="print", color_scheme="dark")
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.page.locator("nav").is_visible()
    assert tab.page.evaluate("getComputedStyle(document.querySelector('.long')).maxHeight") == "none"
    assert len(tab.page.pdf()) > 10_000


def test_without_scripts_everything_is_there(browser: "Browser", html: Path) -> None:
    with contextlib.closing(browser.new_context(java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(html.as_uri())
        assert page.locator("table.sortable thead th").first.inner_text() == "cell"
        assert "95 % interval" in str(page.locator("table.heat a").first.get_attribute("title"))
        assert not page.locator("#ui-field").is_visible()


def test_the_documentation_is_read_and_searched_without_a_server(browser: "Browser", tmp_path: Path) -> None:
    build_site(tmp_path)
    tab = Tab(browser.new_page(viewport={"width": 1280, "height": 800}))
    tab.page.goto((tmp_path / "index.html").as_uri())
    tab.page.get_by_role("link", name="Statistics").first.click()
    tab.page.get_by_role("textbox", name="Search").press_sequentially("moderated variances")
    tab.page.locator(".md-search-result__item").first.wait_for(timeout=PATIENCE)
    tab.page.close()
    assert tab.errors == []
    assert tab.outside() == []


@pytest.fixture(scope="module")
def ui(store: Store) -> Iterator[str]:
    """MLflow's server on a store, as ``make ui`` starts it."""
    with contextlib.closing(socket.socket()) as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
    folder = Path(store.uri.removeprefix("sqlite:///")).parent
    command = [sys.executable, "-m", "runners.ui", "--port", str(port), "--tracking-uri", store.uri]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            _wait(f"http://{LOOPBACK}:{port}/health", server)
            yield f"http://{LOOPBACK}:{port}"
        finally:
            server.terminate()
            server.wait(30)


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert server.poll() is None, "the server ended"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"no answer from {url}")


def test_the_ui_shows_the_runs_of_a_study_and_asks_nothing_of_the_network(
    browser: "Browser", store: Store, ui: str
) -> None:
    experiment = Reader(store.uri).studies["tiny"]
    tab = Tab(browser.new_page(viewport={"width": 1600, "height": 1200}))
    tab.page.goto(f"{ui}/#/experiments?workflowType=machine_learning")
    tab.page.get_by_role("link", name="tiny").first.wait_for(timeout=PATIENCE)
    tab.page.goto(f"{ui}/#/experiments/{experiment}/runs?workflowType=machine_learning")
    for cell, seed in store.plan.run_keys().values():
        tab.page.get_by_text(f"{cell.name} s{seed}", exact=True).first.wait_for(timeout=PATIENCE)
    tab.page.close()
    assert tab.outside(LOOPBACK) == []
    assert [error for error in tab.errors if not any(known in error for known in OF_MLFLOW)] == []


def test_the_runs_can_be_grouped_by_a_factor(browser: "Browser", store: Store, ui: str) -> None:
    experiment = Reader(store.uri).studies["tiny"]
    tab = Tab(browser.new_page(viewport={"width": 1600, "height": 1200}))
    tab.page.goto(f"{ui}/#/experiments/{experiment}/runs?workflowType=machine_learning")
    tab.page.get_by_text("baseline s0", exact=True).first.wait_for(timeout=PATIENCE)
    tab.page.get_by_role("button", name="Group by").click()
    tab.page.get_by_role("menuitemcheckbox", name="loss.classification").click()
    for level in ("nll", "focal"):
        group = tab.page.get_by_role("gridcell").filter(has_text=f"Group: {level}")
        group.wait_for(timeout=PATIENCE)
        assert group.inner_text().split()[-1] == "4"  # runs: two encoder weights, two seeds
    tab.page.close()
    assert tab.outside(LOOPBACK) == []


def test_the_study_has_its_note_and_its_report_in_the_ui(browser: "Browser", store: Store, html: Path, ui: str) -> None:
    published = ["publish", "--study", "tiny", str(html.parent), "--tracking-uri", store.uri]
    assert CliRunner().invoke(upkeep, published).exit_code == 0
    [study] = ledger.read(store.uri, "tiny").of(Kind.STUDY)
    tab = Tab(browser.new_page(viewport={"width": 1600, "height": 1200}))
    tab.page.goto(f"{ui}/#/experiments/{Reader(store.uri).studies['tiny']}/runs/{study.run_id}")
    tab.page.get_by_text("4 cells x 2 seeds = 8 runs").first.wait_for(timeout=PATIENCE)
    link = tab.page.get_by_role("link", name="report/report.html")
    tab.page.goto(f"{ui}/{link.get_attribute('href')}")
    tab.page.frame_locator("iframe").get_by_role("heading", name="Verdict", exact=True).wait_for(timeout=PATIENCE)
    tab.page.close()
    assert tab.outside(LOOPBACK) == []


def test_a_link_of_the_page_opens_its_run_in_the_ui(browser: "Browser", html: Path, ui: str) -> None:
    tab = Tab(browser.new_page(viewport={"width": 1600, "height": 1200}))
    tab.page.goto(html.as_uri())
    tab.page.locator("#ui").fill(ui)
    row = tab.page.locator("tr", has=tab.page.locator("a.run")).first
    name = f"{row.locator('th').inner_text()} s{row.locator('td').first.inner_text()}"
    row.locator("a.run").click()
    tab.page.get_by_text(name, exact=True).first.wait_for(timeout=PATIENCE)
    tab.page.close()
    assert tab.outside(LOOPBACK) == []
    assert [error for error in tab.errors if not any(known in error for known in OF_MLFLOW)] == []
