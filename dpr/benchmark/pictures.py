"""The charts of a report as SVG and PNG files, drawn from the page's own specifications."""

from __future__ import annotations

import logging
import re
from functools import cache
from pathlib import Path

from dpr.benchmark.chart_data import chart_data
from dpr.benchmark.chart_specs import chart_specs
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.words import words_of
from dpr.durable import replacing, write_atomically
from dpr.types import Progress, no_progress

logger = logging.getLogger(__name__)

SCALE = 2
NAMES = {
    "curve": "recall",
    "summary": "summary",
    "pairs": "pairs",
    "cost": "cost",
    "groups": "groups",
    "causes": "causes",
}
"""The file name of each chart."""

FONTS = (
    "Noto Sans CJK KR, Noto Sans KR, Apple SD Gothic Neo, Malgun Gothic, NanumGothic, UnDotum, "
    "DejaVu Sans, Helvetica, Arial, sans-serif"
)
"""Fonts with Hangul first. An SVG keeps its text as text, so that the machine that shows it chooses among them."""

ON_PAPER = {
    "width": 640,
    "autosize": {"type": "pad"},
    "config": {"background": "white", "font": FONTS, "view": {"stroke": None}, "axis": {"titleFontWeight": "normal"}},
}
"""What a picture adds to the specification of a chart."""

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


def draw_pictures(folder: Path, report: BenchmarkReport, progress: Progress = no_progress) -> list[Path]:
    """Draw every chart as SVG and as PNG; return the files.

    A PNG holds its letters as pixels. Where a chart has Hangul and this machine has no font with it, the PNG is left
    out, and a warning says what to install.
    """
    import vl_convert

    data, files = chart_data(report), []
    specs = chart_specs(report, words_of("en"))
    for number, (chart, spec) in enumerate(specs.items(), start=1):
        svg = vl_convert.vegalite_to_svg(spec | ON_PAPER | {"datasets": data})
        files.append(folder / f"{NAMES[chart]}.svg")
        write_atomically(files[-1], svg)
        if _HANGUL.search(svg) and not has_hangul_font():
            logger.warning(
                "%s.png is left out: it needs Hangul, and no font of this machine has it; install one, such as "
                "fonts-noto-cjk, or use %s.svg",
                *[NAMES[chart]] * 2,
            )
        else:
            files.append(folder / f"{NAMES[chart]}.png")
            with replacing(files[-1]) as temporary:
                temporary.write_bytes(vl_convert.svg_to_png(svg, scale=SCALE))
        progress("draw charts", number, len(specs))
    return files


@cache
def has_hangul_font() -> bool:
    """Return whether a font of this machine has Hangul: without one, every syllable is drawn as the same box."""
    import vl_convert

    def drawn(syllable: str) -> bytes:
        text = f'<text x="4" y="24" font-size="20" font-family="{FONTS}">{syllable}</text>'
        return vl_convert.svg_to_png(f'<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32">{text}</svg>')

    return drawn("한") != drawn("글")
