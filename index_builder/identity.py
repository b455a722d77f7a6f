"""What tells builds and updates apart, so that only the same one continues where another stopped."""

from __future__ import annotations

import hashlib
import json

from index_builder import encode, learned, sparse


def run_identity(content: object) -> str:
    """Return what tells runs apart: only a run of the same content, as JSON, continues where another stopped.

    A journal counts pieces, so runs whose pieces have other sizes are apart, too.
    """
    sizes = [sparse.BLOCK_PASSAGES, encode.SHARD_PASSAGES, learned.SHARD_PASSAGES]
    return hashlib.sha256(json.dumps([content, sizes], sort_keys=True).encode()).hexdigest()
