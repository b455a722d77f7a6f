"""The address comes from the environment, is refused in a sentence, and the token is never shown."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dpr.dense.milvus.connection import Database, database, driver, require_version
from dpr.errors import ConfigError, StoreError
from index_builder.dense import DenseOptions
from tests.index_builder.test_dense import NeverCalled
from tests.small_index import content, small_index
from tests.stores.milvus_server import MilvusServer

pytestmark = pytest.mark.milvus

SECRET = "root:s3cr3t-of-tests"  # noqa: S105


def test_an_index_needs_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DPR_MILVUS_URI")
    with pytest.raises(ConfigError, match=r"no database is named; set DPR_MILVUS_URI .* http://HOST:19530"):
        small_index(tmp_path / "index", encoder=NeverCalled(), dense=DenseOptions("milvus"))
    assert not (tmp_path / "index").exists()


def test_the_token_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    monkeypatch.setenv("DPR_MILVUS_TOKEN_FILE", str(tmp_path / "secret"))
    tokens: list[Any] = []

    def client(**options: Any) -> None:
        tokens.append(options["token"])
        raise driver().MilvusException(1, f"the token {options['token']} is wrong")

    with monkeypatch.context() as patch:
        patch.setattr(driver(), "MilvusClient", client)
        with pytest.raises(StoreError, match=r"the token \*\*\* is wrong\); see that .* the token are right"):
            database().run(lambda client: client.list_collections())
    assert tokens == [SECRET]
    monkeypatch.setenv("DPR_MILVUS_TOKEN_FILE", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match=r"DPR_MILVUS_TOKEN_FILE is .*/absent, which cannot be read"):
        database()


@pytest.mark.parametrize("value", ["soon", "0", "-1", "1e9", "nan"])
def test_a_timeout_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPR_MILVUS_TIMEOUT_S", value)
    with pytest.raises(ConfigError, match=r"DPR_MILVUS_TIMEOUT_S is .*; give seconds, from 0\.1 to 86400"):
        database()


@pytest.mark.parametrize("uri", [f"http://{SECRET}@host:19530", "./file.db", "http://", f"http://[{SECRET}/x", "host"])
def test_an_address_that_cannot_be_used_is_not_shown(uri: str) -> None:
    with pytest.raises(ConfigError, match="the address in DPR_MILVUS_URI cannot be used; write http://HOST") as refusal:
        Database(uri)
    assert SECRET not in str(refusal.value)


def test_no_message_shows_the_token(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("dpr.dense.server.FIRST_PATIENCE_S", 0.2)
    with pytest.raises(StoreError, match="see that it runs, and that the address and the token are right") as error:
        Database("http://127.0.0.1:1", SECRET).run(lambda client: client.list_collections())
    shown = f"{error.value} {error.value.__cause__} {caplog.text}"
    assert SECRET not in shown
    assert "Traceback" not in shown


def test_an_index_has_no_word_of_the_connection(tmp_path: Path, milvus: str) -> None:
    small_index(tmp_path / "index", dense=DenseOptions("milvus"))
    for name, data in content(tmp_path / "index").items():
        assert b"127.0.0.1" not in data, name
        assert milvus.encode() not in data, name


def test_a_server_that_takes_too_long_is_given_up(milvus: str, milvus_server: MilvusServer) -> None:
    patient = Database(milvus, timeout_s=0.5)
    patient.run(lambda client: client.list_collections())
    began = time.monotonic()
    with (
        milvus_server.paused(),
        pytest.raises(StoreError, match=r"took longer than 0\.5 seconds; set DPR_MILVUS_TIMEOUT_S higher"),
    ):
        patient.run(lambda client: client.has_collection("any", timeout=patient.timeout_s))
    assert time.monotonic() - began < 5


def test_an_old_server_is_refused() -> None:
    def old(version: str) -> Any:
        return SimpleNamespace(get_server_version=lambda: version)

    with pytest.raises(ConfigError, match=r"the database is Milvus v2\.4\.9; use at least 2\.5"):
        require_version(old("v2.4.9"))
    for version in ("v2.5.4", "2.6.0-dev", "v10.1.0", "milvus_lite-3.2.2"):
        require_version(old(version))
