"""Log lines as JSON objects: CR and LF in a value cannot forge a line, and nothing but named fields gets in."""

import json
import logging
import time
from typing import Any

from core import context

FIELDS = ("method", "route", "status", "microseconds", "transaction", "task", "count", "code", "rail", "job")


class JSONFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)  # UTC, whatever zone the host is in

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": context.request_id.get() or None,
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({k: v for k, v in line.items() if v is not None}, default=str)

    def formatException(self, ei: Any) -> str:
        """PostgreSQL's messages end with the row that failed: names and numbers of customers."""
        lines = super().formatException(ei).splitlines()
        return "\n".join(text for text in lines if not text.startswith(("DETAIL:", "CONTEXT:")))
