"""The process that converts documents: ``python -m dpr.documents.worker``.

It reads a line with the MiB of memory that it may use, then a request a line: ``{"path": …, "ending": …, "encoding":
…, "seconds": …}``. It answers each with the length of a JSON object in 4 bytes and the object: ``{"converted": …}`` or
``{"error": …}``, with ``is_last`` if the process ends after it. It may die of a document; see `dpr.documents.pool`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

from dpr.documents.formats import convert
from dpr.documents.limits import LONGEST_TEXT_BYTES, MOST_BLOCKS
from dpr.errors import DocumentError

_LONGEST_CAUSE = 200


def main() -> None:
    """Answer requests until there are no more, or until there is no memory for one."""
    memory_mib = int(sys.stdin.buffer.readline())
    memory_bytes = memory_mib << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as replies:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, sys.stdout.fileno())  # a library that prints must not speak between the replies
        for line in sys.stdin.buffer:
            try:
                request = json.loads(line)
                _limit_seconds(int(request["seconds"]))
                _send(replies, _reply(request))
            except MemoryError:
                cause = f"needs more than {memory_mib} MiB of memory to convert; split it"
                _send(replies, {"error": cause, "is_last": True})
                return  # its memory may be in fragments


def _limit_seconds(seconds: int) -> None:
    """Have the system end this process if nobody is left who ends it: whoever sent the request may have been killed."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = ceil(usage.ru_utime + usage.ru_stime) + seconds * (os.cpu_count() or 1) + 1
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _reply(request: dict[str, Any]) -> dict[str, object]:
    """Return the reply to a request; whatever a library raises for a document is an error of the document."""
    try:
        return {"converted": _converted(Path(request["path"]), request["ending"], request["encoding"])}
    except DocumentError as error:
        return {"error": str(error)}
    except MemoryError:
        raise
    except Exception as error:  # each library has its own classes for what is damaged
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_CAUSE]
        return {"error": f"cannot be read as {request['ending']} ({cause}); open and save it anew"}


def _converted(path: Path, ending: str, encoding: str) -> dict[str, object]:
    converted = convert(path, ending, encoding)
    if sum(len(block.text.encode()) for block in converted.blocks) > LONGEST_TEXT_BYTES:
        raise DocumentError(f"has more than {LONGEST_TEXT_BYTES >> 20} MiB of text; split it")
    if len(converted.blocks) > MOST_BLOCKS:
        raise DocumentError(f"has more than {MOST_BLOCKS:,} paragraphs; split it")
    return asdict(converted)


def _send(replies: BinaryIO, reply: dict[str, object]) -> None:
    content = json.dumps(reply, ensure_ascii=False).encode()
    replies.write(len(content).to_bytes(4, "little") + content)
    replies.flush()


if __name__ == "__main__":
    main()
