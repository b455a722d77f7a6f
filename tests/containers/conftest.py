"""The images, built; at the end nothing of them is left but what the build cache holds, unless KEEP=1 keeps them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.compose_project import (
    BASE_IMAGE,
    BUILD_TIMEOUT_S,
    IMAGES,
    PASSAGES,
    PROJECT,
    ROOT,
    Containers,
    engine_and_compose,
    free_port,
)


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    folder.chmod(0o755)  # the container's user is another one
    lines = [json.dumps(passage, ensure_ascii=False) for passage in PASSAGES]
    (folder / "passages.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory, corpus_folder: Path) -> Iterator[Containers]:
    engine, compose = engine_and_compose()
    own_names = tmp_path_factory.mktemp("compose") / "own-names.yml"
    own_images = {name: {"image": image} for name, image in IMAGES.items()}
    own_names.write_text(json.dumps({"services": own_images | {"ray-worker": own_images["ray-head"]}}))
    files = ("--file", str(ROOT / "docker-compose.yml"), "--file", str(own_names))
    variables = {
        "CORPUS_DIR": str(corpus_folder),
        "PORT": str(free_port()),
        "EXTRAS": "service,report,postgres",
        "DPR_POSTGRES": "postgresql://dpr:dpr@postgres:5432/dpr",
    }
    made = Containers(engine, (*compose, *files, "--project-name", PROJECT), variables)
    if not made.has_image(BASE_IMAGE):
        pytest.skip(f"{BASE_IMAGE} is not here, and {engine} cannot pull it")
    profiles = [f"--profile={profile}" for profile in ("build", "keys", "metrics", "postgres", "ray")]
    try:
        for name in ("service", "build"):  # one after the other: podman-compose would build what they share twice
            made.run_compose(*profiles, "build", name, timeout_s=BUILD_TIMEOUT_S)
        yield made
    finally:
        made.call(*made.compose, *profiles, "down", "--volumes")
        if not os.environ.get("KEEP"):
            made.call(engine, "image", "rm", "--force", *IMAGES.values())
