"""Read a generated reply: the passages that it cites, and the words that it quotes from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dpr.reader.generative.prompt import NO_ANSWER
from dpr.reader.overlap import share_characters
from dpr.text.scripts import HANGUL
from dpr.types import Answer, Passage, Reading

NOTHING_WRITTEN = "the generator wrote nothing"
NOTHING_CITED = "the answer cites none of the passages, so it has no support"

_CITATION = re.compile(r"\s*[\[【]\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*[\]】]")
_QUOTED = re.compile('"([^"\n]+)"|“([^”\n]+)”|「([^」\n]+)」|『([^』\n]+)』|‘([^’\n]+)’|\\*\\*([^*\n]+)\\*\\*')
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_EDGES = " \t\n\"“”「」『』‘’'*"
_STOPS = ".,;:!?。"


def read_reply(reply: str, passages: Sequence[Passage], n_best: int = 1) -> Reading:
    """Return the reading of a reply to a prompt with these passages; the number n means ``passages[n - 1]``.

    Citations of passages that do not exist are removed from the text. The question is answered if the text cites a
    passage and has no no-answer marker. Answers are the whole reply and its quotations, if they occur in a cited
    passage; their scores are 0, because a generator has none.
    """
    numbers = _Numbers(passages)
    text = _CITATION.sub(numbers.keep, _THOUGHT.sub("", reply)).strip()
    statement = _CITATION.sub("", text)
    if NO_ANSWER in statement:
        return Reading(text=statement.replace(NO_ANSWER, "").strip(_EDGES + _STOPS))
    if not statement.strip(_EDGES + _STOPS):
        return Reading(note=NOTHING_WRITTEN)
    cited = numbers.cited
    answers = tuple(_spans(statement, list(cited.values())))[:n_best]
    return Reading(answers, is_answered=bool(cited), text=text, cited=tuple(cited), note=numbers.note())


class _Numbers:
    """The numbers that a text cites: existing passages in the order of their first citation, and unknown numbers."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self.cited: dict[str, Passage] = {}
        self.unknown: dict[int, None] = {}

    def keep(self, citation: re.Match[str]) -> str:
        """Return a citation without its unknown numbers."""
        blank = " " if citation[0][0].isspace() else ""
        citations = [self._cite(int(number)) for number in re.findall(r"\d+", citation[1])]
        return blank + "".join(citations) if any(citations) else ""

    def _cite(self, number: int) -> str:
        if not 1 <= number <= len(self._passages):
            self.unknown[number] = None
            return ""
        passage = self._passages[number - 1]
        self.cited[passage.id] = passage
        return f"[{number}]"

    def note(self) -> str:
        """Return a sentence on wrong citations; empty if all are right."""
        if not self.cited:
            return NOTHING_CITED
        unknown = ", ".join(f"[{number}]" for number in self.unknown)
        return f"the generator also cited {unknown}, which is no passage" if unknown else ""


def _spans(text: str, passages: Sequence[Passage]) -> Iterator[Answer]:
    """Yield the phrases of a text that occur in its cited passages, each once and without overlaps."""
    spans: list[tuple[Passage, Answer]] = []
    for phrase in _phrases(text):
        for passage in passages:
            start = _find(phrase, passage.text)
            if start >= 0:
                answer = Answer(phrase, passage.id, start, start + len(phrase), 0.0, 0.0, 0.0)
                if not any(share_characters(passage, answer.start, answer.end, *earlier) for earlier in spans):
                    spans.append((passage, answer))
                    yield answer
                break


def _phrases(text: str) -> Iterator[str]:
    """Yield the whole text and each quotation in it, with and without the punctuation at the end."""
    for quoted in (text, *(next(filter(None, match.groups())) for match in _QUOTED.finditer(text))):
        phrase = quoted.strip(_EDGES)
        shorter = phrase.rstrip(_STOPS).strip(_EDGES)
        yield from dict.fromkeys(candidate for candidate in (phrase, shorter) if candidate)


def _find(phrase: str, text: str) -> int:
    """Return the offset of a phrase in a text at word boundaries, -1 if it does not occur."""
    start = text.find(phrase)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(phrase) : start + len(phrase) + 1]
        if not (_is_one_word(before, phrase[0]) or _is_one_word(phrase[-1], after)):
            return start
        start = text.find(phrase, start + 1)
    return -1


def _is_one_word(first: str, second: str) -> bool:
    """Tell whether two neighbouring characters belong to one word; Hangul never does, because it attaches particles."""
    return (
        first.isalnum()
        and second.isalnum()
        and not re.match(f"[{HANGUL}]", first)
        and not re.match(f"[{HANGUL}]", second)
    )
