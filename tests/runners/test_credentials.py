"""Passwords of a store are nowhere but in the URI that is given."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from ablations.credentials import has_secrets, redact, told
from ablations.record import Kind
from analysis.report import app as report
from runners import ledger, saved_model
from runners.ablate import app
from runners.store import StoreError, connect, schema
from runners.tracking import Tracker
from tests.runners.conftest import SMOKE

URIS = [
    "postgresql://someone:hunter2@127.0.0.1:9/db",
    "postgresql+psycopg://someone:hunter2@127.0.0.1:9/db",
    "http://someone:hunter2@127.0.0.1:9",
    "mysterydb://someone:hunter2@x",
]


@pytest.fixture
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at once on a store that cannot be reached; MLflow tries a database 10 times, for 100 seconds."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the store http://u:p@h:5000/a b", "the store http://***@h:5000/a b"),
        ("https://token@h", "https://***@h"),
        ("postgresql://u:p@ss/w:rd@h/db?sslmode=require", "postgresql://***@h/db?sslmode=require"),
        ("postgresql://h/db?user=u&password=p&a=b", "postgresql://h/db?user=***&password=***&a=b"),
        ("'http://u:p@h', then 'http://v:q@i'", "'http://***@h', then 'http://***@i'"),
        ("http://h:5000 and me@home", "http://h:5000 and me@home"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_what_is_before_the_host_is_dropped(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert has_secrets(text) == (text != expected)


BACKGROUND = "(Background on this error at: https://sqlalche.me/e/20/e3q8)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"(sqlite3.OperationalError) unable to open it\n{BACKGROUND}", "(sqlite3.OperationalError) unable to open it"),
        (f"disk is full\n[SQL: INSERT INTO runs (a) VALUES (?)]\n[parameters: ('x]')]\n{BACKGROUND}", "disk is full"),
        ("no [SQL] here", "no [SQL] here"),
    ],
)  # fmt: skip
def test_what_a_database_says_is_told_without_its_statement_and_the_link_to_other_pages(
    text: str, expected: str
) -> None:
    assert told(RuntimeError(text)) == expected


def test_a_database_that_does_not_answer_is_named_without_a_link(no_retries: None, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(SMOKE)
    uri = "postgresql+pg8000://someone@127.0.0.1:9/db"
    for app_, arguments in ((app, ["--matrix", f"{tmp_path}/m.yaml"]), (report, ["--study", "tiny"])):
        result = CliRunner().invoke(app_, [*arguments, "--tracking-uri", uri])
        assert result.exit_code == 2
        assert "cannot be" in result.stderr
        assert "sqlalche.me" not in result.stderr


@pytest.mark.parametrize("uri", URIS)
@pytest.mark.parametrize("arguments", [["--executor", "inprocess"], ["--dry-run"]])
@pytest.mark.usefixtures("no_retries")
def test_no_message_of_a_run_has_them(uri: str, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(SMOKE)
    result = CliRunner().invoke(app, ["--matrix", f"{tmp_path}/m.yaml", "--tracking-uri", uri, *arguments])
    assert result.exit_code == 2
    assert "***@" in result.stderr
    assert "hunter2" not in result.output + str(result.exception)


@pytest.mark.parametrize("uri", URIS)
@pytest.mark.usefixtures("no_retries")
def test_no_message_of_the_report_has_them(uri: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(report, ["--study", "tiny", "--tracking-uri", uri, "--out", str(tmp_path / "o")])
    assert result.exit_code == 2
    assert "***@" in result.stderr
    assert "hunter2" not in result.output + str(result.exception)


def test_a_store_that_fails_during_a_study_is_named_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Tracker, *_: object) -> None:
        raise MlflowException("API request to http://someone:hunter2@h failed")

    monkeypatch.setattr(Tracker, "_log", fails)
    (tmp_path / "m.yaml").write_text(SMOKE)
    where = ["--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db", "--executor", "inprocess"]
    result = CliRunner().invoke(app, ["--matrix", f"{tmp_path}/m.yaml", *where])
    assert result.exit_code == 2
    assert "cannot be used: API request to http://***@h failed" in result.stderr
    assert {run.status for run in ledger.read(where[1], "tiny").of(Kind.CELL)} == {"KILLED"}


OF_SQLALCHEMY = f"no such table: runs\n[SQL: SELECT * FROM runs]\n[parameters: ('a',)]\n{BACKGROUND}"


def test_an_upgrade_that_fails_is_told_without_the_statement_and_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path) -> None:
        raise RuntimeError(OF_SQLALCHEMY)

    path = tmp_path / "mlflow.db"
    connect(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '2d6e25af4d3e'")  # of MLflow 2
        connection.commit()
    monkeypatch.setattr(schema, "_migrate", fails)
    with pytest.raises(StoreError) as caught:
        schema.upgrade(path)
    assert str(caught.value).endswith("cannot be upgraded, and is as before: no such table: runs")


def test_a_network_that_cannot_be_looked_for_is_told_without_secrets_and_the_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Client:
        def list_artifacts(self, *_: object) -> None:
            raise MlflowException(OF_SQLALCHEMY)

    monkeypatch.setattr(saved_model, "connect", lambda _: Client())
    with pytest.raises(StoreError) as caught:
        saved_model.load("0" * 32, "http://someone:hunter2@h")
    assert str(caught.value) == f"no run {'0' * 32} in http://***@h: no such table: runs"
