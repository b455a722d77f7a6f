"""Prompts of well-known families of encoders, for models whose files record none.

They come from the model cards: E5 (Wang et al. 2022, 2024), BGE (Xiao et al. 2023), Arctic-Embed (Merrick et al. 2024),
Nomic Embed (Nussbaum et al. 2024), mxbai-embed and UAE. GTE, BGE-M3, Contriever and the models of sentence-transformers
have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SEARCH = "Represent this sentence for searching relevant passages: "
_WEB_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "


@dataclass(frozen=True, slots=True)
class Family:
    """A family of encoders: the pattern of its names, and its prompts."""

    name: str
    pattern: str
    question_prompt: str
    passage_prompt: str = ""


FAMILIES = (
    Family("E5 instruct", r"e5-(large|mistral-7b)-instruct", _WEB_SEARCH),
    Family("E5", r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised|-ko)?$|koe5$", "query: ", "passage: "),
    Family("BGE English", r"bge-(small|base|large)-en(-v1\.5)?$", _SEARCH),
    Family("BGE Chinese", r"bge-(small|base|large)-zh(-v1\.5)?$", "为这个句子生成表示以用于检索相关文章："),
    Family("Arctic-Embed 2", r"snowflake-arctic-embed-[ml]-v2\.0", "query: "),
    Family("Arctic-Embed", r"snowflake-arctic-embed-(xs|s|m|l|m-long|m-v1\.5)$", _SEARCH),
    Family("Nomic Embed", r"nomic-embed-text-v[12]", "search_query: ", "search_document: "),
    Family("mxbai-embed", r"mxbai-embed-(xsmall|large)-v1$", _SEARCH),
    Family("UAE", r"uae-large-v1$", _SEARCH),
)


def known_family(names: Iterable[str]) -> Family | None:
    """Return the family of a model by one of its names, such as ``intfloat/e5-base-v2`` or a folder ``e5-base-v2``."""
    for name in names:
        last = re.split(r"[/\\]|--", name.rstrip("/\\"))[-1].casefold()
        for family in FAMILIES:
            if re.search(rf"(?<![a-z0-9])(?:{family.pattern})", last):
                return family
    return None
