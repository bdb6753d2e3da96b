"""What the page comes from: every run with a link to the UI, the files, the versions."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from analysis.page.sortable import Row, Sortable, Value
from analysis.runs import Store, StudyRuns
from analysis.tables import number

UI = "http://127.0.0.1:5000"  # where `make ui` serves a file


def runs_address(store: Store, study: str) -> str:
    """Where the UI shows the runs of a study; the id of a run follows. A user name or a password is left out."""
    parts = urlsplit(store.uri)
    served = parts.scheme in ("http", "https")
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}" if served else UI
    return f"{base}/#/experiments/{store.studies[study]}/runs/"


def runs_table(runs: StudyRuns, address: str, name: str, title: str) -> Sortable:
    """Every planned run with its outcome and its score."""
    metric = runs.plan.metric.name
    rows = [
        Row([Value(str(cell)), Value(str(seed), str(seed)), Value(str(outcome)), _score(score), _link(run_id, address)])
        for cell, seed, outcome, score, run_id in zip(
            *(runs.frame[column] for column in ("name", "seed", "outcome")),
            runs.score,
            runs.frame["run_id"],
            strict=True,
        )
    ]
    caption = "Every planned run, whether it is there or not, in the order of the plan."
    return Sortable(name, title, caption, ["cell", "seed", "outcome", metric, "run in MLflow"], rows)


def _score(score: float) -> Value:
    return Value(number(score, ".4f"), "" if pd.isna(score) else f"{score:.10g}")


def _link(run_id: str | None, address: str) -> Value:
    return Value("–") if pd.isna(run_id) else Value(str(run_id)[:8], href=f"{address}{run_id}")


def facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of what a manifest says, one line each."""
    named = {
        "command": "command", "plan_digest": "plan digest", "code_digest": "code digest", "metric": "metric",
        "baseline": "baseline", "schema": "schema",
    }  # fmt: skip
    lines = [(label, str(document[key])) for key, label in named.items()]
    lines.append(("data digests", ", ".join(document["data_digests"])))
    lines.append(("outcomes", ", ".join(f"{n} {outcome}" for outcome, n in document["outcomes"].items())))
    compute = document["compute"]
    lines.append(("compute", f"{compute['hours']:g} hours in {compute['runs']} runs, failed and earlier ones included"))
    versions = {name.removeprefix("version."): values for name, values in document["versions"].items()}
    versions["git commit"] = versions.pop("mlflow.source.git.commit", ["unknown"])
    lines.append(("trained with", ", ".join(f"{name} {' / '.join(values)}" for name, values in versions.items())))
    lines.append(("written with", ", ".join(f"{name} {version}" for name, version in document["written_with"].items())))
    return [(label, text) for label, text in lines if text]


def files(written: Iterable[Path], others: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Files by stem: the stem, and the names."""
    names = [*(path.name for path in written), *others]
    return [(stem, list(group)) for stem, group in groupby(names, key=lambda name: name.rpartition(".")[0])]
