from __future__ import annotations

from dpr.text.ngram import BigramAnalyzer


def test_hangul_by_twos_and_other_words_whole() -> None:
    terms = BigramAnalyzer().terms("대한민국은 2018년 KBS와 大韓")
    assert terms == ["대한", "한민", "민국", "국은", "년", "와", "2018", "kbs", "大韓"]


def test_a_noun_is_found_within_what_is_glued_to_it() -> None:
    analyzer = BigramAnalyzer()
    assert set(analyzer.terms("서울")) <= set(analyzer.terms("남서울에서는"))


def test_letters_and_digits_that_touch_are_two_words_and_one() -> None:
    assert BigramAnalyzer().terms("GPT-4") == BigramAnalyzer().terms("GPT4") == ["gpt", "4", "gpt4"]
