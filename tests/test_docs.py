"""What the documentation says is so: its code runs, its links lead somewhere, its site is complete in itself."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ablations.study import load
from tests import documentation
from tests.documentation import ROOT, Block, bare, blocks, command, commands, pages
from tests.runners.conftest import run

ELSEWHERE = {Path("docs/cluster.md")}  # its commands are for other machines
STUDY = """
study: {name}
base: {{data: {{dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0, seed: {seed}}}, training: {{epochs: 2}}}}
factors:
  loss.classification: [{{kind: nll}}, {{kind: focal}}]
seeds: {seeds}
"""
ORDER = [Path("docs") / name for name in ("tutorial.md", "results.md", "running.md", "matrix.md")] + [Path("README.md")]
STUDIES = ("loss", "presets", "presets_mosi", "presets_meld")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project with a store of small studies, as most pages assume them."""
    folder = tmp_path_factory.mktemp("prepared")
    documentation.copy_of_the_project(folder)
    documentation.data_files(folder / "DATA")
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    for seed, name in enumerate(STUDIES):
        run(folder, STUDY.format(name=name, seed=seed, seeds=1 if seed else 2), uri)
    (folder / "tiny.yaml").unlink()
    with documentation.warm_python():
        yield folder


def not_done_before(page: Path) -> list[Block]:
    """The blocks of a page, without the commands that the pages before it have run already."""
    others = ORDER[: ORDER.index(page)] if page in ORDER else []
    done = {line for other in others for line in commands(other) if " init " not in line}
    return [
        replace(block, text=_without(block.text, done)) if block.language == "sh" else block for block in blocks(page)
    ]


def _without(text: str, done: set[str]) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if bare(line) not in done)


def execute(block: Block, folder: Path) -> None:
    """Do what a block says, in a folder."""
    match block.language:
        case "sh":
            command(folder, "bash", "-euo", "pipefail", "-c", block.text)
        case "yaml":
            file = folder / (block.title or "ablations/block_of_the_page.yaml")
            file.write_text(documentation.as_matrix(block.text))
            if "\ntask:" in block.text:  # found from the folder alone
                command(folder, "python", "-m", "runners.ablate", "--matrix", str(file), "--dry-run")
            else:
                assert load(file).cells
        case "python" if block.title:
            documentation.put(folder / block.title, block.text)
        case "python":
            (folder / "block_of_the_page.py").write_text(block.text)
            command(folder, "python", "block_of_the_page.py")
        case "tex":
            typeset(block.text, folder)
        case language:
            assert language == "text", f"no test knows how to run {language or 'a block without a language'}"


def typeset(text: str, folder: Path) -> None:
    """Compile it; where there is no LaTeX, look for the files and the numbers that it uses."""
    sources = [folder / Path(name).with_suffix(".tex") for name in re.findall(r"\\input\{([^}]+)\}", text)]
    assert [str(source) for source in sources if not source.is_file()] == []
    macros = "".join(source.read_text() for source in sources)
    used = re.findall(r"\\result\{([^}]+)\}", text)
    assert [name for name in used if rf"\csname result@{name}\endcsname" not in macros] == []
    if shutil.which("pdflatex"):
        head = r"\documentclass{article}\usepackage{array,booktabs,longtable,siunitx}\begin{document}"
        whole = text if r"\documentclass" in text else f"{head}{text}\\end{{document}}"
        (folder / "page.tex").write_text(whole)
        command(folder, "pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex")


@pytest.mark.parametrize("page", [page for page in pages() if page not in ELSEWHERE], ids=str)
def test_what_a_page_says_can_be_done_in_its_order(page: Path, prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    own = page.stem == "tutorial"  # begins with nothing
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns("mlruns", "paper", "DATA") if own else None)
    for block in not_done_before(page):
        try:
            execute(block, folder)
        except Exception as error:
            raise AssertionError(f"{block.place}: {error}\n{block.text}") from error


def test_what_a_page_adds_to_the_code_is_in_its_style(tmp_path: Path) -> None:
    documentation.copy_of_the_project(tmp_path)
    new = [block for block in blocks(Path("CONTRIBUTING.md")) if block.title and not (ROOT / block.title).exists()]
    for block in new:
        documentation.put(tmp_path / block.title, block.text)
    files = [block.title for block in new]
    for words in (["check"], ["format", "--check"]):
        command(tmp_path, sys.executable, "-m", "ruff", *words, *files)


@pytest.mark.parametrize("block", [b for page in ELSEWHERE for b in blocks(page)], ids=lambda block: block.place)
def test_what_is_said_of_clusters_is_valid_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (block.language, done.returncode, done.stderr) == ("sh", 0, "")
    for line in block.text.replace("\\\n", " ").splitlines():
        if "runners.ablate" in line:
            known = command(ROOT, sys.executable, "-m", "runners.ablate", "--help")
            assert [option for option in re.findall(r"--[a-z-]+", line) if option not in known] == []


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", documentation.BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages(), ids=str)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    text = documentation.BLOCK.sub("", (ROOT / page).read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        parts = urlsplit(target)
        if not parts.scheme:
            file = (ROOT / page).parent / parts.path if parts.path else ROOT / page
            assert file.exists(), target
            assert not parts.fragment or parts.fragment in anchors(file), target


@pytest.mark.parametrize("page", pages(), ids=str)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = documentation.BLOCK.sub("", (ROOT / page).read_text())
    named = re.findall(r"`((?:ablations|model|runners|analysis|benchmarks|tests|docs)/[\w/.]*)`", text)
    made = {block.title for block in blocks(page)}
    assert [name for name in named if not (ROOT / name).exists() and name not in made] == []


def test_the_readme_is_short_and_has_the_two_commands() -> None:
    assert {"make ablate", "make test"} <= set(commands(Path("README.md")))
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


def test_pictures_are_small_and_each_is_shown() -> None:
    text = "".join((ROOT / page).read_text() for page in pages())
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 250_000
        assert f"images/{picture.name}" in text


class Loads(HTMLParser):
    """The addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Anything but a link to follow."""
        self.found += [value for name, value in attrs if value and name in ("src", "srcset", "data", "poster")]
        self.found += [value for name, value in attrs if value and name == "href" and tag != "a"]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    documentation.build_site(folder)
    return folder


def test_the_site_is_built_and_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text())
        assert [address for address in loads.found if urlsplit(address).netloc] == [], page
        files = [address for address in loads.found if not urlsplit(address).scheme and page.name != "404.html"]
        assert [name for name in files if not (page.parent / urlsplit(name).path).exists()] == [], page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text()) == [], sheet
