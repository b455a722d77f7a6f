"""An argument without its option is refused with the option that takes it."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from dpr.cli import app as dpr_app
from index_builder.cli import app as index_app
from service.cli import app as service_app


def refusal(app: Any, arguments: str) -> str:
    """Return what a command says of arguments that it refuses, in one line."""
    result = CliRunner().invoke(app, arguments.split(), env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert result.exit_code == 2
    return " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("app", "arguments", "sentence"),
    [
        (index_app, "add my-index more.jsonl", "Missing option '--corpus'. Give 'more.jsonl' as --corpus more.jsonl."),
        (index_app, "build docs my-index", "Missing option '--corpus'. Give 'docs' as --corpus docs."),
        (index_app, "build --corpus docs my-index", "Give 'my-index' as --output my-index."),
        (index_app, "sync my-index --corpus a.md b.md", "argument(s) (b.md) Give 'b.md' as --corpus b.md."),
        (index_app, "delete my-index n2", "argument(s) (n2) Give 'n2' as --id n2."),
        (index_app, "export my-index out.jsonl", "Give 'out.jsonl' as --output out.jsonl."),
        (dpr_app, "train data.tsv --output pair", "Give 'data.tsv' as --data data.tsv."),
        (service_app, "my-index", "No such command 'my-index'. Give an index as --index my-index."),
    ],
)
def test_the_option_of_an_argument_is_named(app: Any, arguments: str, sentence: str) -> None:
    assert sentence in refusal(app, arguments)


def test_a_question_is_not_taken_for_an_index() -> None:
    message = refusal(dpr_app, "search my-index question")
    assert "Missing option '--index'." in message
    assert "Give" not in message


def test_other_errors_stay_as_they_are() -> None:
    message = refusal(index_app, "add my-index")
    assert "Missing option '--corpus'." in message
    assert "Give" not in message


@pytest.mark.parametrize(
    ("app", "arguments", "sentence"),
    [
        (index_app, "build --corpus a --output b --k1 -1", "'--k1': -1 is out of range; give a number of 0 or more."),
        (index_app, "build --corpus a --output b --b two", "'--b': 'two' is not a number; give a number from 0 to 1."),
        (index_app, "build --corpus a --output b --b nan", "'--b': nan is out of range; give a number from 0 to 1."),
        (index_app, "sync a --corpus b --watch --interval-s inf", "give a number from 0.1 to 86400."),
        (
            index_app,
            "split a --shards 1.5 --output b",
            "'1.5' is not a whole number; give a whole number of 1 or more.",
        ),
        (dpr_app, "search question --index a --k ten", "'--k': 'ten' is not a whole number; give a whole number."),
        (service_app, "--index a --port http", "'--port': 'http' is not a whole number; give a whole number."),
    ],
)
def test_a_wrong_number_is_named(app: Any, arguments: str, sentence: str) -> None:
    assert sentence in refusal(app, arguments)
