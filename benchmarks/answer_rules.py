"""What the rules for "this passage holds the answer" find and mistake, over gold, random and retrieved passages.

    python benchmarks/answer_rules.py --squad dev-v1.1.json --korquad KorQuAD_v1.0_dev.json

Each rule is asked for every question about its own gold passage, about passages drawn at random, and about the first
hits of BM25; never about the gold passage among the others. In Korean, a further judge looks at the passages where the
answer stands as a string: Kiwi's morphemes tell whether it is a noun there or a part of another word. The judge is
no truth (a name it does not know it may cut in two), but it knows nothing of the rules' lists. With --nouns, it also
judges the list of particles alone, over every noun of a Korean text to which something is attached.
"""

from __future__ import annotations

import argparse
import random
import re
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from kiwipiepy import Kiwi
from rich.console import Console
from rich.table import Table

from benchmarks.machine import write_report
from dpr.data.passages import read_passages
from dpr.data.squad import read_squad
from dpr.evaluation.answers import has_answer, has_korean_answer
from dpr.evaluation.particles import end_of_word
from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.text.registry import analyzer
from dpr.types import Example, Passage

Report = dict[str, Any]
Rule = Callable[[Sequence[str], str], bool]
Pairs = dict[str, list[tuple[Example, Passage]]]

HANGUL = re.compile("[가-힣]")
LENGTHS = ("1", "2", "3 or more")
WRITTEN_ONTO_A_NOUN = ("J", "E", "XS", "VC", "NNB")  # Kiwi's tags: particles, endings, suffixes, copula, counters


def main() -> None:
    options = parse_options()
    console = Console()
    report: Report = {"settings": {"random": options.random, "retrieved": options.retrieved, "seed": options.seed}}
    for name, path in (("squad", options.squad), ("korquad", options.korquad)):
        if path is not None:
            console.print(f"{name} …")
            report[name] = measure(list(read_squad(path)), options, judges=name == "korquad")
    if options.nouns:
        console.print("nouns …")
        report["nouns"] = measure_nouns(read_passages(options.nouns))
    write_report(options.output, report)
    for name in ("squad", "korquad"):
        if name in report:
            console.print(table_of(name, report[name]))
    console.print(report.get("nouns", ""))
    console.print(f"written to {options.output}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, help="SQuAD 1.1's dev set")
    parser.add_argument("--korquad", type=Path, help="KorQuAD 1.0's dev set")
    parser.add_argument("--nouns", metavar="SOURCE", help="Korean passages, such as boolq:train.tsv")
    parser.add_argument("--random", type=int, default=20, help="random passages for each question")
    parser.add_argument("--retrieved", type=int, default=20, help="passages of BM25 for each question")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "answer_rules.json")
    return parser.parse_args()


def substring(answers: Sequence[str], text: str) -> bool:
    return any(plain(answer) in plain(text) for answer in answers)


def any_hangul(answers: Sequence[str], text: str) -> bool:
    """DPR's rule, but any Hangul may follow the last token: the simplest rule that a particle does not break."""
    return any(re.search(rf"(?<!\w){re.escape(plain(answer))}[가-힣]*(?!\w)", plain(text)) for answer in answers)


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


RULES: dict[str, Rule] = {
    "DPR": has_answer,
    "Korean-safe": has_korean_answer,
    "any Hangul after": any_hangul,
    "substring": substring,
}


def measure(examples: list[Example], options: argparse.Namespace, *, judges: bool) -> Report:
    """Ask every rule about every pair of question and passage."""
    passages = list({example.positives[0].id: example.positives[0] for example in examples}.values())
    pairs: Pairs = {
        "gold": [(example, example.positives[0]) for example in examples],
        "random": list(random_pairs(examples, passages, options.random, options.seed)),
        "retrieved": list(retrieved_pairs(examples, passages, options.retrieved)),
    }
    judge = Judge() if judges else None
    report: Report = {"questions": len(examples), "passages": len(passages)}
    for name, rule_pairs in pairs.items():
        verdicts, seconds = ask_rules(rule_pairs)
        true = [judge(example, passage) for example, passage in rule_pairs] if judge else None
        report[name] = {
            "pairs": len(rule_pairs),
            "rules": {rule: figures(verdicts[rule], true) for rule in RULES},
            "us_per_pair": {rule: 1e6 * spent / len(rule_pairs) for rule, spent in seconds.items()},
        }
        if true is not None:
            report[name]["held_by_morphemes"] = sum(true)
            report[name]["by_syllables"] = by_syllables(rule_pairs, verdicts, true)
    return report


def random_pairs(
    examples: Sequence[Example], passages: Sequence[Passage], count: int, seed: int
) -> Iterator[tuple[Example, Passage]]:
    generator = random.Random(seed)
    for example in examples:
        for passage in generator.sample(passages, count):
            if passage.id != example.positives[0].id:
                yield example, passage


def retrieved_pairs(
    examples: Sequence[Example], passages: Sequence[Passage], count: int
) -> Iterator[tuple[Example, Passage]]:
    terms = analyzer("ko-en")
    counts = TermCounts.build(terms.batch(f"{passage.title} {passage.text}" for passage in passages))
    engine = SparseEngine([SparseSegment.alone(counts, k1=1.2, b=0.75)])
    top = engine.search(
        [question.terms for question in terms.questions(example.question.text for example in examples)], count
    )
    for example, rows in zip(examples, top.rows.tolist(), strict=True):
        for row in rows:
            if row >= 0 and passages[row].id != example.positives[0].id:
                yield example, passages[row]


def ask_rules(pairs: Sequence[tuple[Example, Passage]]) -> tuple[dict[str, list[bool]], dict[str, float]]:
    """Return each rule's verdicts, and its seconds."""
    verdicts, seconds = {}, {}
    for name, rule in RULES.items():
        began = time.perf_counter()
        verdicts[name] = [rule(example.question.answers, passage.text) for example, passage in pairs]
        seconds[name] = time.perf_counter() - began
    return verdicts, seconds


def figures(verdicts: Sequence[bool], true: Sequence[bool] | None) -> Report:
    count = sum(verdicts)
    report: Report = {"held": count, "share": count / max(len(verdicts), 1)}
    if true is not None:
        report["mistaken"] = sum(verdict and not is_true for verdict, is_true in zip(verdicts, true, strict=True))
        report["missed"] = sum(is_true and not verdict for verdict, is_true in zip(verdicts, true, strict=True))
    return report


def by_syllables(
    pairs: Sequence[tuple[Example, Passage]], verdicts: dict[str, list[bool]], true: Sequence[bool]
) -> Report:
    """Divide the figures by the length of the answer, blanks left out."""
    lengths = [min(len("".join(plain(example.question.answers[0]).split())), 3) for example, _ in pairs]
    report: Report = {}
    for length, label in enumerate(LENGTHS, start=1):
        places = [position for position, found in enumerate(lengths) if found == length]
        told = [true[position] for position in places]
        report[label] = {"pairs": len(places), "held_by_morphemes": sum(told)}
        for rule, said in verdicts.items():
            report[label][rule] = figures([said[position] for position in places], told)
    return report


class Judge:
    """Tells by Kiwi's morphemes whether an answer stands in a passage as a word, with or without particles."""

    def __init__(self) -> None:
        self._kiwi = Kiwi(num_workers=1, load_multi_dict=False)
        self._analysed: dict[str, tuple[set[int], set[int], dict[int, str]]] = {}

    def __call__(self, example: Example, passage: Passage) -> bool:
        text = plain(passage.text)
        return any(
            self._is_word(passage, text, found.start(), found.end())
            for answer in example.question.answers
            for found in re.finditer(re.escape(plain(answer)), text)
        )

    def _is_word(self, passage: Passage, text: str, start: int, end: int) -> bool:
        starts, ends, tags = self._morphemes(passage, text)
        if start not in starts or end not in ends or (is_hangul(text, start - 1) and is_hangul(text, start)):
            return False
        return not is_hangul(text, end) or tags.get(end, "").startswith(WRITTEN_ONTO_A_NOUN)

    def _morphemes(self, passage: Passage, text: str) -> tuple[set[int], set[int], dict[int, str]]:
        if passage.id not in self._analysed:
            tokens = self._kiwi.tokenize(text)
            self._analysed[passage.id] = (
                {token.start for token in tokens},
                {token.start + token.len for token in tokens},
                {token.start: token.tag for token in reversed(tokens)},  # of 였, both 이 and 었, the first
            )
        return self._analysed[passage.id]


def measure_nouns(passages: Iterator[Passage]) -> Report:
    """Ask the list of particles about each noun that begins a word and does not end it, and Kiwi what follows."""
    kiwi = Kiwi(num_workers=1, load_multi_dict=False)
    report: Report = {
        length: {"held": 0, "held_by_morphemes": 0, "mistaken": 0, "missed": 0, "missed_xsn": 0, "nouns": 0}
        for length in ("one syllable", "more")
    }
    for passage in passages:
        text = plain(passage.text)
        tokens = kiwi.tokenize(text)
        tags = {token.start: token.tag for token in reversed(tokens)}
        for token in tokens:
            start, end = token.start, token.start + token.len
            if token.tag in ("NNG", "NNP") and is_word_begun(text, start, end):
                held = end_of_word(text, end, is_syllable=token.len == 1) is not None
                true = tags.get(end, "").startswith(WRITTEN_ONTO_A_NOUN)
                counts = report["one syllable" if token.len == 1 else "more"]
                counts["nouns"] += 1
                counts["held"] += held
                counts["held_by_morphemes"] += true
                counts["mistaken"] += held and not true
                counts["missed"] += true and not held
                counts["missed_xsn"] += true and not held and tags[end] == "XSN"  # 적, 성, 화: another noun
    return report


def is_word_begun(text: str, start: int, end: int) -> bool:
    """Tell whether a stretch is Hangul at the beginning of a Hangul word, which goes on after it."""
    is_whole = all(is_hangul(text, position) for position in range(start, end))
    return is_whole and not is_hangul(text, start - 1) and is_hangul(text, end)


def is_hangul(text: str, position: int) -> bool:
    return 0 <= position < len(text) and HANGUL.match(text, position) is not None


def table_of(name: str, report: Report) -> Table:
    title = f"{name}: {report['questions']:,} questions, {report['passages']:,} passages"
    table = Table("passages", "pairs", "rule", "holds the answer", "mistaken", "missed", title=title)
    for kind in ("gold", "random", "retrieved"):
        for rule, values in report[kind]["rules"].items():
            judged = [str(values.get(key, "")) for key in ("mistaken", "missed")]
            table.add_row(kind, f"{report[kind]['pairs']:,}", rule, f"{100 * values['share']:.3f} %", *judged)
    return table


if __name__ == "__main__":
    main()
