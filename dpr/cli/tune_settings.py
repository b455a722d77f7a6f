"""``dpr tune --settings``: its questions and names, and the telling of what was chosen and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dpr.console import escape, print_json
from dpr.data.intake import ReadRules

if TYPE_CHECKING:
    from dpr.tuning.cross_validation import Stage
    from dpr.types import Example

SettingsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="In place of the weights alone, choose by cross-validation, with commas between: bm25 (k1 and b), "
        "fusion (method, weights, depth), rerank (its depth). A default stays unless the gain is above chance.",
    ),
]


def names_of(settings: str) -> tuple[str, ...]:
    """Return the names between commas."""
    return tuple(name.strip() for name in settings.split(",") if name.strip())


def read_sources(questions: Sequence[str], rules: ReadRules) -> tuple[list[Example], int]:
    """Return the questions of all sources, and how many judged ones have no text."""
    from dpr.data.passages import read_examples

    sources = [read_examples(source, rules) for source in questions]
    return [example for source in sources for example in source], sum(source.without_text for source in sources)


def tell_settings(stages: Sequence[Stage], save_in: Path | None, as_json: bool) -> None:
    """Print the choices and how to use them; record a fusion in the index ``save_in``, if one is named and chosen."""
    from dpr.search.open import open_index
    from dpr.search.record import save_fusion
    from dpr.tuning.settings import fusion_of

    remedies = {}
    for stage in stages:
        if stage.keeps_default:
            continue
        selected = stage.selected
        if stage.name == "bm25":
            remedies[stage.name] = f"build the index again with --k1 {selected['k1']:g} --b {selected['b']:g}"
        elif stage.name == "rerank":
            depth = int(selected["depth"])
            remedies[stage.name] = f"use --rerank-depth {depth}" if depth else "leave --rerank out"
        elif save_in is not None:
            save_fusion(save_in, fusion_of(selected, open_index(save_in).fusion))
            remedies[stage.name] = "method, weights and depth are recorded in the index"
        else:
            remedies[stage.name] = "record method, weights and depth in the index with --save"
    if as_json:
        print_json({"stages": [{**stage.as_json(), "remedy": remedies.get(stage.name)} for stage in stages]})
        return
    for stage in stages:
        Console().print(escape(stage.sentence), highlight=False, soft_wrap=True)
        if stage.name in remedies:
            Console().print(f"  → {escape(remedies[stage.name])}", highlight=False, soft_wrap=True)
