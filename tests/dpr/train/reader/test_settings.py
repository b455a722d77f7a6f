from __future__ import annotations

from pathlib import Path

import pytest

from dpr.config import load_config
from dpr.errors import ConfigError
from dpr.train.reader.settings import ReaderTraining

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


def test_the_bundled_readers_recipe_can_be_read() -> None:
    settings = load_config(ReaderTraining, EXAMPLES / "reader-small-ko-en.toml")
    assert (settings.base, settings.lora_alpha, settings.relevance_head) == ("e5-small-ko-en", 64, True)


@pytest.mark.parametrize("name", ["negative_share", "altered_share"])
def test_a_share_is_a_share(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} is 1\.5; choose a share from 0 to 1"):
        load_config(ReaderTraining, overrides={name: 1.5})
