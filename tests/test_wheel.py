"""The wheel and the sdist: an installation has the bundled models, the very ones of the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from dpr.config import BUNDLED_MODELS
from dpr.models.checkpoint import content_hash

pytestmark = pytest.mark.timeout(1800)  # it starts a program six times, on a busy machine each for minutes

ROOT = Path(__file__).resolve().parent.parent
MODELS = ["e5-small-ko-en", "reader-small-ko-en"]
PAIR = "dpr-small-ko-en"
MOST_BYTES = 80_000_000
"""The package index takes no file above 100 MB."""

PROGRAM = """
import json, sys
import dpr
from dpr.models.checkpoint import base_of, content_hash, load_tokenizer, resolve
from dpr.models.encoders import load_encoder
folders = [resolve(name) for name in sys.argv[1:]]
for folder in folders:
    load_tokenizer(folder)
print(json.dumps({
    "package": dpr.__file__,
    "folders": [str(folder) for folder in folders],
    "bases": [str(base_of(folder)) for folder in folders],
    "hashes": [content_hash(folder) for folder in folders],
    "encoder": load_encoder(backend="torch").name,
}))
"""


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def run(*command: str, cwd: Path, **variables: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the sdist, made of a copy of the checkout: a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    no_caches = shutil.ignore_patterns("__pycache__")
    for name in ("dpr", "index_builder", "service", "models"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=no_caches)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    program = f"from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})"
    run(sys.executable, "-c", program, cwd=source)
    [sdist] = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist", filter="data")
    [unpacked] = (folder / "sdist").iterdir()
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder))
    run(sys.executable, "-m", "pip", "wheel", *offline, str(unpacked), cwd=folder)
    [built] = folder.glob("*.whl")
    return built


def test_the_package_data_take_every_file_of_the_models() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["dpr"]
    assert f"{BUNDLED_MODELS.name}/**/*" in patterns
    assert BUNDLED_MODELS.parent == ROOT / "dpr"
    assert BUNDLED_MODELS.resolve() == ROOT / "models"


@pytest.mark.slow
def test_a_wheel_has_the_models_and_the_page_and_stays_small(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packed = {name.removeprefix("dpr/bundled/") for name in names if name.startswith("dpr/bundled/")}
    assert packed == files_below(ROOT / "models")
    pages = {name.removeprefix("service/page/") for name in names if name.startswith("service/page/")}
    assert pages == files_below(ROOT / "service" / "page")
    assert len(names) == len(set(names))
    assert wheel.stat().st_size < MOST_BYTES


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed in; what it depends on is that of these tests."""
    folder = tmp_path_factory.mktemp("installed") / "site"
    to_folder = ("--no-deps", "--no-index", "--target", str(folder))
    run(sys.executable, "-m", "pip", "install", *to_folder, str(wheel), cwd=folder.parent)
    return folder


@contextmanager
def serving(command: Path, index: Path, **variables: str) -> Iterator[str]:
    """Serve an index on a free port; yield its address."""
    arguments = [str(command), "--index", str(index), "--port", "0", "--json"]
    with subprocess.Popen(arguments, cwd=index.parent, env=os.environ | variables, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["address"]
        finally:
            server.terminate()


@pytest.mark.slow
def test_an_installation_builds_serves_and_answers_in_both_languages(installed: Path, tmp_path: Path) -> None:
    offline = {"PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    articles = []
    for language, title in {"english": "Chess", "korean": "제주도"}.items():
        file = ROOT / "examples" / "demo" / f"{language}.json"
        articles += [one for one in json.loads(file.read_text(encoding="utf-8"))["data"] if one["title"] == title]
    assert len(articles) == 2
    (tmp_path / "articles.json").write_text(json.dumps({"data": articles}, ensure_ascii=False), encoding="utf-8")
    programs, index = installed / "bin", tmp_path / "index"
    build = (str(programs / "dpr-index"), "build", "--corpus", "squad:articles.json", "--output", str(index))
    built = json.loads(run(*build, "--json", cwd=tmp_path, **offline))
    assert built["encoder"] == PAIR
    answers = {
        "Which company built the computer Deep Blue?": "IBM",
        "한라산 정상에 있는 화구호의 이름은 무엇인가?": "백록담",
    }
    for question, answer in answers.items():
        ask = (str(programs / "dpr"), "ask", question, "--index", str(index), "--json")
        assert json.loads(run(*ask, cwd=tmp_path, **offline))["answers"][0]["text"] == answer
    with serving(programs / "dpr-serve", index, **offline) as address:
        for question, answer in answers.items():
            body = json.dumps({"question": question}).encode()
            request = Request(f"{address}/v1/query", body, {"content-type": "application/json"})  # noqa: S310
            with urlopen(request, timeout=120) as response:  # noqa: S310  # our own server
                [result] = json.load(response)["results"]
            assert (result["is_answered"], result["answers"][0]["text"]) == (True, answer)


@pytest.mark.slow
def test_an_installation_finds_the_models_and_their_bases_by_name(installed: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    base = {"base_model_name_or_path": "e5-small-ko-en"}
    (adapter / "adapter_config.json").write_text(json.dumps(base), encoding="utf-8")
    offline = {"PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"}
    facts = json.loads(run(sys.executable, "-c", PROGRAM, *MODELS, str(adapter), cwd=tmp_path, **offline))
    bundled = installed / "dpr" / "bundled"
    assert Path(facts["package"]).parent == installed / "dpr"
    assert facts["folders"] == [*(str(bundled / name) for name in MODELS), str(adapter)]
    assert facts["bases"][1] == facts["bases"][2] == str(bundled / "e5-small-ko-en")
    assert facts["hashes"][:2] == [content_hash(BUNDLED_MODELS / name) for name in MODELS]
    assert facts["encoder"] == PAIR
