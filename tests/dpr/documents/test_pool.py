"""Bad documents, and what they can do to the process that converts them: each is one sentence, and the others go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from dpr.documents import pool
from dpr.documents.document import Converted
from dpr.documents.limits import DocumentLimits
from dpr.documents.pool import Request, convert_all, process_count
from dpr.errors import ConfigError, DocumentError, MissingDependencyError
from tests.documents.content import TEXTS
from tests.documents.make import WRITERS, write_docx, write_html, write_pdf, write_text

TEXT = TEXTS[0]


def results(paths: Sequence[Path], limits: DocumentLimits | None = None) -> list[Converted | DocumentError]:
    requests = (Request(path.name, path, path.suffix) for path in paths)
    converted = list(convert_all(requests, limits or DocumentLimits(), processes=2))
    assert [name for name, _ in converted] == [path.name for path in paths]
    return [result for _, result in converted]


def error_of(path: Path, limits: DocumentLimits | None = None) -> str:
    (result,) = results([path], limits)
    assert isinstance(result, DocumentError)
    return str(result)


def test_documents_come_in_their_order_and_bad_ones_between_them(tmp_path: Path) -> None:
    paths = []
    for number in range(12):
        path = tmp_path / f"{number}.txt"
        path.write_text("" if number % 3 == 0 else f"text {number}", encoding="utf-8")
        paths.append(path)
    for number, result in enumerate(results(paths)):
        if number % 3 == 0:
            assert str(result) == "is empty"
        else:
            assert isinstance(result, Converted)
            assert result.blocks[0].text == f"text {number}"


def test_an_encrypted_pdf(tmp_path: Path) -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption

    path = tmp_path / "a.pdf"
    write_pdf(TEXT, path, encrypt=StandardEncryption("secret"))
    assert error_of(path) == "is encrypted; save it without a password"


def test_a_scan_without_text_and_one_page_of_it(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    for name, has_text in (("scan.pdf", False), ("half.pdf", True)):
        canvas = Canvas(str(tmp_path / name))
        canvas.rect(100, 100, 200, 200, fill=1)
        canvas.showPage()
        if has_text:
            canvas.drawString(100, 700, "A page with a text.")
        canvas.showPage()
        canvas.save()
    assert error_of(tmp_path / "scan.pdf").startswith("has no text: its 2 pages are images, as of a scan; recognize")
    (half,) = results([tmp_path / "half.pdf"])
    assert isinstance(half, Converted)
    assert half.notes == ("1 of its 2 pages have no text, as scans have none",)


@pytest.mark.parametrize("ending", [".pdf", ".docx", ".pptx", ".hwpx"])
def test_damaged_files(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    WRITERS[ending](TEXT, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3] if ending != ".pdf" else content[:200])
    assert "damaged" in error_of(path)


def test_damaged_inside_of_an_archive(tmp_path: Path) -> None:
    write_docx(TEXT, tmp_path / "whole.docx")
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(tmp_path / "whole.docx") as whole, zipfile.ZipFile(path, "w") as archive:
        for item in whole.infolist():
            content = whole.read(item)
            archive.writestr(item, content[:500] if item.filename == "word/document.xml" else content)
    assert error_of(path).startswith("cannot be read as .docx (XMLSyntaxError")


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as member:
        for _ in range(100):
            member.write(bytes(1 << 20))
    assert error_of(path) == "unpacks to 100 MiB, more than 100 times its size; open it and check it"


def test_wrong_endings(tmp_path: Path) -> None:
    write_pdf(TEXT, tmp_path / "whole.pdf")
    write_docx(TEXT, tmp_path / "whole.docx")
    cases = {
        "a.txt": ("whole.pdf", "is a PDF document; let its name end in .pdf"),
        "a.pdf": ("whole.docx", "is a ZIP archive, as office files are; let its name end in .docx, .pptx or .hwpx"),
        "a.pptx": ("whole.docx", "is a ZIP archive without ppt/presentation.xml, so it is another kind of file"),
    }
    for name, (other, cause) in cases.items():
        (tmp_path / name).write_bytes((tmp_path / other).read_bytes())
        assert error_of(tmp_path / name).startswith(cause)
    (tmp_path / "b.docx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert error_of(tmp_path / "b.docx").startswith("is an office file that is encrypted or of an old program")
    (tmp_path / "c.md").write_bytes(b"abc\0def")
    assert error_of(tmp_path / "c.md").startswith("has NUL characters")
    assert error_of(tmp_path / "absent.md") == "cannot be opened: No such file or directory"


def test_a_huge_page_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    assert error_of(path) == "has 1,024 MiB, more than the 256 of a document; split it"


def test_a_document_that_needs_too_much_memory_or_has_too_much_text(tmp_path: Path) -> None:
    page, text = tmp_path / "a.html", tmp_path / "a.txt"
    page.write_text("<p>x<b>y" * 1_000_000, encoding="utf-8")
    text.write_text("가나다라 마바사\n\n" * 1_600_000, encoding="utf-8")
    write_text(TEXT, tmp_path / "good.txt")
    first, second, good = results([page, text, tmp_path / "good.txt"], DocumentLimits(memory_mib=256))
    assert str(first).startswith(("needs more than 256 MiB of memory", "ends its converter"))
    assert str(second).startswith("has more than 16 MiB of text") or "memory" in str(second)
    assert isinstance(good, Converted)


def test_processes_share_the_memory_and_a_large_document_has_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory: list[int] = []
    make = pool._Process

    def record(limits: DocumentLimits, memory_mib: int) -> pool._Process:
        memory.append(memory_mib)
        return make(limits, memory_mib)

    monkeypatch.setattr(pool, "_Process", record)
    page = tmp_path / "large.html"
    page.write_text(("<p>x" + "<i>y</i>" * 20) * 50_000, encoding="utf-8")
    paths = [page]
    for number in range(8):
        paths.append(tmp_path / f"{number}.txt")
        paths[-1].write_text(f"text {number}", encoding="utf-8")
    assert all(isinstance(result, Converted) for result in results([*paths, page], DocumentLimits(memory_mib=512)))
    assert {256, 512} == set(memory)
    assert memory.count(512) == 2
    assert process_count(256) <= 2


def test_a_process_that_dies_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(TEXT, tmp_path / "a.txt")
    monkeypatch.setattr(pool, "WORKER", ("-c", "import os; input(); input(); os.abort()"))
    assert [str(result) for result in results([tmp_path / "a.txt"] * 5)] == [
        "ends its converter (SIGABRT); open and save it anew"
    ] * 5


def test_a_process_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(TEXT, tmp_path / "a.txt")
    monkeypatch.setattr(pool, "WORKER", ("-c", "import time; input(); input(); time.sleep(60)"))
    assert error_of(tmp_path / "a.txt", DocumentLimits(seconds=1)) == "takes more than 1 seconds to convert; split it"


def test_a_process_is_ended_with_those_that_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(TEXT, tmp_path / "a.txt")
    note = tmp_path / "pid"
    program = f"import os, time; input(); input(); open({str(note)!r}, 'w').write(str(os.fork() or os.getpid()))"
    monkeypatch.setattr(pool, "WORKER", ("-c", f"{program}; time.sleep(60)"))
    assert error_of(tmp_path / "a.txt", DocumentLimits(seconds=2)).startswith("takes more than 2 seconds")
    pid = int(note.read_text(encoding="utf-8"))
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def test_a_worker_that_nobody_ends_is_ended_by_the_system(tmp_path: Path) -> None:
    program = (
        "import os, resource; from dpr.documents import worker; os.cpu_count = lambda: 1; worker._limit_seconds(0)\n"
        "while True: pass"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=_environment(), timeout=60, check=False)
    assert ended.returncode == -signal.SIGXCPU


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(pool.__file__).parents[2])}


def test_processes_end_with_the_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[pool._Process] = []
    make = pool._Process

    def record(limits: DocumentLimits, memory_mib: int) -> pool._Process:
        started.append(make(limits, memory_mib))
        return started[-1]

    monkeypatch.setattr(pool, "_Process", record)
    for number in range(20):
        write_html(TEXT, tmp_path / f"{number}.html")
    iteration = convert_all((Request(path, path, ".html") for path in sorted(tmp_path.iterdir())), processes=2)
    next(iter(iteration))
    iteration.close()  # type: ignore[attr-defined]  # it is a generator
    assert started
    assert not any(process.is_alive for process in started)


def test_limits_out_of_range_and_an_absent_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for limits in ({"mib": 0}, {"seconds": 0}, {"memory_mib": 100}):
        with pytest.raises(ConfigError):
            DocumentLimits(**limits)
    from dpr.documents import formats

    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    formats.require_packages([".txt", ".md"])
    with pytest.raises(MissingDependencyError, match=r"'pypdfium2' is not installed; .*\[documents\]"):
        formats.require_packages([".pdf"])


def test_a_reply_is_whole_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large reply comes through the pipe in pieces."""
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(f"문단 {number}" for number in range(100_000)), encoding="utf-8")
    (result,) = results([path])
    assert isinstance(result, Converted)
    assert len(result.blocks) == 100_000
    assert json.dumps(result.blocks[-1].text)
