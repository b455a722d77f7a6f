"""Log lines as text for people or JSON for programs; in both, one record is one line whatever its message holds."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from dpr.console import visible
from service.log_limit import LineLimit

TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FIELDS = "fields"
"""Name of the attribute of a record that holds its fields for JSON: ``logger.info(…, extra={FIELDS: {…}})``."""


class TextFormatter(logging.Formatter):
    """One line for a message: line breaks and control characters in it are made visible. Tracebacks keep theirs."""

    def __init__(self) -> None:
        super().__init__(TEXT_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name in logging
        """Return the line without the traceback."""
        return visible(super().formatMessage(record)).replace("\n", "␊")


class JsonFormatter(logging.Formatter):
    """One JSON object on a line: time, level, logger, message, the record's fields, and a traceback as text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # The encoder escapes control characters; `visible` those that change the direction of writing.
        return visible(json.dumps(entry, ensure_ascii=False, default=str))


FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


def install_log(level_name: str, log_format: str) -> None:
    """Log to stderr: our own lines from a level on, those of libraries from WARNING on, if not debugging."""
    level = level_name.upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[log_format]())
    handler.addFilter(LineLimit())
    logging.basicConfig(level=level if level in ("DEBUG", "ERROR") else "WARNING", handlers=[handler])
    for name in ("dpr", "index_builder", "service"):
        logging.getLogger(name).setLevel(level)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which of its builds it tries
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses, and those may hold a key
