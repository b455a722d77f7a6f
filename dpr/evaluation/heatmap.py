"""The picture of an encoder's judgement: how similar each question is to each passage, before and after training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import numpy as np

from dpr.durable import replacing
from dpr.evaluation.chart import require_charts
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
"""Fonts with Hangul and Latin letters, by what they are called on Linux, Windows and macOS."""

MAX_ANNOTATED = 16
"""Up to so many questions, each cell shows its number."""

_LABEL_WIDTH = 40
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
        measure: what the numbers are, such as ``cosine``.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require_charts()
    from matplotlib.figure import Figure

    font = readable_font(questions)
    side = min(10.0, max(4.2, 1.2 + 0.5 * len(questions)))
    lowest = min(float(panel.similarities.min()) for panel in panels)
    highest = max(float(panel.similarities.max()) for panel in panels)
    width = (4.4 if font else 1.6) + (side + 0.3) * len(panels)
    figure = Figure(figsize=(width, side + 1.5), layout="constrained")
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        image = axes.imshow(panel.similarities, cmap="Blues", vmin=lowest, vmax=highest)
        _label(axes, panel, _row_labels(questions, with_text=font is not None and number == 0), font)
        _mark(axes, panel.similarities, lowest, highest)
    caption = "outlined: the question's own gold passage"
    if len(questions) <= MAX_ANNOTATED:
        caption += "; bold: the most similar one of a row"
    figure.supxlabel(caption, fontsize=9)
    figure.colorbar(image, ax=figure.axes, shrink=0.8, pad=0.01, label=measure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def number_text(value: float, decimals: int) -> str:
    """Return a rounded number, without the sign of a negative one that is rounded to nothing."""
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


def _in_two_lines(text: str, width: int) -> str:
    words = text.split()
    first: list[str] = []
    while words and _columns(" ".join([*first, words[0]])) <= width:
        first.append(words.pop(0))
    return "\n".join(line for line in (" ".join(first), shortened(" ".join(words), width)) if line)


def _row_labels(questions: Sequence[str], with_text: bool) -> list[str]:
    numbers = [str(number) for number in range(1, len(questions) + 1)]
    if not with_text:
        return numbers
    fitted = _in_two_lines if len(questions) <= MAX_ANNOTATED else shortened
    return [f"{number}. {fitted(text, _LABEL_WIDTH)}" for number, text in zip(numbers, questions, strict=True)]


def _label(axes: Axes, panel: Panel, rows: Sequence[str], font: str | None) -> None:
    """Name the rows, the columns and the panel, with its encoder where a font can write that."""
    numbers = np.arange(len(rows))
    size = 10 if len(rows) <= 2 * MAX_ANNOTATED else 7
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
