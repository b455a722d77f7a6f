"""Distillation data: plain texts, parallel sentences, and questions with passages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dpr.data.parallel import SentencePair
from dpr.errors import ConfigError, DataError
from dpr.train.batches import Source, evenly
from dpr.train.distillation.teacher import PASSAGE, QUESTION, RoleText
from dpr.train.hashing_corpus import HashingCorpus
from dpr.train.record import describe_sources
from dpr.train.vocabulary_fit import TEXTS, texts_of
from dpr.types import Passage

_KINDS = {
    "texts": "plain texts (--text)",
    "pairs": "parallel sentences (--parallel)",
    "sources": "questions with their passages (--data)",
}


@dataclass(frozen=True, slots=True)
class Uses:
    """The kinds of data that an objective can use, and those of which it requires at least one."""

    possible: tuple[str, ...]
    required: tuple[str, ...]


USES: Mapping[str, Uses] = {
    "vectors": Uses(possible=("texts", "sources"), required=("texts", "sources")),
    "parallel": Uses(possible=("texts", "pairs", "sources"), required=("pairs",)),
    "scores": Uses(possible=("sources",), required=("sources",)),
}


@dataclass(frozen=True, slots=True)
class VectorTarget:
    """A text of the student whose vector should be that of ``teacher_text``: the same text, or its original."""

    student_text: RoleText
    teacher_text: RoleText


@dataclass(frozen=True, slots=True)
class DistillationData:
    """Texts and parallel sentences by the names of their sources, and data sets of questions."""

    texts: Mapping[str, Sequence[Passage]] = field(default_factory=dict)
    pairs: Mapping[str, Sequence[SentencePair]] = field(default_factory=dict)
    sources: Sequence[Source] = ()

    def check(self, objective: str) -> None:
        """Refuse data that an objective cannot learn from.

        Raises:
            ConfigError: the objective cannot use a kind of data, or lacks one that it requires.
            DataError: a source is empty.
        """
        uses = USES[objective]
        kinds = [kind for kind in _KINDS if getattr(self, kind)]
        for kind in kinds:
            if kind not in uses.possible:
                fitting = next(name for name, other_uses in USES.items() if kind in other_uses.possible)
                raise ConfigError(
                    f"the objective {objective!r} cannot use {_KINDS[kind]}; leave them out or choose {fitting!r}"
                )
        if not set(kinds) & set(uses.required):
            required = " or ".join(_KINDS[kind] for kind in uses.required)
            raise ConfigError(f"the objective {objective!r} learns from {required}; give some")
        sizes = [*self.texts.items(), *self.pairs.items(), *((source.name, source.examples) for source in self.sources)]
        for name, rows in sizes:
            if not rows:
                raise DataError(f"{name} is empty; give another source")

    def as_record(self) -> dict[str, dict[str, object]]:
        """Return the record's entry for each source: its size and its hash."""
        texts = {
            name: _source_record("texts", (f"{passage.title}\t{passage.text}" for passage in rows))
            for name, rows in self.texts.items()
        }
        pairs = {
            name: _source_record("pairs", (f"{pair.source}\t{pair.target}" for pair in rows))
            for name, rows in self.pairs.items()
        }
        return {**texts, **pairs, **describe_sources(self.sources)}

    def sample(self) -> list[str]:
        """Return a sample of the texts, about equally many of each source."""
        share = max(1, TEXTS // (2 * (len(self.texts) + len(self.pairs) + 1)))
        texts = [passage.text for rows in self.texts.values() for passage in evenly(rows, share)]
        pairs = [pair for rows in self.pairs.values() for pair in evenly(rows, share)]
        sentences = [sentence for pair in pairs for sentence in (pair.source, pair.target)]
        return [*texts, *sentences, *(texts_of(self.sources) if self.sources else [])]

    def vector_targets(self, plain_roles: Sequence[int]) -> list[VectorTarget]:
        """Return the targets of all texts, each once; plain texts and sentences have each of ``plain_roles``."""
        return list(dict.fromkeys(self._vector_targets(plain_roles)))

    def _vector_targets(self, plain_roles: Sequence[int]) -> Iterator[VectorTarget]:
        for texts in self.texts.values():
            for text in texts:
                yield from (_same(role, text) for role in plain_roles)
        for pairs in self.pairs.values():
            for pair in pairs:
                for role in plain_roles:
                    source = RoleText(role, pair.source, id=pair.id)
                    yield VectorTarget(source, source)
                    yield VectorTarget(RoleText(role, pair.target, id=pair.id), source)
        for dataset in self.sources:
            for example in dataset.examples:
                yield _same(QUESTION, Passage(example.question.id, example.question.text))
                yield from (_same(PASSAGE, passage) for passage in (*example.positives, *example.negatives))


def _same(role: int, passage: Passage) -> VectorTarget:
    text = RoleText.from_passage(role, passage)
    return VectorTarget(text, text)


def _source_record(unit: str, lines: Iterable[str]) -> dict[str, object]:
    corpus = HashingCorpus(lines)
    count = sum(1 for _ in corpus)
    return {unit: count, "sha256": corpus.digest.sha256}
