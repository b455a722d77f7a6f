"""What is known of each question, as a Parquet table: one row for each question and system."""

from __future__ import annotations

from pathlib import Path

from dpr.benchmark.report import BenchmarkReport
from dpr.durable import replacing


def write_parquet(path: Path, report: BenchmarkReport) -> None:
    """Write the table: question, text, document, traits, system, rank and score of the first relevant passage, metrics.

    ``rank`` and ``score`` are null where no relevant passage was among the hits.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    questions, traits = report.questions, report.traits
    for name, system in report.systems.items():
        is_found = system.ranks > 0
        columns = {
            "question": pa.array([question.id for question in questions], pa.string()),
            "text": pa.array([question.text for question in questions], pa.string()),
            "document": pa.array([question.document for question in questions], pa.string()),
            **{
                trait.replace(" ", "_"): pa.array([question.traits.get(trait) for question in questions], pa.string())
                for trait in traits
            },
            "system": pa.array([name] * len(questions), pa.string()),
            "rank": pa.array(system.ranks, pa.int64(), mask=~is_found),
            "score": pa.array(system.scores, pa.float64(), mask=~is_found),
            **{metric: pa.array(values, pa.float64()) for metric, values in system.values.items()},
        }
        tables.append(pa.table(columns))
    with replacing(path) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary)
