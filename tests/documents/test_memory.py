"""Converting takes less than 1 GiB, the command and its converters together, whatever is in the folder."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from tests.documents.content import TEXTS
from tests.documents.make import write_docx, write_pdf

GIB = 1 << 30
MAIN = "from index_builder.cli import main; main()"


def write_folder(folder: Path) -> None:
    """Write large documents, those of the most paragraphs and of the longest text, and many small ones between them."""
    folder.mkdir()
    for number in range(2):
        (folder / f"a{number}-long.txt").write_text("연차 휴가는 열다섯 날이다. " * 400_000, encoding="utf-8")
        (folder / f"b{number}-paragraphs.txt").write_text(f"{number} 문단\n\n" * 95_000, encoding="utf-8")
        (folder / f"c{number}-page.html").write_text("<p>휴가<b>규정</b>" * 45_000, encoding="utf-8")
        (folder / f"d{number}-too-large.html").write_text("<p>x<b>y" * 1_000_000, encoding="utf-8")
    for number in range(100):
        (folder / f"e{number}.md").write_text(f"# Page {number}\n\nText of {number}.", encoding="utf-8")
    for number in range(20):
        write_docx(TEXTS[number], folder / f"f{number}.docx")
        write_pdf(TEXTS[number], folder / f"g{number}.pdf")


def peak_bytes(command: list[str]) -> int:
    """Run a command; return the largest sum of the memory of it and its children, shared pages counted once."""
    with tempfile.TemporaryFile() as errors:
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        peak = 0
        while process.poll() is None:
            total = 0
            for each in (process, *process.children(recursive=True)):
                try:
                    total += each.memory_full_info().pss
                except psutil.Error:
                    continue
            peak = max(peak, total)
            time.sleep(0.02)
        errors.seek(0)
        assert process.returncode == 0, errors.read().decode()
    return peak


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", ["convert", "build"])
def test_converting_takes_less_than_a_gib(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "folder"
    write_folder(folder)
    program = (
        f"from dpr.data.passages import read_corpus; print(sum(1 for _ in read_corpus([{str(folder)!r}])))"
        if command == "convert"
        else MAIN
    )
    options = [
        "build",
        "--corpus",
        str(folder),
        "--output",
        str(tmp_path / "index"),
        "--no-dense",
        "--analyzer",
        "words",
    ]
    peak = peak_bytes([sys.executable, "-c", program, *(options if command == "build" else [])])
    assert peak < GIB, f"{peak >> 20} MiB"
