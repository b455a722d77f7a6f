"""The connection string comes from the environment, is refused in a sentence, and its password is never shown."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dpr.dense.postgres.connection import Database, database
from dpr.dense.server import close_all
from dpr.errors import ConfigError, StoreError
from index_builder.dense import DenseOptions
from tests.index_builder.test_dense import NeverCalled
from tests.small_index import content, small_index
from tests.stores.postgres_server import PASSPHRASE, PostgresServer

pytestmark = pytest.mark.postgres

SECRET = PASSPHRASE


def test_an_index_needs_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DPR_POSTGRES")
    with pytest.raises(ConfigError, match=r"no database is named; set DPR_POSTGRES .* or DPR_POSTGRES_FILE to a file"):
        small_index(tmp_path / "index", encoder=NeverCalled(), dense=DenseOptions("postgres"))
    assert not (tmp_path / "index").exists()


def test_the_string_may_be_in_a_file(tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DPR_POSTGRES")
    (tmp_path / "secret").write_text(postgres + "\n")
    monkeypatch.setenv("DPR_POSTGRES_FILE", str(tmp_path / "secret"))
    assert database().run(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)
    monkeypatch.setenv("DPR_POSTGRES_FILE", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match=r"DPR_POSTGRES_FILE is .*/absent, which cannot be read"):
        database()


@pytest.mark.parametrize("value", ["soon", "0", "-1", "1e9", "nan"])
def test_a_timeout_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPR_POSTGRES_TIMEOUT_S", value)
    with pytest.raises(ConfigError, match=r"DPR_POSTGRES_TIMEOUT_S is .*; give seconds, from 0\.1 to 86400"):
        database()


@pytest.mark.parametrize(
    "string", [f"postgresql://dpr:{SECRET}@[bad/x", f"password={SECRET} nonsense", f"pasword={SECRET}"]
)
def test_a_string_that_cannot_be_read_is_not_shown(string: str) -> None:
    with pytest.raises(ConfigError, match="the connection string of DPR_POSTGRES cannot be read") as refusal:
        Database(string)
    assert SECRET not in str(refusal.value)
    assert refusal.value.__suppress_context__


def test_no_message_shows_the_password(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("dpr.dense.server.FIRST_PATIENCE_S", 0.2)
    wrong = postgres_server.uri.replace(SECRET, "another-secret")
    absent = f"postgresql://dpr:{SECRET}@127.0.0.1:1/postgres"
    for uri in (wrong, absent, postgres_server.uri.replace("/postgres", "/absent")):
        with pytest.raises(
            StoreError, match="see that it runs, and that the address and the password are right"
        ) as error:
            Database(uri).run(lambda connection: connection.execute("SELECT 1"))
        shown = f"{error.value} {error.value.__cause__} {caplog.text}"
        assert SECRET not in shown
        assert "another-secret" not in shown


def test_an_index_has_no_word_of_the_connection(tmp_path: Path, postgres: str) -> None:
    small_index(tmp_path / "index", dense=DenseOptions("postgres"))
    for name, data in content(tmp_path / "index").items():
        assert SECRET.encode() not in data, name
        assert b"127.0.0.1" not in data, name


def test_connections_are_used_again(postgres: str) -> None:
    close_all()
    servers = {
        database().run(lambda connection: connection.execute("SELECT pg_backend_pid()").fetchone()) for _ in range(5)
    }
    assert len(servers) == 1
