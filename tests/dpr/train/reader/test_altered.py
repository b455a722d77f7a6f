from dpr.train.reader.altered import alter_questions, names_of
from dpr.types import Example, Passage, Question

FIRST = Passage("p1", "Agnes Whitcombe founded Bryden Mill in 1891 on the River Tamar.", document_id="d")
SECOND = Passage("p2", "Oliver Hale sold Bryden Mill in 1934 to the Cornish Trust.", document_id="d")
ELSEWHERE = Passage("p3", "Paris Gardens opened in 1802.", document_id="e")
KOREAN = Passage("p4", "한라산은 1970년에 국립공원이 되었고 백록담은 정상에 있다.", document_id="k")
OTHER_KOREAN = Passage("p5", "만장굴은 1962년에 천연기념물이 되었다.", document_id="k")


def example(number: str, passage: Passage, text: str, answer: str) -> Example:
    start = passage.text.index(answer) if answer else -1
    answers = (answer,) if answer else ()
    return Example(Question(number, text, answers), (passage,), answer_starts=(start,) if answer else ())


EXAMPLES = [
    example("1", FIRST, "Who founded Bryden Mill in 1891?", "Agnes Whitcombe"),
    example("2", FIRST, "Which river is near what Agnes Whitcombe founded?", "River Tamar"),
    example("3", SECOND, "To whom did Oliver Hale sell it in 1934?", "Cornish Trust"),
    example("4", ELSEWHERE, "Where was Paris Gardens in 1802?", "Paris"),
    example("5", KOREAN, "한라산은 언제 국립공원이 되었는가?", "1970년"),
    example("6", OTHER_KOREAN, "만장굴은 언제 천연기념물이 되었는가?", "1962년"),
]


def altered(share: float = 1.0, seed: int = 1) -> dict[str, Example]:
    return {item.question.id: item for item in alter_questions(EXAMPLES, share, seed)}


def test_names_are_numbers_runs_of_capitals_and_korean_stems() -> None:
    english = [name.text for name in names_of("Who founded Bryden Mill in Cornwall by 1891?")]
    assert english == ["Bryden Mill", "Cornwall", "1891"]
    korean = [(name.text, name.kind) for name in names_of("한라산은 1970년에 왜 유명한가?")]
    assert korean == [("한라산", "은"), ("1970년에", "0년에"), ("유명한", "가")]


def test_a_name_is_exchanged_for_one_of_its_kind_that_the_passage_lacks() -> None:
    for number, item in altered().items():
        [original] = [example for example in EXAMPLES if example.question.id == number]
        assert item.is_impossible
        assert not item.question.answers
        assert item.positives == original.positives
        before = {name.text for name in names_of(original.question.text)}
        [exchanged] = {name.text for name in names_of(item.question.text)} - before
        assert exchanged not in item.positives[0].text
        others = [example.positives[0] for example in EXAMPLES if example is not original]
        assert any(
            exchanged in passage.text for passage in others if passage.document_id == original.positives[0].document_id
        )


def test_korean_questions_stay_grammatical() -> None:
    texts = {"만장굴은 언제 국립공원이 되었는가?", "한라산은 언제 천연기념물이 되었는가?"}
    assert altered()["5"].question.text in texts  # the particle is the same


def test_a_question_without_another_name_of_its_document_is_left_out() -> None:
    assert "4" not in altered()  # nothing else stands in that document


def test_share_and_seed_decide() -> None:
    assert altered(0.0) == {}
    assert altered(0.5, seed=3) == altered(0.5, seed=3)
    assert alter_questions([], 1.0, 1) == []
