"""What a student is taught with: plain texts, parallel sentences, questions with their passages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dpr.data.parallel import SentencePair
from dpr.errors import ConfigError, DataError
from dpr.train.batches import Source, evenly
from dpr.train.distillation.teacher import PASSAGE, QUESTION, RoleText
from dpr.train.record import describe_sources
from dpr.train.seen_texts import SeenTexts
from dpr.train.vocabulary_fit import TEXTS, texts_of
from dpr.types import Passage

_KINDS = {
    "texts": "plain texts (--text)",
    "pairs": "parallel sentences (--parallel)",
    "sources": "questions with their passages (--data)",
}


@dataclass(frozen=True, slots=True)
class Uses:
    """The kinds of material that an objective can use, and those of which it needs one."""

    possible: tuple[str, ...]
    needed: tuple[str, ...]


USES: Mapping[str, Uses] = {
    "vectors": Uses(possible=("texts", "sources"), needed=("texts", "sources")),
    "parallel": Uses(possible=("texts", "pairs", "sources"), needed=("pairs",)),
    "scores": Uses(possible=("sources",), needed=("sources",)),
}


@dataclass(frozen=True, slots=True)
class Imitation:
    """A text whose vector shall be the one that the teacher has for ``taught``: the same text, or its source."""

    learned: RoleText
    taught: RoleText


@dataclass(frozen=True, slots=True)
class Material:
    """Texts and parallel sentences by the name of their source, and data sets of questions."""

    texts: Mapping[str, Sequence[Passage]] = field(default_factory=dict)
    pairs: Mapping[str, Sequence[SentencePair]] = field(default_factory=dict)
    sources: Sequence[Source] = ()

    def check(self, objective: str) -> None:
        """Refuse what an objective cannot learn from.

        Raises:
            ConfigError: a kind of material is given that the objective cannot use, or none that it needs.
            DataError: a source is empty.
        """
        uses = USES[objective]
        given = [kind for kind in _KINDS if getattr(self, kind)]
        for kind in given:
            if kind not in uses.possible:
                fitting = next(name for name, others in USES.items() if kind in others.possible)
                raise ConfigError(
                    f"the objective {objective!r} cannot use {_KINDS[kind]}; leave them out or choose {fitting!r}"
                )
        if not set(given) & set(uses.needed):
            needed = " or ".join(_KINDS[kind] for kind in uses.needed)
            raise ConfigError(f"the objective {objective!r} learns from {needed}; give some")
        sizes = [*self.texts.items(), *self.pairs.items(), *((one.name, one.examples) for one in self.sources)]
        for name, rows in sizes:
            if not rows:
                raise DataError(f"{name}: there is nothing in it to learn from; give another source")

    def described(self) -> dict[str, dict[str, object]]:
        """Return what a record says of each source: how much it holds, and a hash of it."""
        texts = {
            name: _described("texts", (f"{one.title}\t{one.text}" for one in rows)) for name, rows in self.texts.items()
        }
        pairs = {
            name: _described("pairs", (f"{one.source}\t{one.target}" for one in rows))
            for name, rows in self.pairs.items()
        }
        return {**texts, **pairs, **describe_sources(self.sources)}

    def sample(self) -> list[str]:
        """Return a sample of the texts, about as many of each source."""
        share = max(1, TEXTS // (2 * (len(self.texts) + len(self.pairs) + 1)))
        texts = [passage.text for rows in self.texts.values() for passage in evenly(rows, share)]
        pairs = [pair for rows in self.pairs.values() for pair in evenly(rows, share)]
        sentences = [sentence for pair in pairs for sentence in (pair.source, pair.target)]
        return [*texts, *sentences, *(texts_of(self.sources) if self.sources else [])]

    def imitations(self, plain_roles: Sequence[int]) -> list[Imitation]:
        """Return the texts to learn, each once; plain texts and sentences are learned in each of ``plain_roles``."""
        return list(dict.fromkeys(self._imitations(plain_roles)))

    def _imitations(self, plain_roles: Sequence[int]) -> Iterator[Imitation]:
        for texts in self.texts.values():
            for text in texts:
                yield from (_same(role, text) for role in plain_roles)
        for pairs in self.pairs.values():
            for pair in pairs:
                for role in plain_roles:
                    source = RoleText(role, pair.source, id=pair.id)
                    yield Imitation(source, source)
                    yield Imitation(RoleText(role, pair.target, id=pair.id), source)
        for data in self.sources:
            for example in data.examples:
                yield _same(QUESTION, Passage(example.question.id, example.question.text))
                yield from (_same(PASSAGE, passage) for passage in (*example.positives, *example.negatives))


def _same(role: int, passage: Passage) -> Imitation:
    text = RoleText.of(role, passage)
    return Imitation(text, text)


def _described(unit: str, lines: Iterable[str]) -> dict[str, object]:
    seen = SeenTexts(lines)
    count = sum(1 for _ in seen)
    return {unit: count, "sha256": seen.seen.sha256}
