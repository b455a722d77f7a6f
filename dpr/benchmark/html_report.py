"""The report as one HTML page that needs no server: data, charts, styles and code are all inside."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from dpr.benchmark.chart_data import chart_data, colours
from dpr.benchmark.chart_specs import chart_specs
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.traits import TRAINED_BY
from dpr.benchmark.verdict import pareto_front, verdict
from dpr.benchmark.words import LANGUAGES, all_words, words_of
from dpr.durable import write_atomically
from dpr.errors import MissingDependencyError
from dpr.versions import library_versions

PAGE = Path(__file__).parent / "page"
SHOWN_METRICS = ("recall@", "mrr@", "ndcg@")
SCRIPTS = ("report.js", "questions.js")


def require_page() -> None:
    """Raise MissingDependencyError unless what makes the page is installed; call it before long work."""
    for package, name in (("jinja2", "jinja2"), ("vl_convert", "vl-convert-python")):
        if find_spec(package) is None:
            raise MissingDependencyError.extra(name, "report")  # noqa: S610  not Django's


def write_html(path: Path, report: BenchmarkReport) -> None:
    """Write the page, atomically.

    Raises:
        MissingDependencyError: jinja2 or vl-convert-python is not installed.
    """
    require_page()
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=select_autoescape(default=True), undefined=StrictUndefined
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    machine = report.as_json()["machine"]
    first = report.systems[report.ranking[0]]
    page = environment.get_template("report.html.j2").render(
        report=report,
        verdict=verdict(report),
        front=pareto_front(report),
        colours=colours(report),
        words=all_words(),
        shown=[name for name in first.metrics if name.startswith(SHOWN_METRICS) or name == report.primary],
        short_source=short_source(report.question_set.source),
        machine=machine if isinstance(machine, dict) else {},
        versions=library_versions(),
        style=(PAGE / "report.css").read_text(encoding="utf-8"),
        charting=chart_library(),
        scripts=[(PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS],
        data=packed(page_data(report)),
    )
    write_atomically(path, page)


def short_source(source: str) -> str:
    """Return a source with the name of its file alone: ``squad:dev.json`` for ``squad:data/dev.json``."""
    kind, colon, path = source.partition(":")
    return f"{kind}{colon}{path.rpartition('/')[2]}" if colon else source.rpartition("/")[2]


@cache
def chart_library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which sets ``window.vegaEmbed``."""
    import vl_convert

    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # its stub lacks the default


def packed(data: Mapping[str, object]) -> str:
    """Return JSON values as base64 of gzip: a third of the size, and no character that means something in HTML."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), mtime=0)).decode("ascii")


def page_data(report: BenchmarkReport) -> dict[str, object]:
    """Return what the page's code needs, as JSON values."""
    words = {language: words_of(language) | trained_words(report, language) for language in LANGUAGES}
    return {
        "primary": report.primary,
        "firstHits": report.first_hits,
        "depth": report.depth,
        "systems": list(report.systems),
        "colours": colours(report),
        "words": words,
        "specs": {language: chart_specs(report, words[language]) for language in LANGUAGES},
        "rows": chart_data(report),
        "pairs": [pair.as_json() for pair in report.pairs],
        "questions": {
            "text": [question.text for question in report.questions],
            "answers": [list(question.answers[:3]) for question in report.questions],
            "ranks": {name: system.ranks.tolist() for name, system in report.systems.items()},
        },
        "explained": [
            {"question": entry["question"], "gold": entry["gold"], "causes": entry["missed_by"]}
            | {"evidence": entry["evidence"], "first": entry["first_hits"]}
            for entry in (disagreement.as_json() for disagreement in report.disagreements)
        ],
        "passages": {name: {"title": passage.title, "text": passage.text} for name, passage in report.passages.items()},
    }


def trained_words(report: BenchmarkReport, language: str) -> dict[str, str]:
    """Return the words of the groups that are named after the systems that were trained on their questions."""
    names = (
        group.value for group in report.groups if group.trait == "trained on" and group.value.startswith(TRAINED_BY)
    )
    template = words_of(language)["trained by"]
    return {name: template.format(systems=name.removeprefix(TRAINED_BY)) for name in names}
