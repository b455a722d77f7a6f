from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpr.config import OFFLINE_BASE
from dpr.data.plain_text import PlainText
from dpr.errors import ConfigError, DataError, ModelError
from dpr.models.checkpoint import load_model, load_tokenizer, resolve
from dpr.train.adaptation.vocabulary import SYLLABLE_END, extend_vocabulary, resize_embeddings
from dpr.train.adaptation.wordpieces import PieceCounts

KOREAN = [
    "대한민국의 수도는 서울특별시이다.",
    "서울특별시에서 대한민국의 국회가 열린다.",
    "KBS는 2020년에 대한민국에서 방송을 했다. KBS는 2021년에도 방송을 했다.",
    "영화가 재미있다ㅋㅋㅋ 영화는 재미있다ㅋㅋㅋ 영화도 ㅋㅋㅋ",
] * 5


@pytest.fixture(scope="module")
def old() -> Any:
    tokenizer = load_tokenizer(resolve(OFFLINE_BASE))
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


@pytest.fixture(scope="module")
def extended(old: Any) -> tuple[Any, list[str]]:
    return extend_vocabulary(old, KOREAN, PieceCounts(600))


@pytest.fixture(scope="module")
def new(extended: tuple[Any, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The extended tokenizer as others see it: saved beside a BERT's configuration, and loaded."""
    from transformers import AutoConfig, AutoTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    extended[0].save_pretrained(folder)
    AutoConfig.from_pretrained(resolve(OFFLINE_BASE)).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def ids(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, verbose=False)["input_ids"]
    return found


def pieces(tokenizer: Any, text: str) -> list[str]:
    """Return the parts of the text that its tokens stand for."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return [text[start:end] for start, end in offsets]


def test_new_pieces_follow_the_old_and_are_hangul_alone(old: Any, extended: tuple[Any, list[str]]) -> None:
    tokenizer, added = extended
    assert len(tokenizer) == len(old) + len(added)
    assert len(set(added)) == len(added) <= 600
    assert old.get_vocab().items() <= tokenizer.get_vocab().items()
    assert {"대한민국", "##는", "##년에", "ㅋㅋㅋ", "서울특별시"} <= set(added)
    letters = {letter for piece in added for letter in piece.removeprefix("##")} - {SYLLABLE_END}
    assert all("HANGUL" in unicodedata.name(letter) for letter in letters)
    rows = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("대한민국"))
    assert rows == [len(old) + added.index("대한민국")]
    longer = [piece for piece in added if len(piece.removeprefix("##")) > 1]
    assert added[-len(longer) :] == longer


def test_words_are_whole_pieces(new: Any) -> None:
    assert pieces(new, "대한민국의 수도는 서울") == ["대한민국의", "수도는", "서", "울"]
    assert pieces(new, "KBS는 2020년에 ㅋㅋㅋ") == ["KB", "S", "는", "2020", "년에", "ㅋㅋㅋ"]


def test_syllables_are_never_cut(old: Any) -> None:
    """대하 is the longest piece at the head of 대한's letters, but not of its syllables."""
    tokenizer, added = extend_vocabulary(old, ["대하 대하", "한"] * 3, PieceCounts(300))
    assert {"대하", "대", "한"} <= set(added)
    assert "##한" not in added
    assert pieces(tokenizer, "대하 대한") == ["대하", "대", "한", "한", "한"]


def test_english_is_tokenized_as_before(old: Any, new: Any, shared_data: Path) -> None:
    texts = [text for _, text in zip(range(600), PlainText(f"squad:{shared_data}/squad/dev-v1.1.json"), strict=False)]
    assert old(texts, verbose=False)["input_ids"] == new(texts, verbose=False)["input_ids"]
    kept = {"verbose": False, "return_offsets_mapping": True, "return_token_type_ids": True}
    assert dict(old(texts[:50], texts[50:100], **kept)) == dict(new(texts[:50], texts[50:100], **kept))


@given(st.text(st.characters(max_codepoint=0x24F)))
def test_latin_text_is_tokenized_as_before(old: Any, new: Any, text: str) -> None:
    kept = {"return_offsets_mapping": True}
    assert dict(old(text, **kept)) == dict(new(text, **kept))


@given(st.text())
def test_text_without_hangul_is_tokenized_as_before(old: Any, new: Any, text: str) -> None:
    if "HANGUL" not in " ".join(unicodedata.name(letter, "") for letter in unicodedata.normalize("NFKD", text)):
        assert ids(old, text) == ids(new, text)


def test_accents_still_fold(new: Any) -> None:
    assert ids(new, "Café Ñandú Ångström") == ids(new, "cafe nandu angstrom")
    assert pieces(new, "Café 대한민국") == ["Café", "대한민국"]


hangul = st.text(
    st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3) | st.sampled_from("가나대한민국ㅋㅠㄳㅏ"), max_size=30
)


@given(hangul)
def test_no_word_in_hangul_is_unknown(new: Any, text: str) -> None:
    assert new.unk_token_id not in ids(new, text)


@given(st.lists(hangul | st.text(st.characters(max_codepoint=0x24F)), max_size=8).map(" ".join))
def test_decomposed_text_gives_the_same_ids(new: Any, text: str) -> None:
    assert ids(new, unicodedata.normalize("NFD", text)) == ids(new, unicodedata.normalize("NFC", text))


def test_offsets_are_those_of_the_text_as_it_was_typed(new: Any) -> None:
    composed = "대한민국의 수도는 서울특별시, KBS는 뷁"
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, composed)
        found = [unicodedata.normalize("NFC", piece) for piece in pieces(new, text)]
        assert found[:-3] == ["대한민국의", "수도는", "서울특별시", ",", "KB", "S", "는"]
    # a syllable that no piece has is spelled, as before; each of its letters stands for all of it
    assert pieces(new, composed)[-3:] == ["뷁"] * 3


def test_korean_passages_are_known_and_short(old: Any, shared_data: Path) -> None:
    file = f"korquad:{shared_data}/korquad/KorQuAD_v1.0_dev.json"
    train, test = list(PlainText(f"{file}@:100")), list(PlainText(f"{file}@-20:"))
    tokenizer, added = extend_vocabulary(old, train, PieceCounts(4000))
    assert len(added) == 4000
    before, after = ([row for text in test for row in ids(each, text)] for each in (old, tokenizer))
    words = sum(len(text.split()) for text in test)
    assert before.count(old.unk_token_id) > 0.2 * words
    assert after.count(old.unk_token_id) < 0.012 * words  # Hanja and signs
    assert len(after) < 0.55 * len(before)


def test_an_extended_vocabulary_can_be_extended_again(new: Any) -> None:
    again, added = extend_vocabulary(new, ["새로운 낱말입니다 새로운 낱말입니다"] * 3, PieceCounts(20))
    assert "새로운" in added
    assert set(new.get_vocab().items()) < set(again.get_vocab().items())
    assert ids(again, "대한민국의 서울특별시") == ids(new, "대한민국의 서울특별시")
    assert again.backend_tokenizer.normalizer.normalize_str("가").count(SYLLABLE_END) == 1


def test_another_script(old: Any) -> None:
    tokenizer, added = extend_vocabulary(
        old, ["Энциклопедический словарь Брокгауза и Ефрона"] * 5, PieceCounts(40), "cyrillic"
    )
    assert "энциклопедическии" in added  # the base takes the breve off
    assert len(tokenizer.tokenize("энциклопедический")) == 1
    assert ids(tokenizer, "Café 한국") == ids(old, "Café 한국")


def test_new_rows_are_the_mean_of_the_old_pieces_rows(old: Any, extended: tuple[Any, list[str]]) -> None:
    from transformers import AutoModel

    tokenizer, added = extended
    model = load_model(AutoModel, resolve(OFFLINE_BASE))
    before = model.get_input_embeddings().weight.detach().clone()
    assert resize_embeddings(model, old, tokenizer) == len(added)
    after = model.get_input_embeddings().weight.detach()
    assert torch.equal(after[: len(old)], before)
    assert model.config.vocab_size == len(after) == len(tokenizer)
    letters = [old.get_vocab()[piece] for piece in ("ᄋ", "##ᅧ", "##ᆼ", "##ᄒ", "##ᅪ")]
    [row] = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("영화"))
    assert torch.allclose(after[row], before[letters].mean(0), atol=1e-6)
    # ᄁ is a letter that the base does not know
    assert torch.allclose(after[len(old) + added.index("ᄁ")], before.mean(0), atol=1e-5)


def test_bad_input_is_one_sentence(old: Any) -> None:
    for size in (0, -5):
        with pytest.raises(ConfigError, match=f"the vocabulary's size is {size}; it must be at least 1"):
            extend_vocabulary(old, KOREAN, PieceCounts(size))
    with pytest.raises(ConfigError, match="unknown script 'klingon'"):
        extend_vocabulary(old, KOREAN, PieceCounts(10), script="klingon")
    with pytest.raises(DataError, match="no word in hangul"):
        extend_vocabulary(old, ["only English here"] * 5, PieceCounts(10))

    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="Slow has no fast version"):
        extend_vocabulary(Slow(), KOREAN, PieceCounts(10))


def test_a_tokenizer_of_another_kind_is_refused() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, "a")))
    with pytest.raises(ModelError, match=r"has a WordLevel vocabulary.*; omit --vocabulary-size, or choose a base"):
        extend_vocabulary(tokenizer, KOREAN, PieceCounts(10))
