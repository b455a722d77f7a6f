"""Keys at rest: hashes alone, a file that its owner alone may write, and no lost change."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpr.errors import ConfigError
from service import cli
from service.security.keys import KEY, changing, hash_of, new_key, read_keys


def add(path: Path, name: str, scope: str = "read", rate_per_s: float | None = None) -> str:
    """Add a key to a file; return it."""
    with changing(path) as records:
        key, record = new_key(name, scope, rate_per_s)
        records.append(record)
    return key


def test_the_file_holds_a_hash_and_not_the_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = add(path, "laptop", "write", 2.5)
    assert KEY.fullmatch(key)
    [record] = read_keys(path)
    assert (record.name, record.scope, record.rate_per_s, record.sha256) == ("laptop", "write", 2.5, hash_of(key))
    assert record.id in key
    assert key.split("_", 2)[2] not in path.read_text(encoding="utf-8")  # the secret, which may have a "_" itself
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_keeps_the_mode_and_a_link_of_the_file(tmp_path: Path) -> None:
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    add(target, "first")
    target.chmod(0o644)
    link.symlink_to(target)
    add(link, "second")
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert [record.name for record in read_keys(target)] == ["first", "second"]


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add(path, f"name {number}"), range(24)))
    assert len({record.id for record in read_keys(path)}) == 24


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    add(path, "x")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod go-w"):
        read_keys(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away, which needs root")
def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    add(path, "x")
    os.chown(path, 4321, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert read_keys(path)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    with pytest.raises(ConfigError, match="chown 1234"):
        read_keys(path)


@pytest.mark.timeout(10)
def test_a_pipe_or_a_folder_is_no_keys_file_and_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ConfigError):
            read_keys(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"keys": 3}',
        b'{"keys": [3]}',
        b'{"keys": [{"id": "x"}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"keys": {"a": 1}}',
    ],
)
def test_what_is_no_keys_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="is not a keys file"):
        read_keys(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scope", "root"),
        ("scope", None),
        ("name", "a\nb"),
        ("name", ""),
        ("id", "../../etc"),
        ("sha256", "0" * 63),
        ("rate_per_s", -1),
        ("rate_per_s", True),
        ("rate_per_s", float("nan")),
        ("rate_per_s", "5"),
    ],
)
def test_a_damaged_key_is_refused(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "keys.json"
    add(path, "x")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["keys"][0][field] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match="is damaged") as caught:
        read_keys(path)
    assert "\n" not in str(caught.value)


def test_two_keys_of_one_id_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add(path, "x")
    with changing(path) as records:
        records.append(records[0])
    with pytest.raises(ConfigError, match="same id"):
        read_keys(path)


def test_the_commands_make_list_and_revoke(tmp_path: Path) -> None:
    runner, path = CliRunner(), tmp_path / "new" / "keys.json"
    option = ["--keys-file", str(path)]
    made = runner.invoke(cli.app, ["keys", "add", "노트북", "--scope", "admin", *option])
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert KEY.fullmatch(key)
    assert key not in made.stderr
    shown = runner.invoke(cli.app, ["keys", "list", *option]).stdout
    assert "노트북" in shown
    assert "admin" in shown
    assert key not in shown
    twice = runner.invoke(cli.app, ["keys", "add", "노트북", *option])
    assert isinstance(twice.exception, ConfigError)
    assert runner.invoke(cli.app, ["keys", "revoke", "노트북"], env={"DPR_KEYS_FILE": str(path)}).exit_code == 0
    assert read_keys(path) == ()
    assert isinstance(runner.invoke(cli.app, ["keys", "revoke", "노트북", *option]).exception, ConfigError)


def test_a_refused_key_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add(path, "x")
    before = path.read_bytes()
    for arguments in (["y", "--scope", "root"], ["a\tb"], ["y", "--rate-per-s", "0"]):
        run = CliRunner().invoke(cli.app, ["keys", "add", *arguments, "--keys-file", str(path)])
        assert isinstance(run.exception, ConfigError)
    assert path.read_bytes() == before


def test_options_of_the_server_before_a_command_are_refused(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli.app, ["--port", "1", "keys", "list", "--keys-file", str(tmp_path / "x")])
    assert isinstance(run.exception, ConfigError)
    assert "--port" in str(run.exception)
