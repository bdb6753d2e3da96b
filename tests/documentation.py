"""The documentation as blocks of code, and a clean place to run them in."""

import ast
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ablations.matrix import Matrix
from model.config import RunConfig
from tests.model.pickles import joyful_bytes, joyful_dialogues, write

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MINIMAL: dict[str, Any] = {"study": "fragment", "seeds": 2}

# What a page says is run as it says, but small: few dialogues and epochs, in one process. Studies that take minutes
# are planned alone, and so is what make would do.
SMALL = "--executor inprocess --set data.dialogues=12 --set training.epochs=2"
PYTHON = f"""#!/bin/bash
case " $* " in
  *" runners.ablate init "*) more=() ;;
  *" --until-decided "*) more=(--dry-run) ;;
  *" runners.ablate "*/smoke.yaml*|*" runners.ablate "*/mine.yaml*) more=({SMALL}) ;;
  *" --dry-run "*|*" --help "*) more=() ;;
  *" runners.ablate "*/wine.yaml*) more=(--executor inprocess --seeds 2) ;;
  *" runners.ablate "*) more=(--dry-run) ;;
  *" runners.train "*) more=({SMALL.partition(" ")[2].partition(" ")[2]}) ;;
  *) more=() ;;
esac
[ "$2" = pytest ] && exec {sys.executable} "$@"  # asks what was imported before it
exec {sys.executable} -I -S {Path(__file__).with_name("warm_python.py")} ask "$WARM_PYTHON" "$@" "${{more[@]}}"
"""
# Figures take most of a report's time, and have tests of their own: here they are drawn, and their files are empty.
UNDRAWN = """

def save(figure, folder, name):
    paths = [folder / f"{name}.{suffix}" for suffix in ("pdf", "png")]
    for path in paths:
        path.write_bytes(b"")
    return paths
"""
MAKE = f"""#!/bin/bash
exec {shutil.which("make")} --dry-run "$@"
"""


@dataclass(frozen=True)
class Block:
    """A block of code: its language, the file that it is (or empty), and where it stands."""

    language: str
    title: str
    text: str
    place: str


def pages() -> list[Path]:
    """Every page, from the root; what a page only includes is a page itself."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [page.relative_to(ROOT) for page in found if not page.read_text().startswith("--8<--")]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text()
    for found in BLOCK.finditer(text):
        language, _, rest = found[1].partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        line = text[: found.start()].count("\n") + 1
        yield Block(language, title[1] if title else "", found[2], f"{page}:{line}")


def bare(line: str) -> str:
    """Without its comment."""
    return line.partition("  #")[0].strip()


def commands(page: Path) -> list[str]:
    """The lines of a page's shell blocks."""
    return [bare(line) for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()]


def copy_of_the_project(folder: Path) -> None:
    """The files under version control, and those that are new."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    with (folder / "analysis" / "figures" / "style.py").open("a") as style:
        style.write(UNDRAWN)
    for name, text in {"python": PYTHON, "make": MAKE}.items():
        tool = folder / ".tools" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(text)
        tool.chmod(0o755)
    activate = folder / ".venv" / "bin" / "activate"  # what make would have made
    activate.parent.mkdir(parents=True)
    activate.touch()


def data_files(folder: Path) -> None:
    """Small files in the forms of the real ones."""
    folder.mkdir()
    rng, length = np.random.default_rng(0), np.full(15, 4)
    split = np.repeat(np.repeat([0, 1, 2], 5), length)
    features = {name: rng.normal(size=(60, 5)) for name in ("text", "text_minilm", "audio", "visual")}
    shared = {"label": np.arange(60) % 2, "length": length, "speaker": np.zeros(60, int), "split": split}
    for name in ("mosi.npz", "meld_text.npz"):
        np.savez(folder / name, **features, **shared, split_oos=split)  # type: ignore[arg-type]
    write(folder / "data_iemocap.pkl", joyful_bytes(joyful_dialogues()))


def environment(folder: Path) -> dict[str, str]:
    """As of a reader whose environment is active, in this folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MLFLOW_TRACKING"))}
    path = [str(folder / ".tools"), str(Path(sys.executable).parent), kept.get("PATH", "")]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # beside other tests, threads only wait
    return {**kept, **one_thread, "PATH": os.pathsep.join(path), "PYTHONPATH": str(folder), "COLUMNS": "120"}


def command(folder: Path, *words: str) -> str:
    """Run it; what it printed, for a message."""
    done = subprocess.run(
        words, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@contextlib.contextmanager
def warm_python() -> Iterator[None]:
    """Commands begin with what is slow to import: ``tests.warm_python``."""
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "socket"
        words = [sys.executable, str(Path(__file__).with_name("warm_python.py")), "serve", str(address)]
        server = subprocess.Popen(words, env=environment(ROOT) | {"PYTHONPATH": ""}, cwd=folder)
        try:
            while not address.exists():
                assert server.poll() is None, "it ended"
                time.sleep(0.1)
            os.environ["WARM_PYTHON"] = str(address)
            yield
        finally:
            os.environ.pop("WARM_PYTHON", None)
            server.terminate()
            server.wait(30)


def build_site(folder: Path) -> None:
    """Build the documentation, with nothing to be reached beyond this machine."""
    nowhere = "http://127.0.0.1:9"
    words = ["env", f"http_proxy={nowhere}", f"https_proxy={nowhere}", "NO_MKDOCS_2_WARNING=1", sys.executable]
    command(ROOT, *words, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder))


def as_matrix(text: str) -> str:
    """A whole matrix as it is; a fragment with what it lacks; settings alone as a base."""
    value = yaml.safe_load(text)
    if "study" in value:
        return text
    if set(value) <= set(RunConfig.model_fields):
        value = {"base": value}
    assert set(value) <= set(Matrix.model_fields), sorted(value)
    whole: Mapping[str, Any] = MINIMAL | value
    factors = {} if {"factors", "cells", "design"} & set(value) else {"factors": {"loss.encoder_weight": [0.05, 0.1]}}
    return yaml.safe_dump({**whole, **factors}, sort_keys=False)


def put(file: Path, text: str) -> None:
    """A file of a page; of one that is there, the statements that are new or changed."""
    if file.suffix == ".py" and file.exists():
        text = _merged(file.read_text(), text)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _merged(there: str, new: str) -> str:
    """Imports are added after the last one; to an assignment is added what stands after ``...``."""
    tree = ast.parse(there)
    for statement in ast.parse(new).body:
        if isinstance(statement, ast.ImportFrom):
            last = max(i for i, one in enumerate(tree.body) if isinstance(one, ast.ImportFrom))
            tree.body.insert(last + 1, statement)
        else:
            assert isinstance(statement, ast.Assign)
            name = ast.unparse(statement.targets[0])
            (place,) = (i for i, one in enumerate(tree.body) if ast.unparse(one).startswith(f"{name} = "))
            first, _, added = ast.unparse(statement.value).partition(" | ... | ")
            before = ast.unparse(tree.body[place]).partition(", Field(")[0]
            assert f"{before} ".startswith(f"{name} = {first} ")
            tree.body[place] = ast.parse(f"{before} | {added}").body[0]
    return ast.unparse(tree) + "\n"
