"""Check that pip installed only files that the lock has hashes of: ``check_hashes.py LOCK REPORT_OF_PIP``.

An image installs a part of the lock, and pip takes no hashes from constraints. torch has a build for each kind of
machine, and no hash.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

UNHASHED = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
"""torch and what its builds for GPUs need."""


def hashes_of(lock: str) -> Mapping[str, frozenset[str]]:
    """Return the SHA-256 of the files of each pin, by the normalized name of the package."""
    pins = re.findall(r"^([\w.-]+)==\S+((?:\s*\\?\s+--hash=sha256:[0-9a-f]{64})*)", lock, re.MULTILINE)
    return {normalized(name): frozenset(re.findall(r"[0-9a-f]{64}", hashes)) for name, hashes in pins}


def normalized(name: str) -> str:
    """Return a package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def unlocked(lock: str, report: Mapping[str, Any]) -> list[str]:
    """Return what was installed from files that the lock has no hash of."""
    hashes = hashes_of(lock)
    return [
        name
        for item in report["install"]
        if not UNHASHED.fullmatch(name := normalized(item["metadata"]["name"]))
        and item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256") not in hashes.get(name, ())
    ]


if __name__ == "__main__":
    LOCK, REPORT = (Path(argument).read_text(encoding="utf-8") for argument in sys.argv[1:])
    if WRONG := unlocked(LOCK, json.loads(REPORT)):
        sys.exit(f"requirements.lock has no hash of the files of {', '.join(WRONG)}; run: make hashes")
