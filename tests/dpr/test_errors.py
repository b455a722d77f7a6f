"""What an error tells to do works as it stands."""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

import pytest

from dpr.errors import MissingDependencyError, install_command

URL = "file:///home/me/my%20wheels/dense_passage_retrieval-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'dense-passage-retrieval[report]'"),
        ("no JSON", "pip install 'dense-passage-retrieval[report]'"),
        ({"url": "https://host/dpr", "vcs_info": {}}, "pip install 'dense-passage-retrieval[report]'"),
        ({"url": "file:///home/me/dpr", "dir_info": {"editable": True}}, "pip install -e '/home/me/dpr[report]'"),
        ({"url": "file:///home/me/dpr", "dir_info": {}}, "pip install '/home/me/dpr[report]'"),
        (
            {"url": URL, "archive_info": {}},
            "pip install '/home/me/my wheels/dense_passage_retrieval-1.0-py3-none-any.whl[report]'",
        ),
    ],
)
def test_an_extra_is_installed_from_where_the_project_came_from(
    monkeypatch: pytest.MonkeyPatch, origin: Any, command: str
) -> None:
    text = origin if origin is None or isinstance(origin, str) else json.dumps(origin)

    class Distribution:
        def read_text(self, _name: str) -> str | None:
            return text

    monkeypatch.setattr(metadata, "distribution", lambda _name: Distribution())
    assert install_command("report") == command
    assert str(MissingDependencyError.extra("a", "report")).endswith(f"install it with: {command}")  # noqa: S610  # no Django here


def test_without_a_distribution_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_name: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", absent)
    assert install_command("ray") == "pip install 'dense-passage-retrieval[ray]'"
