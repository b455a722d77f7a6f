from __future__ import annotations

import pytest

from dpr.text.registry import analyzer


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("We were running the libraries", ["run", "librari", "we"]),
        ("KBS는", ["는", "kbs", "kbs"]),
        ("2018년", ["년", "2018", "2018"]),
        ("AI를 읽는다", ["읽", "를", "읽는", "는다", "ai", "ai"]),
        ("곰은 물에서", ["곰", "물", "곰은", "물에", "에서", "곰", "물"]),
        ("GPT4는", ["는", "gpt", "4", "gpt", "4", "gpt4"]),
        ("대한민국(大韓民國)", ["대한민국", "대한", "한민", "민국", "大韓", "韓民", "民國"]),
        ("IT 회사", ["회사", "회사", "it", "it", "IT"]),
        ("it was", ["it", "was"]),
    ],
)
def test_each_script_has_its_own_rules(text: str, terms: list[str]) -> None:
    assert analyzer("ko-en").terms(text) == terms


def test_english_alone_is_analysed_as_english() -> None:
    text = "In 1990, the Libraries of Café 大韓 weren't running 3.5 miles"
    assert analyzer("ko-en").terms(text) == analyzer("english").terms(text)
