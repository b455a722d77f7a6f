"""The summary of a generation, as a table or as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box, filesize
from rich.console import Console
from rich.table import Table

from dpr.console import cell, escape, print_json
from dpr.search.learned import LEARNED
from dpr.store.manifest import Manifest
from index_builder.changes import passage_changes

DETAILS = frozenset(
    {
        "new_documents",
        "changed_documents",
        "gone_documents",
        "unchanged_documents",
        "vectors",
        "sources",
        "document_tokens",
        "fields",
        "encoder",
        "learned",
        "dense_kind",
        "dense_recall",
        "dense_question_recall",
        "fusion_weights",
        "note",
    }
)
"""Facts of a sync and of a generation that a table has; JSON has all."""

RARE = frozenset({"documents", "other_files"})
"""Counts that a table has only where there are some, as it has those of what was skipped."""


def summary(manifest: Manifest) -> dict[str, object]:
    """Return the facts of a generation by name."""
    encoder, dense, provenance = manifest.encoder, manifest.dense, manifest.provenance
    has_documents = any(source.documents for source in provenance.sources)
    return {
        "generation": manifest.name,
        "created_utc": provenance.created_utc,
        "passages": manifest.passages,
        "vectors": manifest.vectors or None,
        "vectors_per_passage": round(manifest.vectors / manifest.rows, 2) if manifest.vectors else None,
        "window_tokens": manifest.windows.tokens if manifest.windows else None,
        "window_overlap": manifest.windows.overlap if manifest.windows else None,
        "segments": len(manifest.segments),
        "deleted": manifest.rows - manifest.passages,
        "duplicates_skipped": sum(source.duplicates for source in provenance.sources),
        "empty_skipped": sum(source.empty for source in provenance.sources),
        "bad_rows_skipped": sum(source.bad_rows for source in provenance.sources),
        "documents": sum(source.documents for source in provenance.sources),
        "bad_documents_skipped": sum(source.bad_documents for source in provenance.sources),
        "other_files": sum(source.other_files for source in provenance.sources),
        "document_tokens": provenance.document_tokens if has_documents else None,
        "sources": {
            source.source: {
                "passages": source.passages,
                "duplicates_skipped": source.duplicates,
                "empty_skipped": source.empty,
                "bad_rows_skipped": source.bad_rows,
                "documents": source.documents,
                "bad_documents_skipped": source.bad_documents,
                "other_files": source.other_files,
            }
            for source in provenance.sources
        },
        "fields": manifest.fields,
        "terms": manifest.terms,
        "analyzer": manifest.analyzer.name,
        "encoder": encoder.name if encoder else None,
        "dimension": encoder.dimension if encoder else None,
        "question_prompt": (encoder.question_prompt or None) if encoder else None,
        "passage_prompt": (encoder.passage_prompt or None) if encoder else None,
        "learned": {
            name: {"model": record.name, **learned_counts(manifest, name)} for name, record in manifest.learned.items()
        },
        "dense_kind": dense.kind if dense else None,
        "dense_recall": dense.recall if dense else None,
        "dense_question_recall": dense.question_recall if dense else None,
        "fusion_weights": dict(manifest.fusion.weights) if manifest.fusion else None,
        "size_bytes": manifest.size_bytes,
        "seconds": dict(provenance.seconds),
        "cut_passages": cut_passages(manifest),
        "note": cut_note(manifest),
    }


def change_summary(index: Path, before: Manifest, after: Manifest) -> dict[str, object]:
    """Return what a change did to the passages of an index, then the facts of the generation that it published."""
    return {"passage_changes": asdict(passage_changes(index, before, after)), **summary(after)}


def cut_passages(manifest: Manifest) -> int | None:
    """Return how many passages, deleted ones included, are longer than the encoder reads; None if not counted."""
    counted = [segment.cut for segment in manifest.segments if segment.cut is not None]
    return sum(counted) if counted else None


def learned_counts(manifest: Manifest, name: str) -> dict[str, object]:
    """Return what the segments hold of a learned list, and how many passages its model did not read whole."""
    counts = [segment.learned[name] for segment in manifest.segments]
    return {
        LEARNED[name].unit.replace(" ", "_"): sum(item.entries for item in counts),
        "cut_passages": sum(item.cut for item in counts),
    }


def cut_note(manifest: Manifest) -> str | None:
    """Return a sentence on passages that are longer than the encoder reads; None if there are none."""
    cut, encoder = cut_passages(manifest), manifest.encoder
    if not cut or encoder is None or encoder.passage_tokens is None:
        return None
    counted = sum(segment.passages for segment in manifest.segments if segment.cut is not None)
    tokens = encoder.passage_tokens
    remedy = "shorten their titles" if manifest.windows else "leave --windows on"
    return (
        f"{cut:,} of {counted:,} passages are longer than the {tokens} tokens that the encoder reads; {remedy}, or "
        f"chunk them (--chunk-tokens {tokens * 4 // 5})"
    )


def show(result: Mapping[str, object], as_json: bool) -> None:
    """Print a result as JSON, or as a table without what there is none of."""
    if as_json:
        print_json(result)
        return
    table = Table(show_header=False)
    for name, value in result.items():
        if isinstance(value, Mapping):
            for detail_name, detail in value.items():
                table.add_row(escape(f"{_words(name)}: {detail_name}"), escape(_cell(name, detail)))
        elif _is_worth_a_row(name, value):
            table.add_row(_words(name), escape(_cell(name, value)))
    Console().print(table)


def show_generation(index: Path, result: Mapping[str, Any], as_json: bool, next_lines: Sequence[str] = ()) -> None:
    """Print the facts of an index's generation as JSON, or a sentence, what can be done next, and `DETAILS`.

    Args:
        index: the folder of the index.
        result: the facts, from `summary` or `change_summary`, and those of a sync.
        as_json: print all facts as JSON.
        next_lines: what can be done next, below the sentence.
    """
    if as_json:
        print_json(result)
        return
    for line in (_sentence(index, result), *next_lines):
        Console().print(escape(line), highlight=False, soft_wrap=True)
    show({name: value for name, value in result.items() if name in DETAILS}, as_json=False)


def _sentence(index: Path, result: Mapping[str, Any]) -> str:
    passages = f"{result['passages']:,} {_unit('passages', result['passages'])}"
    changes = result.get("passage_changes", {})
    counts = ", ".join(f"{changes[name]:,} {name}" for name in ("added", "replaced", "removed") if changes)
    generation = f"generation {result['generation']}, {filesize.decimal(result['size_bytes'])}"
    return f"The index {index} has {passages} now{counts and f': {counts}'} ({generation})."


def _is_worth_a_row(name: str, value: object) -> bool:
    return value is not None and not (value == 0 and (name.endswith("_skipped") or name in RARE))


def generations_table(manifests: Sequence[Manifest], published: str) -> Table:
    """Return a table of generations, the published one marked."""
    table = Table(box=box.SIMPLE, caption="* published", caption_justify="left")
    for heading in ("generation", "created (UTC)", "passages", "encoder", "dense", "size"):
        table.add_column(heading, no_wrap=heading != "encoder", overflow="fold")
    for manifest in manifests:
        table.add_row(
            f"{manifest.name} *" if manifest.name == published else manifest.name,
            manifest.provenance.created_utc[:16].replace("T", " "),
            f"{manifest.passages:,}",
            escape(Path(manifest.encoder.name).name) if manifest.encoder else "none",
            manifest.dense.kind if manifest.dense else "none",
            filesize.decimal(manifest.size_bytes),
        )
    return table


def _unit(name: str, number: object) -> str:
    """Return what a number counts: ``1 passage``, ``2 passages``, ``1 duplicate skipped``."""
    words = _words(name)
    return re.sub(r"s\b", "", words, count=1) if number == 1 else words


def _words(name: str) -> str:
    return name.removesuffix("_bytes").removesuffix("_utc").replace("_", " ")


def _cell(name: str, value: object) -> str:
    if value is None:
        return "none"
    if name == "size_bytes" and isinstance(value, int):
        return filesize.decimal(value)
    if isinstance(value, Mapping):
        details = [(detail, number) for detail, number in value.items() if _is_worth_a_row(detail, number)]
        return ", ".join(f"{_cell(detail, number)} {_unit(detail, number)}" for detail, number in details)
    return cell(value)
