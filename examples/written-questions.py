"""Join the questions of examples/questions with the passages that they ask about, as SQuAD's JSON.

    python examples/written-questions.py --questions examples/questions/boolq.jsonl.gz --passages boolq:train.tsv \
        --output boolq-questions.json

The questions were written for this project; the passages belong to their data sets and are not in it. A line of a
file of questions is a JSON object: ``passage``, the id that `dpr.data.identity.content_id` makes of the passage's
text, ``question``, and ``start`` and ``end``, the characters of the answer. Without them the passage has no answer.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from dpr.data.identity import content_id
from dpr.data.passages import read_examples
from dpr.errors import DPRError
from dpr.types import Passage

SPACE = "\n"
"""Between passages that are joined."""

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True, help="the file of questions, .jsonl.gz")
    parser.add_argument("--passages", required=True, help="the data set of their passages, kind:PATH")
    parser.add_argument("--output", type=Path, required=True, help="the file to write, .json")
    parser.add_argument("--join", type=int, default=1, help="passages to a paragraph, so that short ones hide answers")
    options = parser.parse_args()
    if options.join < 1:
        parser.error(f"--join is {options.join}; give at least 1")
    try:
        rows = read_questions(options.questions)
        passages = passages_of(options.passages, set(rows))
    except (OSError, DPRError) as error:
        parser.error(str(error))
    if absent := rows.keys() - passages.keys():
        parser.error(
            f"{options.passages} lacks {len(absent)} of the passages that {options.questions} asks about; "
            "give the data set that the file is named after"
        )
    ids = list(passages)
    groups = [ids[first : first + options.join] for first in range(0, len(ids), options.join)]
    articles = [
        article([passages[identity] for identity in group], [rows[identity] for identity in group]) for group in groups
    ]
    options.output.write_text(json.dumps({"version": "2.0", "data": articles}, ensure_ascii=False), encoding="utf-8")


def read_questions(path: Path) -> dict[str, list[Row]]:
    """Return the rows of a file by their passage."""
    rows: dict[str, list[Row]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows.setdefault(row["passage"], []).append(row)
    return rows


def passages_of(source: str, ids: AbstractSet[str]) -> dict[str, Passage]:
    """Return the passages that are asked about, by the id of their text and in the order of the data set."""
    passages = (passage for example in read_examples(source) for passage in example.positives)
    return {identity: passage for passage in passages if (identity := content_id(passage.text)) in ids}


def article(passages: Sequence[Passage], rows: Sequence[Sequence[Row]]) -> Row:
    """Return an article of one paragraph: some passages, one after the other, and the questions about each of them."""
    questions = []
    first = 0
    for passage, of_passage in zip(passages, rows, strict=True):
        for number, row in enumerate(of_passage):
            identity = f"written-{row['passage']}-{number}"
            answers = []
            if "start" in row:
                text = passage.text[row["start"] : row["end"]]
                answers.append({"text": text, "answer_start": first + row["start"]})
            questions.append(
                {"id": identity, "question": row["question"], "answers": answers, "is_impossible": not answers}
            )
        first += len(passage.text) + len(SPACE)
    context = SPACE.join(passage.text for passage in passages)
    return {"title": passages[0].title, "paragraphs": [{"context": context, "qas": questions}]}


if __name__ == "__main__":
    main()
