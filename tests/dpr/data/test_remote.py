"""Sources elsewhere, from fsspec's memory and from a web server of this machine: fetched once, and again if changed."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

from dpr.data import remote, stores  # noqa: E402
from dpr.data.intake import ReadRules  # noqa: E402
from dpr.data.passages import read_corpus  # noqa: E402
from dpr.data.remote import RemoteCopies  # noqa: E402
from dpr.data.stores import Address, address_of  # noqa: E402
from dpr.errors import DataError, MissingDependencyError  # noqa: E402

FILES = {
    "handbook/인사/휴가.md": "# 휴가\n\n연차는 15일이다.",
    "handbook/a.txt": "text a",
    "handbook/old/b.txt": "text b",
    "handbook/rows.jsonl": '{"id": "1", "text": "row"}\n',
    "handbook/picture.png": "",
    "handbook/.hidden.md": "hidden",
}


class Requests(SimpleHTTPRequestHandler):
    """Serves a folder; notes what is asked for, and answers some names as told."""

    asked: ClassVar[list[str]] = []
    broken: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        name = self.path.partition("?")[0]
        type(self).asked.append(name)
        if self.broken.get(name, 0) > 0:
            self.broken[name] -= 1
            self.send_error(503)
            return
        super().do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    for name, content in FILES.items():
        system.pipe_file(f"/store/{name}", content.encode())
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(remote, "WAIT_S", 0.01)
    folder = tmp_path / "served"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "rows.jsonl").write_text('{"id": "1", "text": "row"}\n', encoding="utf-8")
    (folder / "data" / "휴가 규정.md").write_text("# 휴가\n\n연차는 15일이다.", encoding="utf-8")
    Requests.asked, Requests.broken = [], {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Requests, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(folder: Path, url: str, **rules: Any) -> str:
    address = address_of(url)
    assert address is not None
    folder.mkdir(exist_ok=True)
    return RemoteCopies(folder, ReadRules(**rules)).fetch(address)


def names(source: str) -> list[str]:
    return sorted(passage.id for passage in read_corpus([source]))


def copies(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()} - {remote.STAMPS}


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("s3://bucket/docs", Address("s3://bucket/docs")),
        ("squad:https://h/t.json?a=1@:40", Address("https://h/t.json?a=1", "squad", "@:40")),
        ("/a/b", None),
        ("squad:/a/b", None),
        ("C:x", None),
    ],
)
def test_addresses(source: str, address: Address | None) -> None:
    assert address_of(source) == address


def test_the_name_of_an_address_has_no_signature() -> None:
    assert Address("https://h/t.json?a=1", "squad", "@:40").name == "squad:https://h/t.json@:40"
    assert Address("s3://bucket/docs").name == "s3://bucket/docs"


@pytest.mark.usefixtures("memory")
def test_a_folder_is_read_as_one_of_this_machine(tmp_path: Path) -> None:
    source = fetch(tmp_path / "copies", "memory://store/handbook/")
    assert names(source) == ["1", "handbook/a.txt", "handbook/old/b.txt", "handbook/인사/휴가.md"]
    assert copies(tmp_path / "copies") == {"a.txt", "b.txt", "휴가.md", "rows.jsonl"}


@pytest.mark.usefixtures("memory")
def test_patterns_and_rules_choose_what_is_fetched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = fetch(tmp_path / "a", "memory://store/handbook/**/*.txt")
    assert names(source) == ["handbook/a.txt", "handbook/old/b.txt"]
    fetch(tmp_path / "b", "memory://store/handbook", exclude=("old",), include=("*.txt", "*.png"))
    assert copies(tmp_path / "b") == {"a.txt"}
    assert "1 of .png" in caplog.text
    source = fetch(tmp_path / "c", "memory://store/handbook/rows.jsonl")
    assert names(source) == ["1"]


def test_only_what_changed_is_fetched_again(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    get = type(memory).get_file

    def noting(system: Any, path: str, *arguments: Any, **options: Any) -> None:
        fetched.append(path)
        get(system, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "get_file", noting)
    folder = tmp_path / "copies"
    source = fetch(folder, "memory://store/handbook")
    assert len(fetched) == 4
    before = {path: path.stat().st_mtime_ns for path in Path(source).rglob("*.txt")}
    fetched.clear()
    fetch(folder, "memory://store/handbook")
    assert not fetched
    memory.pipe_file("/store/handbook/a.txt", b"text a")  # written again with the same content
    memory.pipe_file("/store/handbook/new.txt", b"new")
    memory.rm("/store/handbook/old/b.txt")
    fetch(folder, "memory://store/handbook")
    assert sorted(fetched) == ["/store/handbook/a.txt", "/store/handbook/new.txt"]
    assert names(source) == ["1", "handbook/a.txt", "handbook/new.txt", "handbook/인사/휴가.md"]
    assert Path(source, "a.txt").stat().st_mtime_ns == before[Path(source, "a.txt")]
    assert not Path(source, "old").exists()


@pytest.mark.usefixtures("memory")
def test_kinds_of_one_address_keep_each_their_copies(tmp_path: Path) -> None:
    remote_copies = RemoteCopies(tmp_path)
    source = remote_copies.fetch(Address("memory://store/handbook", "beir"))
    other = remote_copies.fetch(Address("memory://store/handbook"))
    remote_copies.remove_others()
    assert sum(path.name == "a.txt" for path in tmp_path.rglob("*")) == 2
    assert Path(source.removeprefix("beir:"), "picture.png").is_file()
    assert not Path(other, "picture.png").exists()


def test_what_was_fetched_beside_a_failure_stays(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    all_begun, is_refused = threading.Barrier(4, timeout=30), threading.Event()
    get = type(memory).get_file

    def failing(system: Any, path: str, *arguments: Any, **options: Any) -> None:
        fetched.append(path)
        if not is_refused.is_set():
            all_begun.wait()
            if path.endswith("/a.txt"):
                is_refused.set()
                raise PermissionError(path)
            assert is_refused.wait(30)
        get(system, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "get_file", failing)
    with pytest.raises(DataError, match="what was fetched stays"):
        fetch(tmp_path / "copies", "memory://store/handbook")
    assert len(fetched) == 4
    fetched.clear()
    source = fetch(tmp_path / "copies", "memory://store/handbook")
    assert fetched == ["/store/handbook/a.txt"]
    assert len(names(source)) == 4


def test_names_that_lead_elsewhere_are_refused(memory: Any, tmp_path: Path) -> None:
    memory.pipe_file("/store/evil/../../../escaped.txt", b"text")
    with pytest.raises(DataError, match="whose name is no path of a file"):
        fetch(tmp_path / "copies", "beir:memory://store/evil")
    with pytest.raises(DataError, match="the folder has no"):
        fetch(tmp_path / "copies", "memory://store/evil")
    assert not list(tmp_path.rglob("escaped.txt"))


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_buckets_are_read_by_arrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

    for name, content in FILES.items():
        path = tmp_path / "store" / "bucket" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    monkeypatch.setattr(stores, "arrow_store", lambda *_: SubTreeFileSystem(str(tmp_path / "store"), LocalFileSystem()))
    source = fetch(tmp_path / "a", f"{scheme}://bucket/handbook")
    assert names(source) == ["1", "handbook/a.txt", "handbook/old/b.txt", "handbook/인사/휴가.md"]
    assert names(fetch(tmp_path / "b", f"{scheme}://anonymous@bucket/handbook/**/*.txt"))[-1] == "handbook/old/b.txt"
    with pytest.raises(DataError, match=f"{scheme}://bucket/absent: is not there"):
        fetch(tmp_path / "c", f"{scheme}://bucket/absent")


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("memory://store/absent", "is not there; check the address"),
        ("memory://store/handbook/*.pdf", r"the pattern matches no .*file and no document"),
        ("gopher://host/a.txt", "the scheme gopher:// is unknown; use s3://, gs://, https:// or a path"),
        ("simplecache::memory://store/handbook", "unknown"),
        ("https://user:secret@127.0.0.1/a.txt", "a name or a password in it"),
        ("http://127.0.0.1:1/", "lists no files; name each file"),
    ],
)
def test_addresses_that_cannot_be_used(tmp_path: Path, url: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause) as error:
        RemoteCopies(tmp_path).fetch(Address(url))
    assert "secret" not in str(error.value)


def test_the_extra_is_named_where_a_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingDependencyError, match=r"'aiohttp' is not installed; .*\[remote\]"):
        RemoteCopies(tmp_path).fetch(Address("http://127.0.0.1/a.txt"))
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingDependencyError, match=r"'fsspec' is not installed; .*\[remote\]"):
        RemoteCopies(tmp_path).fetch(Address("s3://bucket/docs"))


def test_a_file_of_a_web_server(web: str, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    assert names(fetch(folder, f"{web}/data/rows.jsonl?signature=secret")) == ["1"]
    document = fetch(folder, f"{web}/data/%ED%9C%B4%EA%B0%80%20%EA%B7%9C%EC%A0%95.md")
    assert names(document) == ["휴가 규정.md"]
    Requests.asked = []
    fetch(folder, f"{web}/data/rows.jsonl?signature=another")
    assert Requests.asked == [], "it has the same time, so it is not fetched again"


def test_a_web_server_that_fails_for_a_moment_or_for_good(web: str, tmp_path: Path) -> None:
    Requests.broken = {"/data/rows.jsonl": 1}
    assert names(fetch(tmp_path / "a", f"{web}/data/rows.jsonl")) == ["1"]
    Requests.broken = {"/data/rows.jsonl": 9}
    with pytest.raises(DataError, match=r"cannot be fetched .*503.*what was fetched stays") as error:
        fetch(tmp_path / "b", f"{web}/data/rows.jsonl?signature=secret")
    assert "secret" not in str(error.value)
    with pytest.raises(DataError, match=r"absent\.jsonl: is not there"):
        fetch(tmp_path / "c", f"{web}/data/absent.jsonl")


def test_what_was_fetched_stays_after_an_error(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get, fetched = type(memory).get_file, []

    def failing(system: Any, path: str, *arguments: Any, **options: Any) -> None:
        if path.endswith("b.txt"):
            raise OSError("connection reset")
        fetched.append(path)
        get(system, path, *arguments, **options)

    monkeypatch.setattr(remote, "WAIT_S", 0.0)
    monkeypatch.setattr(remote, "AT_A_TIME", 1)
    monkeypatch.setattr(type(memory), "get_file", failing)
    with pytest.raises(DataError, match=r"memory://store/handbook: /store/handbook/old/b.txt cannot be fetched"):
        fetch(tmp_path / "copies", "memory://store/handbook")
    stamps = json.loads(next(tmp_path.rglob(remote.STAMPS)).read_text(encoding="utf-8"))
    assert "handbook/a.txt" in stamps
    assert {f"/store/{name}" for name in stamps} == set(fetched)
    monkeypatch.setattr(type(memory), "get_file", get)
    source = fetch(tmp_path / "copies", "memory://store/handbook")
    assert len(names(source)) == 4
