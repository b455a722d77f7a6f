"""Make English questions on Korean passages: word-by-word glosses of Korean questions.

    python examples/english-glosses.py --parallel sts-en-ko.tsv.gz --parallel python-docs-en-ko.tsv.gz \
        --questions korquad.json --output glosses.json

A gloss is an English question word, then one English word for each Korean morpheme that carries meaning: "which 2008 2
11 dawn Sungryemun collapse?". The words come from a lexicon of the parallel texts by IBM model 1 in both directions
(Brown et al. 1993, "The mathematics of statistical machine translation"); names and nouns that it lacks are romanized.
Nobody asks like that. It teaches which English words and romanized names mean what a Korean passage says.

Questions are in DPR's training JSON; the glosses keep their positive passages.
"""

# ruff: noqa: SIM905  # lists of short words read better as text

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kiwipiepy import Kiwi, Token

MARKUP = re.compile(r":[a-z:]+:(?=`)|[`*\\]|(?<=\w)_(?=\s|$)|<[^>]*>")
MAX_CHARACTERS = 300
"""English lines that are longer are no part of the lexicon."""
ROUNDS = 5
MIN_COUNT = 2
MIN_SCORE = 0.03
"""Least product of both directions' probabilities."""
MIN_WORDS = 4
"""Words of a gloss, the question word included."""

STOP_WORDS = frozenset(
    "a an the of to in is are was were be been and or that this it its for on with as by at from not if will can you "
    "your has have had which when what".split()
)
LEXICON_TAGS = frozenset("NNG NNP VV VA MAG XR NR MM NP".split())
GLOSSED_TAGS = frozenset("NNG NNP VV VA XR NR SN SL".split())
COPIED_TAGS = frozenset(("SN", "SL"))
VERBS = frozenset(("VV", "VA"))
EMPTY = frozenset("것 수 중 때 년 월 일 위 곳 등 점 바 명 개 번 되/V 하/V 있/V 이/V 않/V 무엇".split())
QUESTION_WORDS = {
    **dict.fromkeys(("누구", "누가"), "who"),
    **dict.fromkeys(("무엇", "뭐"), "what"),
    **dict.fromkeys(("어느", "어떤", "무슨"), "which"),
    "언제": "when",
    "어디": "where",
    "몇": "how many",
    "얼마": "how much",
    "왜": "why",
    "어떻게": "how",
}

INITIALS = ("g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h")
VOWELS = tuple("a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i".split())
FINALS = ("", *"k k k n n n t l k m l l l p l m p p t t ng t t k t p t".split())

Lexicon = Mapping[str, str]
"""The best English word for a Korean morpheme."""
Probabilities = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallel", type=Path, action="append", required=True, help=".tsv.gz of English and Korean")
    parser.add_argument("--questions", type=Path, required=True, help="Korean questions in DPR's training JSON")
    parser.add_argument("--output", type=Path, required=True, help="the file of glosses, in the same form")
    options = parser.parse_args()
    kiwi = Kiwi(num_workers=1)
    lexicon = make_lexicon(kiwi, [line for path in options.parallel for line in translated(path)])
    rows = json.loads(options.questions.read_text(encoding="utf-8"))
    glosses = (gloss(tokens, lexicon) for tokens in kiwi.tokenize([row["question"] for row in rows]))
    glossed = [
        row | {"question": text, "hard_negative_ctxs": []}
        for row, text in zip(rows, glosses, strict=True)
        if len(text.split()) >= MIN_WORDS
    ]
    options.output.write_text(json.dumps(glossed, ensure_ascii=False), encoding="utf-8")
    print(f"{len(lexicon):,} morphemes in the lexicon, {len(glossed):,} of {len(rows):,} questions glossed")


def translated(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the short English lines whose translation has Hangul, both without markup."""
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in rows:
            english, korean = (MARKUP.sub("", cell).strip() for cell in row.rstrip("\n").split("\t"))
            if len(english) < MAX_CHARACTERS and re.search("[가-힣]", korean):
                yield english, korean


def make_lexicon(kiwi: Kiwi, lines: Sequence[tuple[str, str]]) -> Lexicon:
    """Return the English word that each morpheme most surely means, by both directions of the model."""
    korean = [
        [morpheme(token) for token in tokens if tag(token) in LEXICON_TAGS]
        for tokens in kiwi.tokenize([line for _, line in lines])
    ]
    english = [
        [word for word in re.findall(r"[a-z]+(?:'[a-z]+)?", line.lower()) if word not in STOP_WORDS]
        for line, _ in lines
    ]
    forth, back = ibm_model_1(korean, english), ibm_model_1(english, korean)
    counts = Counter(morph for line in korean for morph in set(line))
    lexicon = {}
    for morph, words in forth.items():
        score, word = max((share * back.get(word, {}).get(morph, 0.0), word) for word, share in words.items())
        if counts[morph] >= MIN_COUNT and score > MIN_SCORE:
            lexicon[morph] = word
    return lexicon


def ibm_model_1(sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> Probabilities:
    """Return the probability of each target word given a source word, by expectation maximization."""
    pairs = [(set(source), set(target)) for source, target in zip(sources, targets, strict=True)]
    together: Probabilities = defaultdict(lambda: defaultdict(float))
    for source, target in pairs:
        for word in source:
            for target_word in target:
                together[word][target_word] += 1
    probabilities = normalized(together)
    for _ in range(ROUNDS):
        expected: Probabilities = defaultdict(lambda: defaultdict(float))
        for source, target in pairs:
            for target_word in target:
                total = sum(probabilities[word].get(target_word, 0.0) for word in source if word in probabilities)
                for word in source if total else ():
                    if (share := probabilities.get(word, {}).get(target_word, 0.0) / total) > 1e-3:
                        expected[word][target_word] += share
        probabilities = normalized(expected)
    return probabilities


def normalized(counts: Probabilities) -> Probabilities:
    """Return counts as shares of each word's total."""
    totals = {word: sum(targets.values()) for word, targets in counts.items()}
    return {word: {target: n / totals[word] for target, n in targets.items()} for word, targets in counts.items()}


def gloss(tokens: Iterable[Token], lexicon: Lexicon) -> str:
    """Return the gloss of an analyzed question."""
    question_word, words = "", []
    for token in tokens:
        if token.form in QUESTION_WORDS and not question_word:
            question_word = QUESTION_WORDS[token.form]
        elif tag(token) in GLOSSED_TAGS and morpheme(token) not in EMPTY:
            words.append(in_english(token, lexicon))
    return " ".join((question_word or "what", *filter(None, words))) + "?"


def in_english(token: Token, lexicon: Lexicon) -> str:
    """Return a morpheme in English: copied, by the lexicon or romanized; empty where it is too short for that."""
    if tag(token) in COPIED_TAGS:
        return str(token.form)
    if (word := lexicon.get(morpheme(token))) is not None:
        return word
    if tag(token) == "NNP":
        return romanized(token.form).capitalize()
    return romanized(token.form) if tag(token) == "NNG" and len(token.form) > 1 else ""


def morpheme(token: Token) -> str:
    return f"{token.form}{'/V' if tag(token) in VERBS else ''}"


def tag(token: Token) -> str:
    """Return the part of speech without the mark of irregular verbs."""
    return str(token.tag).split("-")[0]


def romanized(text: str) -> str:
    """Return Hangul syllables in the Revised Romanization, letter by letter."""
    letters: list[str] = []
    for character in text:
        code = ord(character) - ord("가")
        if 0 <= code < 11172:
            letters += INITIALS[code // 588], VOWELS[code % 588 // 28], FINALS[code % 28]
        else:
            letters.append(character)
    return "".join(letters)


if __name__ == "__main__":
    main()
