"""What a generated reply says: which passages it cites, and which of its words stand in them letter by letter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dpr.reader.generative.prompt import NO_ANSWER
from dpr.reader.overlap import share_characters
from dpr.text.scripts import HANGUL
from dpr.types import Answer, Passage, Reading

NOTHING_WRITTEN = "the generator wrote nothing"
NOTHING_CITED = "the answer cites none of the passages, so nothing supports it"

_CITATION = re.compile(r"\s*[\[【]\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*[\]】]")
_QUOTED = re.compile('"([^"\n]+)"|“([^”\n]+)”|「([^」\n]+)」|『([^』\n]+)』|‘([^’\n]+)’|\\*\\*([^*\n]+)\\*\\*')
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_EDGES = " \t\n\"“”「」『』‘’'*"
_STOPS = ".,;:!?。"


def read_reply(reply: str, passages: Sequence[Passage], n_best: int = 1) -> Reading:
    """Return what a reply to a prompt with these passages says, the number n standing for ``passages[n - 1]``.

    Numbers of no passage are taken out of the text. The question is answered if the text cites a passage and has no
    no-answer marker. Answers are the reply as a whole and its quoted parts, where they stand in a cited passage; a
    generator gives no scores, so theirs are 0.
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
    """The numbers that a text cites: of passages, by id in the order of their first citation, and of none."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self.cited: dict[str, Passage] = {}
        self.unknown: dict[int, None] = {}

    def keep(self, citation: re.Match[str]) -> str:
        """Return a citation without its numbers of no passage."""
        blank = " " if citation[0][0].isspace() else ""
        kept = [self._known(int(number)) for number in re.findall(r"\d+", citation[1])]
        return blank + "".join(kept) if any(kept) else ""

    def _known(self, number: int) -> str:
        if not 1 <= number <= len(self._passages):
            self.unknown[number] = None
            return ""
        passage = self._passages[number - 1]
        self.cited[passage.id] = passage
        return f"[{number}]"

    def note(self) -> str:
        """Return what is wrong with the citations, empty where nothing is."""
        if not self.cited:
            return NOTHING_CITED
        unknown = ", ".join(f"[{number}]" for number in self.unknown)
        return f"the generator also cited {unknown}, which no passage has" if unknown else ""


def _spans(text: str, passages: Sequence[Passage]) -> Iterator[Answer]:
    """Yield where the phrases of a text stand in its cited passages, each once, no two over the same characters."""
    taken: list[tuple[Passage, Answer]] = []
    for phrase in _phrases(text):
        for passage in passages:
            start = _find(phrase, passage.text)
            if start >= 0:
                answer = Answer(phrase, passage.id, start, start + len(phrase), 0.0, 0.0, 0.0)
                if not any(share_characters(passage, answer.start, answer.end, *other) for other in taken):
                    taken.append((passage, answer))
                    yield answer
                break


def _phrases(text: str) -> Iterator[str]:
    """Yield the whole text and each quoted part of it, as it is and without the full stop at its end."""
    for part in (text, *(next(filter(None, match.groups())) for match in _QUOTED.finditer(text))):
        phrase = part.strip(_EDGES)
        shorter = phrase.rstrip(_STOPS).strip(_EDGES)
        yield from dict.fromkeys(found for found in (phrase, shorter) if found)


def _find(phrase: str, text: str) -> int:
    """Return where a phrase stands in a text without cutting a word in two, -1 where it does not."""
    start = text.find(phrase)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(phrase) : start + len(phrase) + 1]
        if not (_is_one_word(before, phrase[0]) or _is_one_word(phrase[-1], after)):
            return start
        start = text.find(phrase, start + 1)
    return -1


def _is_one_word(left: str, right: str) -> bool:
    """Tell whether two neighbouring characters belong to one word; Hangul attaches particles, so it never does."""
    return (
        left.isalnum() and right.isalnum() and not re.match(f"[{HANGUL}]", left) and not re.match(f"[{HANGUL}]", right)
    )
