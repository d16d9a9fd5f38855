"""Log lines as JSON objects: CR and LF in a value cannot forge a line, and nothing but named fields gets in."""

import json
import logging
import time
from typing import Any

from celery import current_task

from core import context

FIELDS = ("method", "route", "status", "microseconds", "transaction", "task", "count", "code", "rail", "job")


class JSONFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)  # UTC, whatever zone the host is in

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message_of(record),
            "request_id": context.request_id.get() or None,
            "task": self.task_of(record),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({k: v for k, v in line.items() if v is not None}, default=str)

    def task_of(self, record: logging.LogRecord) -> str | None:
        """The task that a line of Celery is about, or in whose course the line is written."""
        about = getattr(record, "data", None)
        if isinstance(about, dict) and "name" in about:
            return str(about["name"])
        return current_task.name if current_task else None

    def message_of(self, record: logging.LogRecord) -> str:
        """Celery's sentence on a failed task repeats the exception, values of customers included; so does the stack."""
        if record.name == "celery.app.trace" and record.exc_info and isinstance(record.args, dict):
            return f"Task {record.args.get('name')}[{record.args.get('id')}] {record.args.get('description')}"
        return record.getMessage()

    def formatException(self, ei: Any) -> str:
        """PostgreSQL's messages end with the row that failed: names and numbers of customers."""
        lines = super().formatException(ei).splitlines()
        return "\n".join(text for text in lines if not text.startswith(("DETAIL:", "CONTEXT:")))
