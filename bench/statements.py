"""A statement of 100,000 lines as CSV, and one of 2,000 as PDF, as the web process makes them."""

import resource
import time
from datetime import UTC, datetime
from typing import Any

import django

django.setup()

from bench import data  # noqa: E402
from statements import files, selectors, services  # noqa: E402
from statements.selectors import Stated  # noqa: E402

CSV_LINES, PDF_LINES = 100_000, 2_000
PART = 1 << 16


def first_lines(stated: Stated, count: int) -> Stated:
    last = min(stated.figures.seq_last, stated.figures.seq_before + count)
    return stated._replace(figures=stated.figures._replace(seq_last=last, debit_count=count, credit_count=0))


def written(stated: Stated, file_format: str) -> tuple[int, int]:
    """Nanoseconds and bytes, read as a server reads it."""
    started, size = time.monotonic_ns(), 0
    with files.write(stated, file_format) as file:
        while part := file.read(PART):
            size += len(part)
    return time.monotonic_ns() - started, size


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    wallet: Any = selectors.wallet_with_owner(data.everybody()[0].id).get()
    today = datetime.now(UTC).date()
    whole = services.state(wallet, wallet.created_at.date(), today)
    for file_format in ("csv", "pdf"):
        written(first_lines(whole, 10), file_format)
    before = peak()
    csv_ns, csv_bytes = written(first_lines(whole, CSV_LINES), "csv")
    print("lines", min(CSV_LINES, whole.figures.seq_last - whole.figures.seq_before))
    print("csv_ms", csv_ns // 10**6)
    print("csv_extra_kb", peak() - before)
    print("csv_bytes", csv_bytes)
    print("pdf_ms", written(first_lines(whole, PDF_LINES), "pdf")[0] // 10**6)
