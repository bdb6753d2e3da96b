"""What is written for LaTeX compiles as it is, and fits on the page."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader
from rich.console import Console
from typer.testing import CliRunner

from ablations.study import load
from analysis import across, latex, report
from runners import planner
from runners.driver import Driver
from runners.executors.inprocess import InProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed"),
]
MATRICES = Path(__file__).parents[2] / "ablations"
# On the embedded data; the others are of the same designs.
STUDIES = sorted(path.stem for path in MATRICES.glob("*.yaml") if "kind: npz" not in path.read_text())
SMALL = ["data.dialogues=12", "data.min_dev_dialogues=0", "data.min_test_dialogues=0", "training.epochs=1"]
PACKAGES = r"\usepackage{array,booktabs,longtable}"
FIRST_TABLE = {"decisions": "sequential", "search": "search", "margins": "loss", "choice": "loss", "breakdown": "loss"}
MOST_OVER = 5.0  # points


def run(study: str, uri: str) -> None:
    loaded = load(MATRICES / f"{study}.yaml", SMALL, None if study == "sequential" else [0, 1])
    plan = planner.make_plan(loaded)
    assert Driver(uri, InProcess(), Console(quiet=True)).bring_up_to_date(loaded, plan) == 0


def compiled(folder: Path, document: str) -> str:
    """Compile a paper; returns what it prints, without spaces."""
    (folder / "paper.tex").write_text(document)
    for _ in range(3):  # the widths of long tables settle
        done = subprocess.run(
            ["pdflatex", "-halt-on-error", "paper.tex"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:]
    log = " ".join(done.stdout.split())
    over = [float(found) for found in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(over, default=0.0) <= MOST_OVER, log
    assert "Float too large" not in log, log
    assert "multiply" not in log, log
    return "".join("".join(page.extract_text().split()) for page in PdfReader(folder / "paper.pdf").pages)


def compile_all(folder: Path, said: str) -> set[str]:
    """Compile the tables of a folder as one paper; returns their names."""
    tables = sorted(path.stem for path in folder.glob("*.tex") if path.stem not in ("numbers", "paper"))
    numbers = rf"\input{{numbers}} It is {said}." if said else ""
    body = "".join(rf"\input{{{table}}}\clearpage " for table in tables)
    compiled(folder, rf"\documentclass{{article}}{PACKAGES}\begin{{document}}{numbers}{body}\end{{document}}")
    return set(tables)


@pytest.mark.parametrize("study", STUDIES)
def test_the_tables_and_numbers_of_every_study_compile_and_fit(study: str, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run(study, uri)
    result = CliRunner().invoke(report.app, ["--study", study, "--out", f"{tmp_path}/paper", "--tracking-uri", uri])
    assert result.exit_code == 0, result.output
    line = (tmp_path / "paper" / "numbers.tex").read_text().splitlines()[3]
    (name,) = re.findall(r"result@(.*?)\\endcsname", line)
    tables = compile_all(tmp_path / "paper", rf"\result{{{name}}}")
    assert {"cells", "effects", "classes", "variance"} <= tables
    assert all((table in tables) or study != of for table, of in FIRST_TABLE.items())


def test_the_tables_of_several_data_sets_compile_and_fit(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    text = (MATRICES / "presets.yaml").read_text()
    for number, name in enumerate(("first", "second")):
        (tmp_path / f"{name}.yaml").write_text(text.replace("study: presets", f"study: {name}"))
        study = load(tmp_path / f"{name}.yaml", [*SMALL, f"data.seed={number}"], [0, 1])
        Driver(uri, InProcess(), Console(quiet=True)).bring_up_to_date(study, planner.make_plan(study))
    options = ["--studies", "first,second", "--out", f"{tmp_path}/paper", "--tracking-uri", uri]
    result = CliRunner().invoke(across.app, options)
    assert result.exit_code == 0, result.output
    assert compile_all(tmp_path / "paper", "") == {"across", "pairs"}


ONE, TWO = r"\documentclass{article}", r"\documentclass[twocolumn]{article}"


@pytest.fixture(scope="module", params=["auto", "table", "table*"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The reports of two studies with an environment of their tables."""
    folder = tmp_path_factory.mktemp("pair")
    uri = f"sqlite:///{folder}/mlflow.db"
    for study in ("loss", "weighting"):
        run(study, uri)
        options = ["--study", study, "--out", f"{folder}/{study}", "--float", request.param, "--tracking-uri", uri]
        result = CliRunner().invoke(report.app, options)
        assert result.exit_code == 0, result.output
    return folder, request.param


def plus_signs(folder: Path) -> set[str]:
    """Numbers of a table that begin with a plus."""
    return set(re.findall(r"(?<=& )\+[\d.]+(?= )", (folder / "cells.tex").read_text()))


@pytest.mark.parametrize("package", ["", r"\usepackage{siunitx}"], ids=["plain", "siunitx"])
def test_two_studies_share_a_paper_and_print_what_the_tables_say(pair: tuple[Path, str], package: str) -> None:
    folder, kind = pair
    body, said, said_as = "", "", {}
    for study in ("loss", "weighting"):
        tables = sorted(path.stem for path in (folder / study).glob("*.tex") if path.stem != "numbers")
        body += "".join(rf"\input{{{study}/{table}}}\clearpage " for table in tables)
        numbers = (folder / study / "numbers.tex").read_text()
        (name, said_as[study]), *_ = re.findall(r"result@(.*/cells/.*/mean)\\endcsname\{(.*)\}", numbers)
        said += rf"\input{{{study}/numbers}}Of {study}: \result{{{name}}}, "
        said += rf"Table~\ref{{tab:{study}:cells}}. "
    paper = TWO if kind == "table*" else ONE
    text = compiled(folder, rf"{paper}{PACKAGES}{package}\begin{{document}}{said}{body}\end{{document}}")
    for study in ("loss", "weighting"):
        signed = plus_signs(folder / study)
        assert signed != set()
        assert [number for number in signed if number not in text] == []
        assert f"Of{study}:{said_as[study]}," in text
    assert "??" not in text


def test_the_same_numbers_may_be_read_twice_and_in_a_group(pair: tuple[Path, str]) -> None:
    body = r"{\input{loss/numbers}}\input{loss/numbers}It is \result{loss/cells/baseline/mean}."
    assert "Itis0." in compiled(pair[0], rf"{ONE}\begin{{document}}{body}\end{{document}}")


@pytest.mark.parametrize("package", ["", r"\usepackage{siunitx}"], ids=["plain", "siunitx"])
def test_any_text_of_a_table_is_printed_as_it_is_written(tmp_path: Path, package: str) -> None:
    names = ["*starred", "[bracket]", "a|b", "λ=0.1", "ΓΑσ", "50 % & #1 $x_2^{~}\\", "−1", "x-1"]
    frame = pd.DataFrame({"cell": names, "ends": ["[-0.007, +0.010]"] * len(names), "n": ["+1"] * len(names)})
    (tmp_path / "t.tex").write_text(latex.table(frame, "Caption of λ, |t| and -0.5.", "tab:t"))
    (tmp_path / "n.tex").write_text(latex.LOOKUP + latex.macros("s", "t", frame))
    body = r"\input{n}\input{t} It is \result{s/t/[bracket]/ends} or $\result{s/t/x-1/n}$."
    text = compiled(tmp_path, rf"{ONE}{PACKAGES}{package}\begin{{document}}{body}\end{{document}}")
    for printed in ("*starred", "[bracket]", "a|b", "λ=0.1", "50%&#1$x", "x-1", "[−0.007,+0.010]"):
        assert printed in text
    assert "Itis[−0.007,+0.010]or+1." in text
