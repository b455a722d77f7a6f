"""The pictures of ``docs/architecture.md``: two journeys, each a column of stages, drawn as SVG.

    python -m website.diagrams

They are drawn here and not by Mermaid: the site needs no network, so it cannot load Mermaid's 3 MB from another host.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from website.pages import ROOT

WIDTH = 720
MARGIN = 12
GAP = 16
LINE_HEIGHT = 18
ARROW = 42
FILL = {"service": "#e3edfb", "index_builder": "#fdeed8", "dpr": "#e6f4e4"}
STROKE = {"service": "#3465a4", "index_builder": "#b36b00", "dpr": "#3d7d37"}


@dataclass(frozen=True, slots=True)
class Stage:
    """A box: what happens, and the modules that do it; the first one's package gives the colour."""

    title: str
    modules: tuple[str, ...]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return LINE_HEIGHT * (1 + len(self.modules)) + 2 * MARGIN


@dataclass(frozen=True, slots=True)
class Row:
    """Stages beside each other, and what flows from them to the next row; empty at the end."""

    stages: tuple[Stage, ...]
    flow: str = ""


QUESTION = (
    Row((Stage("Give the request an id, limit its size", ("service/middleware.py",)),), "JSON"),
    Row((Stage("Check fields and limits", ("service/requests.py", "service/routes/query.py")),), "QueryRequest"),
    Row((Stage("Take a permit, or refuse with 503; compute in the engine's thread", ("service/engine.py",)),), "work"),
    Row((Stage("QA.answer: check the questions, retrieve, read", ("dpr/pipeline.py",)),), "questions"),
    Row(
        (
            Stage("BM25: terms, postings", ("dpr/text/registry.py", "dpr/sparse/engine.py")),
            Stage("Dense: vector, nearest vectors", ("dpr/models/encoders.py", "dpr/dense/index_types.py")),
        ),
        "TopK: rows and scores of 100 candidates each",
    ),
    Row((Stage("Fuse the lists, question by question", ("dpr/search/fusion.py", "dpr/search/weighing.py")),), "Hit"),
    Row((Stage("Load the k passages from the mapped file", ("dpr/store/passages.py",)),), "Candidates"),
    Row(
        (
            Stage("Extractive reader: best span", ("dpr/reader/extractive/reader.py",)),
            Stage("or a chat model, checked", ("dpr/reader/generative/reader.py",)),
        ),
        "Reading: answers, probability",
    ),
    Row((Stage("Write the response; errors become one JSON shape", ("service/routes/query.py", "service/errors.py")),)),
)
"""A question over HTTP, from ``POST /v1/query`` to its response."""

PASSAGE = (
    Row((Stage("Options", ("index_builder/cli.py", "index_builder/build.py")),), "BuildOptions"),
    Row((Stage("Read the sources, collect bad rows", ("dpr/data/passages.py", "dpr/data/intake.py")),), "Passage"),
    Row(
        (Stage("Drop repeats, cut documents, write", ("index_builder/corpus.py", "dpr/store/passages.py")),),
        "passages.arrow",
    ),
    Row(
        (
            Stage(
                "Terms: analyze, count",
                ("index_builder/sparse.py", "dpr/text/korean_english.py", "dpr/sparse/counts.py"),
            ),
            Stage(
                "Vectors: windows, encode, vector index",
                ("index_builder/windows.py", "index_builder/encode.py", "index_builder/dense.py"),
            ),
        ),
        "an immutable segment: counts, vectors.npy",
    ),
    Row(
        (
            Stage(
                "Collection statistics: weights of postings, order of ids",
                ("index_builder/publish.py", "dpr/sparse/scheme.py"),
            ),
        ),
        "000001/, manifest",
    ),
    Row((Stage("Verify the files and their searches", ("index_builder/verify.py",)),), "verified generation"),
    Row((Stage("Publish by one rename of CURRENT", ("dpr/store/draft.py", "dpr/store/current.py")),)),
)
"""A passage through ``dpr-index build``, from a source to a published generation."""

JOURNEYS = {"journey-of-a-question": QUESTION, "journey-of-a-passage": PASSAGE}


def draw(rows: tuple[Row, ...]) -> str:
    """Return a journey as an SVG document, top to bottom."""
    shapes: list[str] = []
    top = MARGIN
    for row in rows:
        width = (WIDTH - 2 * MARGIN - GAP * (len(row.stages) - 1)) // len(row.stages)
        height = max(stage.height for stage in row.stages)
        for column, stage in enumerate(row.stages):
            shapes += _box(stage, MARGIN + column * (width + GAP), top, width, height)
        top += height
        if row.flow:
            shapes += _arrow(row.flow, top)
            top += ARROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + MARGIN}" width="{WIDTH}" '
        f'height="{top + MARGIN}" font-family="system-ui, sans-serif" font-size="14" text-anchor="middle">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *shapes, "</svg>", ""])


def _box(stage: Stage, x: int, top: int, width: int, height: int) -> list[str]:
    package = stage.modules[0].split("/")[0]
    middle, first = x + width // 2, top + MARGIN + LINE_HEIGHT - 4
    box = f'<rect x="{x}" y="{top}" width="{width}" height="{height}" rx="6" fill="{FILL[package]}"'
    lines = [f'<text x="{middle}" y="{first}" font-weight="600">{escape(stage.title)}</text>']
    for number, module in enumerate(stage.modules, start=1):
        text = f'<text x="{middle}" y="{first + LINE_HEIGHT * number}" font-size="12"'
        lines.append(f'{text} font-family="ui-monospace, monospace">{escape(module)}</text>')
    return [f'{box} stroke="{STROKE[package]}"/>', *lines]


def _arrow(flow: str, top: int) -> list[str]:
    middle, bottom = WIDTH // 2, top + ARROW
    label = f'<text x="{middle + 14}" y="{top + ARROW // 2 + 3}" font-size="12" text-anchor="start" fill="#333">'
    return [
        f'<path d="M{middle} {top + 3}V{bottom - 10}" stroke="#555"/>',
        f'<path d="M{middle - 5} {bottom - 11}h10l-5 8z" fill="#555"/>',
        f"{label}{escape(flow)}</text>",
    ]


def main() -> None:
    """Draw every journey."""
    for name, rows in JOURNEYS.items():
        (ROOT / "docs" / "images" / f"{name}.svg").write_text(draw(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
