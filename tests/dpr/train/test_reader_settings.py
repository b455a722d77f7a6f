from __future__ import annotations

import pytest

from dpr.config import load_config
from dpr.errors import ConfigError
from dpr.train.reader_settings import ReaderTraining


@pytest.mark.parametrize("name", ["negative_share", "altered_share", "teacher_share"])
def test_a_share_is_a_share(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} is 1\.5; it is a share, from 0 to 1"):
        load_config(ReaderTraining, overrides={name: 1.5})
