"""Fuzz a service with schemathesis, which is installed elsewhere: all its checks, and how often each status came.

    python -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install schemathesis
    python -m tests.service.fuzz --schemathesis /tmp/fuzz/bin/schemathesis --examples 400

The service is the real one, with its scheduler and over HTTP, on a small index; only the models are stand-ins, so that
thousands of cases take minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from service.indexes import Indexes
from service.models import Models
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import FakeReader, settings_of
from tests.service.live import live
from tests.small_index import PASSAGES, small_index

NEEDED_CASES = 5_000
NEEDED_GOOD_SHARE = 1 / 3
SERVER_ERROR = 500
SUCCESSES = range(200, 300)
NOT_A_DELETION = "use_after_free"
"""The check that a deleted thing is gone: to delete a job is to cancel it, and it is still told of."""

SERVED = ("dense", "bm25", "tfidf", "hybrid")
"""The retrievers that a small index has; others are refused, which no schema tells."""

IMPORT = "import_documents_v1_documents_post"
"""The operation whose body is lines of JSON, which schemathesis cannot make."""


def main() -> int:
    """Run schemathesis; return 0 if there were enough cases, enough good ones, no 5xx and no violation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemathesis", type=Path, required=True, help="the command of schemathesis")
    parser.add_argument("--examples", type=int, default=400, help="cases of each operation and phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--needed-cases", type=int, default=NEEDED_CASES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "index"
        small_index(root, PASSAGES, named_encoder())
        settings: dict[str, Any] = {"index": root, "allow_writes": True, "max_in_flight": 64}
        models = Models(settings_of(**settings))
        models._reader = FakeReader()
        indexes = Indexes.from_folders(settings_of(**settings).index, models)
        with (
            patch("dpr.search.resources._load_encoder", lambda *_: named_encoder()),
            patch("dpr.search.resources.analyzer_by_name", lambda _: WordAnalyzer()),
            patch("service.openapi.RETRIEVERS", SERVED),
            live(indexes, **settings) as address,
        ):
            har = Path(folder) / "run.har"
            command = [str(options.schemathesis), "run", f"{address}/openapi.json", "--mode", "all"]
            command += ["--max-examples", str(options.examples), "--seed", str(options.seed)]
            command += ["--workers", str(options.workers), "--continue-on-failure"]
            command += ["--exclude-operation-id", IMPORT, "--exclude-checks", NOT_A_DELETION]
            command += ["--report", "har", "--report-har-path", str(har)]
            status = subprocess.run(command, check=False, cwd=folder).returncode  # it keeps what it found there
            statuses = counted(har)
    total = sum(statuses.values())
    good = sum(count for (_, code), count in statuses.items() if code in SUCCESSES)
    failed = sum(count for (_, code), count in statuses.items() if code >= SERVER_ERROR)
    for (path, code), count in sorted(statuses.items()):
        sys.stdout.write(f"{path} {code}: {count}\n")
    sys.stdout.write(f"{total} cases, {good} of them good ({good / total:.0%}), {failed} 5xx, exit code {status}\n")
    is_enough = total >= options.needed_cases and good >= NEEDED_GOOD_SHARE * total
    return 0 if status == 0 and not failed and is_enough else 1


def named_encoder() -> HashEncoder:
    """Return an encoder of the name that the examples of the document say."""
    encoder = HashEncoder()
    encoder.name = "dpr-small-ko-en"
    return encoder


def counted(har: Path) -> Counter[tuple[str, int]]:
    """Return how often each path got each status."""
    entries = json.loads(har.read_text(encoding="utf-8"))["log"]["entries"]
    return Counter((urlsplit(entry["request"]["url"]).path[:60], entry["response"]["status"]) for entry in entries)


if __name__ == "__main__":
    sys.exit(main())
