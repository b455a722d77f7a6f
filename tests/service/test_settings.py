"""Flags over environment over defaults, and a sentence for what is wrong."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from dpr.config import DEFAULT_READER
from dpr.errors import ConfigError
from service import cli
from service.settings import SECRETS, Settings, load_settings


def test_the_defaults_listen_on_this_machine_alone() -> None:
    settings = load_settings(index=Path("x"))
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.reader == str(DEFAULT_READER)


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPR_INDEX", "environment")
    monkeypatch.setenv("DPR_PORT", "81")
    monkeypatch.setenv("DPR_NO_READER", "true")
    settings = load_settings(port=82, index=None, no_reader=None)
    assert ([index.path for index in settings.index], settings.port) == ([Path("environment")], 82)
    assert settings.no_reader


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({}, ["--index", "DPR_INDEX"]),
        (
            {"index": "x", "port": 70_000},
            ["--port", "DPR_PORT", "70000 is out of range; give a number of 65535 or less"],
        ),
        (
            {"index": "x", "rate_limit_per_s": float("nan")},
            ["--rate-limit-per-s", "nan is out of range; give a number that is finite"],
        ),
        ({"index": "x", "max_in_flight": 0}, ["--max-in-flight", "0 is out of range; give a number of 1 or more"]),
        ({"index": "x", "precision": "int3"}, ["--precision", "'bf16'"]),
        ({"index": "x", "retriever_default": "bm26"}, ["--retriever-default", "'hybrid'"]),
        ({"index": "x", "log_level": "loud"}, ["--log-level", "'debug'"]),
        ({"index": "x", "host": ""}, ["--host"]),
        ({"index": "x", "colour": "red"}, ["--colour"]),
    ],
)
def test_what_is_wrong_is_one_sentence(given: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(**given)
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPR_PORT", "eighty")
    with pytest.raises(
        ConfigError, match=r"\(or DPR_PORT\) is wrong: 'eighty' is not a whole number; give a whole number"
    ):
        load_settings(index="x")


def test_a_secret_is_a_variable_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPR_GENERATOR_KEY", "sk-secret")
    settings = load_settings(index="x")
    assert settings.generator_key is not None
    assert settings.generator_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings) + settings.model_dump_json()


def test_every_setting_has_a_flag_and_a_description() -> None:
    flags = set(inspect.signature(cli.serve).parameters) - {"context", "config", "as_json", "version"}
    assert flags == set(Settings.model_fields) - SECRETS
    assert all(field.description for field in Settings.model_fields.values())


def test_every_default_in_the_help_is_the_real_one() -> None:
    shown = {"host", "port", "precision", "max_in_flight", "retry_after_s"}
    shown |= {"max_body_bytes", "shutdown_grace_s", "log_level", "generator_timeout_s"}
    for name in shown:
        [option] = inspect.signature(cli.serve).parameters[name].annotation.__metadata__
        assert option.help.endswith(f"[default: {Settings.model_fields[name].default}]"), name


def test_a_file_gives_what_neither_flag_nor_environment_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "serve.toml"
    path.write_text('index = "from-file"\nport = 1\nhost = "::1"\nno_reader = true\n', encoding="utf-8")
    monkeypatch.setenv("DPR_PORT", "2")
    monkeypatch.setenv("DPR_KEYS_FILE", "")
    settings = load_settings(config=path, host="127.0.0.2")
    assert ([index.path for index in settings.index], settings.port) == ([Path("from-file")], 2)
    assert settings.host == "127.0.0.2"
    assert (settings.no_reader, settings.keys_file) == (True, None)
    monkeypatch.setenv("DPR_CONFIG", str(path))
    assert load_settings().index[0].path == Path("from-file")


@pytest.mark.parametrize(
    ("content", "cause"), [("colour = 3", "colour"), ("port = [", "not valid TOML"), ("port = 70000", "--port")]
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, content: str, cause: str) -> None:
    path = tmp_path / "serve.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=cause) as caught:
        load_settings(config=path, index=Path("x"))
    assert "\n" not in str(caught.value)
