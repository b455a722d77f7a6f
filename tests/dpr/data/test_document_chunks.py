"""Cutting a document along its structure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpr.data.document_chunks import LONGEST_TITLE, chunk_document, passage_title
from dpr.data.documents import Document
from dpr.documents.document import Block, clean_blocks, outline
from dpr.types import Passage


def words(text: str) -> int:
    return len(text.split())


def document(*blocks: Block) -> Document:
    whole = outline(blocks)
    return Document("doc", whole.text, "Title", "doc", metadata={"source": "doc"}, spans=whole.spans)


def cut(text: Document, tokens: int, overlap: int = 0) -> list[Passage]:
    return chunk_document(text, lambda _: tokens, overlap, words)


LEAVE = document(
    Block("Leave", "heading", 1, 1),
    Block("Sick leave", "heading", 2, 1),
    Block("One two three. Four five six.", page=1),
    Block("Seven eight nine.", page=2),
    Block("Holidays", "heading", 2, 2),
    Block("a | b\nc | d", "table", page=3),
)


def test_a_passage_is_of_one_section_and_has_its_headings_and_pages() -> None:
    first, second = cut(LEAVE, 100)
    assert first.text == "Leave\n\nSick leave\n\nOne two three. Four five six.\n\nSeven eight nine."
    assert first.title == "Title > Leave > Sick leave"
    assert first.metadata == {"source": "doc", "page": 1, "last_page": 2, "section": "Leave > Sick leave"}
    assert (second.text, second.id, second.start) == ("Holidays\n\na | b\nc | d", "doc#1", LEAVE.text.index("Holidays"))
    assert second.metadata == {"source": "doc", "page": 2, "last_page": 3, "section": "Leave > Holidays"}


def test_headings_stay_with_what_follows_them() -> None:
    texts = [passage.text for passage in cut(LEAVE, 7)]
    assert texts[0] == "Leave\n\nSick leave\n\nOne two three."
    assert "Sick leave" not in "".join(texts[1:])


def test_a_table_is_whole_where_it_fits_beside_its_heading() -> None:
    assert cut(LEAVE, 8)[-1].text == "Holidays\n\na | b\nc | d"
    assert [passage.text for passage in cut(LEAVE, 6)][-2:] == ["Holidays\n\na | b", "c | d"]


def test_an_overlap_stays_in_its_section() -> None:
    texts = [passage.text for passage in cut(LEAVE, 9, overlap=3)]
    assert texts[1].startswith("Four five six.")
    assert texts[-1].startswith("Holidays")


def test_a_document_of_headings_alone_is_a_passage() -> None:
    assert [passage.text for passage in cut(document(Block("A", "heading", 1), Block("B", "heading", 1)), 10)] == [
        "A\n\nB"
    ]


def test_a_title_keeps_the_document_and_the_last_headings() -> None:
    assert passage_title("Doc", ["Doc", "A"]) == "Doc > A"
    assert passage_title("", ["A", "B"]) == "A > B"
    title = passage_title("Doc", ["x" * 100, "y" * 100, "z"])
    assert title == f"Doc > {'y' * 100} > z"
    assert len(title) <= LONGEST_TITLE


BLOCKS = st.lists(
    st.builds(
        Block,
        st.text("ab. 가나\n", min_size=1, max_size=60),
        st.sampled_from(["heading", "text", "table"]),
        st.integers(1, 3),
        st.none() | st.integers(1, 3),
    ),
    max_size=8,
)


@given(BLOCKS, st.integers(1, 12), st.integers(0, 5))
def test_passages_are_exact_small_and_lose_nothing(blocks: list[Block], tokens: int, overlap: int) -> None:
    text = document(*clean_blocks(blocks))
    passages = cut(text, tokens, overlap)
    covered = set[int]()
    for number, passage in enumerate(passages):
        assert passage.id == f"doc#{number}"
        assert text.text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip()
        assert words(passage.text) <= tokens
        covered |= set(range(passage.start, passage.end))
    assert covered >= {index for index, character in enumerate(text.text) if not character.isspace()}
    assert [passage.start for passage in passages] == sorted(passage.start for passage in passages)
