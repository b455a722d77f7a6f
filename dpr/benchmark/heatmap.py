"""The heatmap of an inspection: the similarity of each question to each passage, before and after training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import numpy as np

from dpr.benchmark.charts import require_charts
from dpr.durable import replacing
from dpr.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KOREAN_FONTS = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Pretendard",
    "NanumGothic",
    "NanumBarunGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "UnDotum",
    "Baekmuk Gulim",
)
"""Fonts with Hangul and Latin letters, by their names on Linux, Windows and macOS."""

MAX_ANNOTATED = 16
"""Most questions for which each cell shows its number."""

_LABEL_COLUMNS = 40
"""Columns of a line of a label; twice as many with small letters for many rows."""

_LABEL_LINES = 4
"""A question of more lines is cut; ``inspection.json`` has it in full."""

_LINE_HEIGHT = 1.3
"""From one line of a label to the next, in sizes of its letters."""

_POINTS_PER_INCH = 72
_TITLE_CHARACTERS = 48
_GOLD = "#D55E00"


@dataclass(frozen=True, slots=True)
class Panel:
    """One matrix: ``similarities`` (N, N), question by passage, where passage *n* is the gold one of question *n*."""

    title: str
    encoder: str
    similarities: FloatArray


def draw_similarities(path: Path, panels: Sequence[Panel], questions: Sequence[str], measure: str) -> None:
    """Draw the matrices side by side on one scale into a PNG file, their gold passages outlined.

    A question's row is labelled with its number and, where an installed font has all letters, its text.

    Args:
        path: the PNG file, replaced when the picture is whole.
        panels: one or two matrices of the same size.
        questions: the N questions.
        measure: the name of the similarity, such as ``cosine``.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require_charts()
    from matplotlib.figure import Figure

    font = readable_font(questions)
    label_size = 10 if len(questions) <= 2 * MAX_ANNOTATED else 7
    columns = _LABEL_COLUMNS if len(questions) <= 2 * MAX_ANNOTATED else 2 * _LABEL_COLUMNS
    labels = _row_labels(questions, columns if font else None)
    most_lines = max(label.count("\n") + 1 for label in labels)
    label_inches = len(labels) * (most_lines * _LINE_HEIGHT + 0.5) * label_size / _POINTS_PER_INCH
    side = max(4.2, min(10.0, 1.2 + 0.5 * len(questions)), label_inches)
    lowest = min(float(panel.similarities.min()) for panel in panels)
    highest = max(float(panel.similarities.max()) for panel in panels)
    width = (4.4 if font else 1.6) + (side + 0.3) * len(panels)
    figure = Figure(figsize=(width, side + 1.5), layout="constrained")
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        image = axes.imshow(panel.similarities, cmap="Blues", vmin=lowest, vmax=highest)
        _label(axes, panel, _row_labels(questions) if number else labels, font, label_size)
        _mark(axes, panel.similarities, lowest, highest)
    caption = "outlined: the question's own gold passage"
    if len(questions) <= MAX_ANNOTATED:
        caption += "; bold: the most similar one of a row"
    figure.supxlabel(caption, fontsize=9)
    figure.colorbar(image, ax=figure.axes, shrink=0.8, pad=0.01, label=measure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, bbox_inches="tight")  # as large as its labels need


def number_text(value: float, decimals: int) -> str:
    """Return a rounded number; a negative one that rounds to zero has no sign."""
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"


def readable_font(texts: Iterable[str]) -> str | None:
    """Return an installed font that has every letter of the texts, or None."""
    from matplotlib.font_manager import FontProperties, fontManager, get_font

    letters = {ord(letter) for text in texts for letter in text if not letter.isspace()}
    installed = set(fontManager.get_font_names())
    for name in ("DejaVu Sans", *KOREAN_FONTS):
        if name in installed:
            file = fontManager.findfont(FontProperties(family=name))
            if letters <= set(get_font(file).get_charmap()):
                return name
    return None


def shortened(text: str, width: int) -> str:
    """Return a text on one line of at most ``width`` columns, of which a Hangul syllable takes two."""
    line = " ".join(text.split())
    if _columns(line) <= width:
        return line
    while _columns(line) >= width:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def in_lines(text: str, width: int, most_lines: int) -> str:
    """Return a text broken into lines of at most ``width`` (2 or more) columns; a wider word is broken, too.

    A text of more than ``most_lines`` lines is cut; the last line then ends with ``…``.
    """
    lines, words = [""], text.split()
    while words:
        joined = f"{lines[-1]} {words[0]}".strip()
        if _columns(joined) <= width:
            lines[-1] = joined
            words.pop(0)
        else:
            if _columns(words[0]) > width:
                start = f"{lines[-1]} ".lstrip()
                length = sum(_columns(start + words[0][: count + 1]) <= width for count in range(len(words[0])))
                lines[-1], words[0] = (start + words[0][:length]).rstrip(), words[0][length:]
            lines.append("")
    if len(lines) > most_lines:
        remaining = " ".join(lines[most_lines - 1 :])
        lines = [*lines[: most_lines - 1], shortened(remaining, width)]
    return "\n".join(lines)


def _row_labels(questions: Sequence[str], columns: int | None = None) -> list[str]:
    """Return each question's number, with its text in lines of this many columns, if ``columns`` is set."""
    numbers = [str(number) for number in range(1, len(questions) + 1)]
    if columns is None:
        return numbers
    labels = (f"{number}. {question}" for number, question in zip(numbers, questions, strict=True))
    return [in_lines(label, columns, _LABEL_LINES) for label in labels]


def _label(axes: Axes, panel: Panel, rows: Sequence[str], font: str | None, size: int) -> None:
    """Name the rows, the columns and the panel, with its encoder where a font can write that."""
    numbers = np.arange(len(rows))
    # with parse_math, a dollar sign would begin a formula
    axes.set_yticks(numbers, rows, multialignment="left", parse_math=False, family=font, fontsize=size)
    axes.set_xticks(numbers, [str(number + 1) for number in numbers], fontsize=size)
    axes.tick_params(length=0)
    axes.set_xlabel("gold passage of question")
    name = panel.encoder if len(panel.encoder) <= _TITLE_CHARACTERS else f"…{panel.encoder[1 - _TITLE_CHARACTERS :]}"
    right = int((panel.similarities.argmax(axis=1) == numbers).sum())
    title_font = readable_font([name])
    title = f"{panel.title}: {name}" if title_font else panel.title
    title += f"\ngold passage is the most similar: {right} of {len(rows)}"
    axes.set_title(title, fontsize=10, parse_math=False, family=title_font)


def _mark(axes: Axes, similarities: FloatArray, lowest: float, highest: float) -> None:
    """Outline the gold passages, write the numbers, each row's highest in bold, and part the cells."""
    from matplotlib.patches import Rectangle

    size = len(similarities)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(1, size) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, size) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    for row, values in enumerate(similarities):
        axes.add_patch(Rectangle((row - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=_GOLD, linewidth=1.6))
        if size <= MAX_ANNOTATED:
            for column, value in enumerate(values):
                style: dict[str, Any] = {"weight": "bold"} if column == values.argmax() else {}
                colour = "white" if value > lowest + 0.6 * (highest - lowest) else "black"
                text = number_text(value, decimals=2 if highest < 10 else 0)
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour, **style)
