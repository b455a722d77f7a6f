from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest

from dpr.config import DEFAULT_BASE, DEFAULT_ENCODER, load_config
from dpr.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    name: str = "a"
    rate: float = 0.5
    steps: int = 10
    limit: int | None = None


def test_overrides_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('name = "file"\nsteps = 20\n', encoding="utf-8")
    assert load_config(Settings, path, {"steps": 30, "rate": None, "limit": 3}) == Settings("file", 0.5, 30, 3)


def test_a_file_of_windows_and_of_macos_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(unicodedata.normalize("NFD", '\ufeffname = "서울"\r\n').encode())
    assert load_config(Settings, path).name == "서울"


def test_a_whole_number_is_a_rate() -> None:
    assert load_config(Settings, overrides={"rate": 1}).rate == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 1", "unknown setting 'stepz'; known settings are: limit, name, rate, steps"),
        ('steps = "ten"', "setting 'steps' is 'ten', a str, but must be int"),
        ("steps = true", "setting 'steps' is True, a bool, but must be int"),
        ("steps = ", "is not valid TOML"),
        ("steps = " + "[" * 5000, "is not valid TOML: it holds lists or tables too deep in each other"),
    ],
)
def test_nothing_unknown_or_mistyped_passes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_config(Settings, path)


def test_an_absent_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist; check its path"):
        load_config(Settings, tmp_path / "none.toml")


def test_one_encoder_is_what_everything_starts_from() -> None:
    from inspect import signature

    from dpr.models.encoders import load_encoder
    from dpr.train.adaptation.settings import Adaptation
    from dpr.train.cross_encoder.settings import CrossEncoderTraining
    from dpr.train.distillation.settings import Distillation
    from dpr.train.encoder.settings import Training
    from dpr.train.reader.settings import ReaderTraining
    from index_builder.build_command import build_command

    bases = [Training().base, ReaderTraining().base, CrossEncoderTraining().base, Adaptation().base]
    bases.append(Distillation(teacher="any").base)
    assert set(bases) == {DEFAULT_BASE}
    assert signature(load_encoder).parameters["name"].default == DEFAULT_ENCODER
    assert signature(build_command).parameters["encoder"].default == DEFAULT_ENCODER


def test_a_file_that_is_no_settings_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes('name = "부산"'.encode("cp949"))
    with pytest.raises(ConfigError, match=r"a\.toml is not UTF-8, which TOML is; save it as UTF-8"):
        load_config(Settings, path)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory; check its path"):
        load_config(Settings, tmp_path)


def test_the_name_of_the_file_may_be_decomposed(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "설정.toml")).write_text("steps = 7")
    assert load_config(Settings, tmp_path / "설정.toml").steps == 7
