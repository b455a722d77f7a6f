from __future__ import annotations

from pathlib import Path

import pytest

from dpr.config import load_config
from dpr.errors import ConfigError
from dpr.train.reader_settings import ReaderTraining

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "reader-mini-ko-en"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_bundled_readers_recipe_can_be_read(path: Path) -> None:
    script = EXAMPLES.with_name("train-reader-mini-ko-en.sh").read_text(encoding="utf-8")
    assert load_config(ReaderTraining, path).lora_alpha == 64
    assert f" {path.stem} " in script


@pytest.mark.parametrize("name", ["negative_share", "altered_share", "teacher_share"])
def test_a_share_is_a_share(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} is 1\.5; it is a share, from 0 to 1"):
        load_config(ReaderTraining, overrides={name: 1.5})
