"""Korean endings of a noun: particles, the copula, some suffixes; with them, 서울 is found in 서울에서는.

A tail is suffixes, then particles and perhaps the copula, or an ending of the verb that 하다 or 되다 makes of the
noun. Many of them depend on the syllable before: 은, 을, 과 follow a final consonant, 는, 를, 와 a vowel. So 나가 is
perhaps 나 with a subject particle, and 나이 another word. Suffixes that make another noun or an adjective (적, 성, 화)
are not among them. It is a grammar without a dictionary: 종이 (paper) is also read as 종 (bell) with a particle. What
it finds and what it misses is measured in docs/decisions/0007-korean-answer-rule.md.
"""

from __future__ import annotations

import re
from functools import cache

HANGUL = "\uac00-\ud7a3"
"""The syllables of Hangul, as they appear in a character class of a regular expression."""

_FINALS, _RIEUL = 28, 8  # syllables come in groups of 28: without a final consonant, then with each; ㄹ is the eighth
_SYLLABLES = [chr(code) for code in range(0xAC00, 0xD7A4)]
_VOWELS = "".join(_SYLLABLES[::_FINALS])
_BEFORE_RO = _VOWELS + "".join(_SYLLABLES[_RIEUL::_FINALS])  # 부산으로, but 서울로 as 제주로

_TAIL, _END = f"[{HANGUL}]{{0,5}}", f"(?![{HANGUL}])"
_AFTER_CONSONANT, _AFTER_VOWEL = f"(?<=[{HANGUL}])(?<![{_VOWELS}])", f"(?<=[{_VOWELS}])"

_CASES = {
    _AFTER_CONSONANT: "은 을 이 과",
    _AFTER_VOWEL: "는 를 가 와",
    f"(?<=[{HANGUL}])(?<![{_BEFORE_RO}])": "으로",
    f"(?<=[{_BEFORE_RO}])": "로",
    "": "의 에 에서 에게",
}
_LONG_PARTICLES = {"": "까지 부터 처럼 보다 마다 조차 마저 에게서 한테"}
_SHORT_PARTICLES = {
    _AFTER_CONSONANT: "이랑 이나 이든 이라도 이야",
    _AFTER_VOWEL: "랑 나 든 라도 야",
    "": "서 써 엔 에선 께 께서 도 만 같이 만큼 밖에 뿐 대로 하고",
}
_COPULA_STEMS = {
    _AFTER_CONSONANT: "이다 이며 이고 이나 이라 이란 이던 이자 이면 이지 이기 이니 이거나 이므로 이어 이었 이였",
}
_COPULA_STEMS_AFTER_VOWEL = {
    _AFTER_VOWEL: "였 이다 이며 이고 이라 이란 이던 이자 이지만 이기도 이거나 이므로 이었 이였",
}
_COPULA_FORMS = {
    _AFTER_VOWEL: "다 며 고 라 라고 라고도 라는 라며 란 던",
    "": "인 인데 인지 일 임 임을 입니다 입니까",
}
_VERB_STEMS = {"": "하 한 할 함 합 해 했 되 된 될 됨 됩 돼 됐 시키 시킨 시킬 시킴 시켰 시켜 당하 당한 당했 받"}
_SUFFIXES = {"": "들 씨 님 측 등 쯤 경 가량 정도 이상 이하 이후 이전 동안 간 때 째 씩"}


def end_of_word(text: str, position: int, *, is_syllable: bool = False) -> int | None:
    """Return where the Hangul word ends that has a noun up to ``position``; None if what follows makes it another word.

    Args:
        text: in NFC, so that a syllable is one character.
        position: the offset after the noun's last syllable.
        is_syllable: the noun is one syllable alone, with which so many words begin that only a tail which begins with
            a case particle (은, 를, 의, 에서 …), a particle of two syllables or the copula with its 이 may follow.
    """
    tail = _tail(is_syllable).match(text, position)
    return tail.end() if tail else None


@cache
def _tail(is_syllable: bool) -> re.Pattern[str]:
    """Compile the grammar; its repetitions are bounded, so that no text makes it slow."""
    particles = _one_of(_CASES, _LONG_PARTICLES, _SHORT_PARTICLES)
    if is_syllable:
        first = f"{_one_of(_CASES, _LONG_PARTICLES)}{particles}{{0,2}}"
        return re.compile(f"(?:{first}|{_one_of(_COPULA_STEMS)}{_TAIL})?{_END}")
    copula = f"(?:{_one_of(_COPULA_STEMS, _COPULA_STEMS_AFTER_VOWEL)}{_TAIL}|{_one_of(_COPULA_FORMS)})"
    verb = _one_of(_VERB_STEMS) + _TAIL
    return re.compile(f"{_one_of(_SUFFIXES)}{{0,2}}(?:{particles}{{0,3}}{copula}?|{verb}){_END}")


def _one_of(*tables: dict[str, str]) -> str:
    """Return the alternatives of tables that give, for what must stand before, the words that may follow it."""
    groups = [f"{before}(?:{'|'.join(words.split())})" for table in tables for before, words in table.items()]
    return f"(?:{'|'.join(groups)})"
