from __future__ import annotations

import shutil
from pathlib import Path
from stat import S_IMODE, S_IRGRP

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from dpr.cli import app
from dpr.errors import ConfigError
from dpr.models.average import average
from dpr.models.encoders import load_encoder
from dpr.models.export import export
from dpr.models.output import SIGNS, check_output, clear_model, replaced_model
from tests.tiny_models import make_bert


@pytest.mark.parametrize("sign", SIGNS)
def test_a_folder_with_a_model_is_refused(sign: str, tmp_path: Path) -> None:
    (tmp_path / sign).write_text("{}")
    with pytest.raises(ConfigError, match=rf"already holds a model \({sign}\); choose another .* --overwrite"):
        check_output(tmp_path, [])
    check_output(tmp_path, [], overwrite=True)


def test_other_folders_are_free(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    check_output(tmp_path, [])
    check_output(tmp_path / "absent", [])
    with pytest.raises(ConfigError, match=r"notes\.txt is a file; give a folder"):
        check_output(tmp_path / "notes.txt", [])


def test_no_model_that_is_read_is_overwritten(tiny_checkpoint: Path, tmp_path: Path) -> None:
    export(str(tiny_checkpoint), tmp_path / "pair")
    for output in (tmp_path / "pair", tmp_path / "pair" / "question", tmp_path / "pair" / ".." / "pair"):
        for name in ("pair", "pair/question"):
            with pytest.raises(ConfigError, match=r"is the folder of .* itself, or of its base"):
                check_output(output, [str(tmp_path / name)], overwrite=True)


def test_clearing_leaves_files_that_are_no_part_of_a_model(tiny_checkpoint: Path, tmp_path: Path) -> None:
    export(str(tiny_checkpoint), tmp_path)
    kept = [tmp_path / "notes.txt", tmp_path / "teacher-1.npy", tmp_path / "data" / "train.json"]
    kept[2].parent.mkdir()
    for path in kept:
        path.write_text("mine")
    (tmp_path / "passage").symlink_to(tiny_checkpoint)
    clear_model(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
    assert (tiny_checkpoint / "config.json").is_file()


def test_a_replaced_model_leaves_nothing_behind(tiny_checkpoint: Path, tmp_path: Path) -> None:
    other = make_bert(tiny_checkpoint, tmp_path / "other", seed=4)
    export(f"{tiny_checkpoint},{other}", tmp_path / "copy")
    with pytest.raises(ConfigError, match="already holds a model"):
        export(str(other), tmp_path / "copy")
    export(str(other), tmp_path / "copy", overwrite=True)
    encoder = load_encoder(tmp_path / "copy", "fp32", "torch")
    assert encoder.question_encoder is encoder.passage_encoder, "the passage encoder of the first export is gone"


def test_every_command_that_derives_a_model_refuses(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "held")
    with pytest.raises(ConfigError, match="already holds a model"):
        average([str(tiny_checkpoint)] * 2, [], tmp_path / "held")
    average([str(tiny_checkpoint)] * 2, [], tmp_path / "held", overwrite=True)
    arguments = ["export", "--encoder", str(tiny_checkpoint), "--output", str(tmp_path / "held")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ConfigError)
    assert CliRunner().invoke(app, [*arguments, "--overwrite"]).exit_code == 0


def test_weights_may_be_read_by_those_who_may_read_their_folder(tmp_path: Path) -> None:
    output = tmp_path / "model"
    output.mkdir(mode=0o750)
    private = output / "notes.txt"
    private.touch(mode=0o600)
    with replaced_model(output) as folder:
        (folder / "question").mkdir(mode=0o755)
        save_file({"weight": torch.zeros(1)}, folder / "question" / "model.safetensors")
    weights = output / "question" / "model.safetensors"
    assert S_IMODE(weights.stat().st_mode) == S_IMODE(weights.parent.stat().st_mode) & 0o666
    assert weights.stat().st_mode & S_IRGRP
    assert S_IMODE(private.stat().st_mode) == 0o600
