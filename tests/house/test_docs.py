"""The documentation knows every command, option, setting and endpoint."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from dpr.cli import app as dpr_app
from dpr.data.cloze import Cloze
from dpr.models.former import FORMER_MODELS
from dpr.train.adaptation.settings import Adaptation
from dpr.train.cross_encoder.settings import CrossEncoderTraining
from dpr.train.distillation.settings import Distillation
from dpr.train.encoder.settings import Training
from dpr.train.reader.settings import ReaderTraining
from index_builder.cli import app as index_app
from service.cli import app as serve_app
from service.settings import Settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")])
DOCS = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
APPS = {"dpr": dpr_app, "dpr-index": index_app, "dpr-serve": serve_app}


def commands_of(app: typer.Typer) -> list[tuple[str, Any]]:
    """Return every (name, command) of a program: groups in it and the commands in those; its own name is empty."""
    command: Any = get_command(app)
    named, waiting = [], [("", command)]
    while waiting:
        name, command = waiting.pop()
        inner = getattr(command, "commands", {})
        if not inner or command.params:
            named.append((name, command))
        waiting += [(f"{name} {sub}".strip(), inner[sub]) for sub in inner]
    return named


def options() -> list[tuple[str, str]]:
    """Return every (command, option) of the three programs."""
    return [
        (f"{program} {name}".strip(), flag)
        for program, app in APPS.items()
        for name, command in commands_of(app)
        for parameter in command.params
        for flag in parameter.opts
        if flag.startswith("--") and flag != "--help"
    ]


def test_there_are_commands_to_check() -> None:
    assert isinstance(dpr_app, typer.Typer)
    assert len(options()) > 40


@pytest.mark.parametrize(("command", "flag"), options())
def test_every_command_and_option_is_documented(command: str, flag: str) -> None:
    assert re.search(rf"\b{re.escape(command)}\b", DOCS), f"no page names the command {command}"
    assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", DOCS), f"no page names {flag} of {command}"


@pytest.mark.parametrize("program", APPS)
def test_help_shows_every_word_of_its_options(program: str) -> None:
    """In rich's markup, ``[default: …]`` is a tag, and would not be printed."""
    app, runner = APPS[program], CliRunner(env={"COLUMNS": "400", "TERM": "dumb"})
    for name, sub in commands_of(app):
        shown = " ".join(runner.invoke(app, [*name.split(), "--help"]).output.replace("│", " ").split())
        for parameter in sub.params:
            assert str(getattr(parameter, "help", None) or "") in shown, f"{program} {name} {parameter.name}"


@pytest.mark.parametrize(
    ("settings", "page"),
    [
        (Training, "training"),
        (CrossEncoderTraining, "training"),
        (ReaderTraining, "reader"),
        (Distillation, "distillation"),
        (Adaptation, "adaptation"),
        (Cloze, "cloze"),
    ],
)
def test_every_setting_of_a_training_is_on_its_page(settings: type[DataclassInstance], page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for field in fields(settings):
        option = "--" + field.name.replace("_", "-")
        assert f"`{field.name}`" in text or option in text, f"docs/{page}.md does not name {field.name}"


def test_no_page_names_a_former_model() -> None:
    for page in PAGES:
        if page.parent.name != "decisions" and page.name not in ("CHANGELOG.md", "bugs-and-fixes.md"):
            named = [name for name in FORMER_MODELS if name in page.read_text(encoding="utf-8")]
            assert not named, f"{page.relative_to(ROOT)} names {named}"


@pytest.mark.parametrize("setting", sorted(Settings.model_fields))
def test_every_setting_of_the_service_is_documented(setting: str) -> None:
    assert f"DPR_{setting.upper()}" in DOCS


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"help", "setup", "demo", "test", "check", "bench"} <= set(targets)
    for target in targets:
        assert f"make {target}" in DOCS, f"no page names make {target}"


def test_make_help_prints_itself() -> None:
    run = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make demo" in run.stdout


def test_make_setup_says_at_once_what_it_takes(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho pip\n")
    python.chmod(0o755)
    command = ["make", "--no-print-directory", "setup", f"VENV={tmp_path / 'venv'}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    pins = re.findall(r"^[^#\s]+==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert lines[0].startswith(f"Installing the {len(pins)} packages of requirements.lock, torch among them, into")
    assert "make setup PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu" in lines[1]
    assert lines.index("pip") == 2
    assert "3.6 GB" in lines[0]
    for page in ("README.md", "README.ko.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert "3.6 GB" in text
        assert "make setup PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu" in text
