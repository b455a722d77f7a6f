"""A word finds the passage that has it, whichever spelling the question and the passage have."""

from __future__ import annotations

import pytest

from dpr.sparse.counts import TermCounts
from dpr.sparse.engine import SparseEngine, SparseSegment
from dpr.sparse.rank_bm25 import RankBM25Engine
from dpr.sparse.spellings import expand_spellings
from dpr.text.registry import analyzer
from dpr.types import QuestionWords, SparseIndex

OTHERS = (
    "The man who took the bus saw that it was late.",
    "We had to do what they will do for us, and it is what it is.",
    "C is a letter and a language from the seventies.",
    "The net was thrown at home for a hundred dollars.",
    "It was raining. Who knows? That is all there is.",
    "The base of the army was built in 1998 with 40 men.",
    "They gave grade B and 3 pills of 500.",
    "그는 이 일을 보고 우리에게 갔다.",
    "그 사람은 나와 함께 하나의 일을 했다.",
)

TYPED = [
    *(("The Who", "The Who are a rock band."), ("the who", "The Who are a rock band."), ("who", "The Who are a band.")),
    *(
        ("IT", "They need an IT department."),
        ("it novel", "It is a horror novel."),
        ("us states", "The US has states."),
    ),
    *(("take that", "Take That are a pop group."), ("vitamin a", "Carrots have vitamin A."), ("WHO", "At the WHO.")),
    *(("Will", "In the series Will plays."), ("the the", "The group The The sang."), ("U.S.", "The US has states.")),
    *(("C++", "Programs in C++ run."), ("c#", "C# runs."), (".NET", "The .NET one."), ("A+", "She got an A+ there.")),
    *(("AT&T", "AT&T sells."), ("#metoo", "The #MeToo one."), ("$100", "It costs $100."), ("100%", "There 100% came.")),
    *(
        ("v2.0.1", "Release v2.0.1 came."),
        ("node.js", "It runs Node.js."),
        ("1/2", "Take 1/2 cup."),
        ("-40", "At -40 it is."),
    ),
    *(("a.kim@b.org", "Mail a.kim@b.org now."), ("SM-G991N", "The SM-G991N was sold."), ("KF-94", "A KF-94 mask.")),
    *(("GPT4", "GPT-4 came."), ("GPT-4", "GPT 4 came."), ("gpt 4", "GPT4 came."), ("3kg", "It weighs 3 kg.")),
    *(
        ("3 kg", "It weighs 3kg."),
        ("제2차", "제 2차 대전이 났다."),
        ("5G 망", "5G망을 깔았다."),
        ("COVID19", "COVID-19 came."),
    ),
    *(("wi-fi", "The wifi is slow."), ("wifi", "The wi-fi is slow."), ("wi fi", "The wifi is slow.")),
    *(("wifi", "The wi fi is slow."), ("email", "Send an e mail."), ("e-mail", "Send an email."), ("dont", "I don’t.")),
    *(
        ("data base", "Databases hold rows."),
        ("database", "Data bases hold rows."),
        ("you tube", "YouTube shows films."),
    ),
    *(
        ("youtube", "You Tube shows films."),
        ("snakecase", "Write snake_case there."),
        ("well-known", "A well known one."),
    ),
    *(
        ("2004", "Then in ２００４ it rained."),
        ("２００４", "Then in 2004 it rained."),
        ("km", "For 10㎞ more."),
        ("1", "제①항이다"),
    ),
    *(
        ("한글맞춤법", "한글 맞춤법을 고쳤다."),
        ("한글 맞춤법", "한글맞춤법을 고쳤다."),
        ("IT 회사", "IT회사에 다닌다."),
    ),
    *(
        ("가나", "가나는 아프리카에 있다."),
        ("봄", "봄에 꽃이 핀다."),
        ("비", "비는 가수이다."),
        ("우리은행", "우리 은행은 크다."),
    ),
    *(
        ("마리", "마리는 과학자이다."),
        ("나이키", "나이키는 회사이다."),
        ("㈜한글", "(주)한글 회사"),
        ("수", "수는 물질이다."),
    ),
]


def search(typed: str, texts: tuple[str, ...], name: str = "ko-en") -> list[int]:
    terms = analyzer(name)
    engine = SparseEngine([SparseSegment.alone(TermCounts.build(terms.batch(texts)), "bm25-lucene")], "bm25-lucene")
    questions = expand_spellings(list(terms.questions([typed])), engine, terms.halves)
    return [row for row in engine.search(questions, len(texts)).rows[0].tolist() if row >= 0]


RIVALS = [
    ("R&D", "R&D takes a tenth of sales.", "The letter R and vitamin D."),
    ("AT&T", "AT&T sells phones.", "Live At the T junction."),
    ("3D", "A 3D printer.", "A blue printer, 3 of them, and vitamin D."),
    ("Q&A", "The Q&A took long.", "Vitamin A and a Q."),
    ("Ph.D.", "A Ph.D. takes years.", "The ph of vitamin D."),
    ("A4 paper", "Print it on A4 paper.", "A paper on vitamin A, 4 pages."),
    ("IT", "Some IT-based work.", "They did it, and it was fine."),
    ("US", "A non-US firm.", "Let us go."),
    ("the who", "She sang 'The Who' songs.", "The man who took the bus."),
    ("Who wrote It?", "It is a horror novel.", "A comedy of manners."),
    ("Who is Will Smith?", "Will Smith acts in films.", "Smith is an actor."),
    ("e-mail", "Send an email soon.", "Send a mail soon."),
    ("wi fi", "The wifi is very weak.", "The fi is weak."),
    ("KF 94", "Wear KF-94 masks there.", "94 masks KF."),
    ("iPhone 15", "Then the iPhone15 came out.", "15 new iphones."),
    ("c♯", "C# runs on it.", "C is a letter."),
    ("x.org/a_b", "See https://x.org/a_b for more of it.", "x org a b"),
    ("3·1운동", "3.1운동이 온 나라에서 일어났다.", "3월 1일에 운동을 했다."),
    ("3.1운동", "3ㆍ1운동이 온 나라에서 일어났다.", "3월 1일에 운동을 했다."),
    ("카카오 톡", "카카오톡은 메신저이다.", "톡톡 튀는 카카오 콩이다."),
    ("R&D 투자", "회사가 R&D에 투자한다.", "R 회사가 비타민 D에 투자한다."),
]


@pytest.mark.parametrize(("typed", "passage", "rival"), RIVALS)
def test_it_is_before_a_passage_that_has_the_parts(typed: str, passage: str, rival: str) -> None:
    assert search(typed, (*OTHERS, rival, passage))[:1] == [len(OTHERS) + 1]


@pytest.mark.parametrize(("typed", "passage"), TYPED)
def test_the_passage_with_the_typed_word_is_first(typed: str, passage: str) -> None:
    assert search(typed, (*OTHERS, passage))[:1] == [len(OTHERS)]


@pytest.mark.parametrize(
    ("typed", "passage"),
    [
        ("가나", "가나는 아프리카에 있다."),
        ("우리은행", "우리 은행은 크다."),
        ("수", "수는 물질이다."),
        ("GPT4", "GPT-4는 모델이다."),
    ],
)
def test_morphemes_alone_find_it_too(typed: str, passage: str) -> None:
    assert search(typed, (*OTHERS, passage), "korean")[:1] == [len(OTHERS)]


@pytest.mark.parametrize("kind", ["ours", "rank-bm25"])
def test_another_spelling_counts_where_the_passages_have_it(kind: str) -> None:
    counts = TermCounts.build([["super", "bowl"], ["super"], ["bowl"], ["superbowl"], ["tube"], ["youtube"]])
    index: SparseIndex = SparseEngine([SparseSegment.alone(counts)]) if kind == "ours" else RankBM25Engine(counts)
    assert index.frequencies(["super", "none", "tube"]).tolist() == [2, 0, 1]

    halves: dict[str, list[tuple[str, ...]]] = {
        "bowlsuper": [("b", "owlsuper"), ("bowl", "super")],
        "none": [("no", "ne"), ()],
    }
    questions = [
        QuestionWords(["super", "bowl"], (("super", "bowl", "superbowl"),), {"super": "super"}),
        QuestionWords(["you", "tube"], (("you", "tube", "youtube"),)),
        QuestionWords(["bowlsuper"], (), {"bowlsuper": "bowlsuper"}),
        QuestionWords(["none"], (("none", "of", "noneof"),), {"none": "none"}),
    ]
    assert expand_spellings(questions, index, halves.__getitem__) == [
        ["super", "bowl"],  # more passages have the two than have it as one word
        ["you", "tube", "youtube", "youtube"],
        ["bowlsuper", "bowl", "super"],
        ["none"],
    ]
