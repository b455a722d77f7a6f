"""The help of ``dpr-index``: options of two commands that mean the same read the same."""

from __future__ import annotations

from typing import Any

import typer.main

from index_builder.cli import app


def options_of(command: str) -> dict[str, tuple[object, object]]:
    group: Any = typer.main.get_command(app)
    return {
        option.name: (option.metavar, option.help)
        for option in group.commands[command].params
        if option.param_type_name == "option"
    }


def test_options_that_mean_the_same_read_the_same() -> None:
    build, estimate, add, sync = map(options_of, ("build", "estimate", "add", "sync"))
    differ = {name for name in build.keys() & estimate.keys() if build[name] != estimate[name]}
    assert differ == {"dense_kind", "dimension"}  # auto is not estimated; a dimension is estimated without an encoder
    assert {name for name in add.keys() & sync.keys() if add[name] != sync[name]} == set()
    assert {name for name in build.keys() & add.keys() if build[name] != add[name]} == {"encoder"}


def test_the_help_of_estimate_names_no_option_that_it_lacks() -> None:
    assert not [text for _, text in options_of("estimate").values() if "--target-recall" in str(text)]


def test_a_number_is_shown_as_one() -> None:
    numbers = {
        name: metavar for name, (metavar, _) in options_of("build").items() if name in ("k1", "b", "overlap_tokens")
    }
    assert numbers == {"k1": "NUMBER", "b": "NUMBER", "overlap_tokens": "N"}
    assert options_of("estimate")["passages"][0] == "N"


def test_the_encoding_of_delete_is_that_of_its_list() -> None:
    assert "that file" in str(options_of("delete")["encoding"][1])
