"""Statements as files: which there are, and how one is written: a stream of bytes, line by line, in bounded memory.

`write` puts a whole file into a temporary one before anybody is answered: a reader that is slow holds no connection,
what goes wrong is a refusal rather than half a file, and its length is known.
"""

from collections.abc import Callable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

from statements.errors import StatementFormatNotOffered, StatementTooManyLines
from statements.files import camt053, csv_rows, merchant_csv, mt940, pdf
from statements.models import BUSINESSES, FOR_BUSINESSES, Format
from statements.selectors import Stated

IN_MEMORY = 1 << 20  # beyond it the file is on disk, without a name


class Kind(NamedTuple):
    """How one format is written: its media type, the ending of its name, its bytes."""

    media_type: str
    ending: str
    parts: Callable[[Stated], Iterator[bytes]]


KINDS: dict[str, Kind] = {
    Format.CSV: Kind("text/csv; charset=utf-8", "csv", csv_rows.parts),
    Format.PDF: Kind("application/pdf", "pdf", pdf.parts),
    Format.CAMT053: Kind("application/xml", "xml", camt053.parts),
    Format.MT940: Kind("text/plain; charset=us-ascii", "sta", mt940.parts),
    Format.MERCHANT: Kind("text/csv; charset=utf-8", "merchant.csv", merchant_csv.parts),
}


def refuse_unless_offered(file_format: str, account_type: str) -> None:
    """Raises: StatementFormatNotOffered."""
    if file_format in FOR_BUSINESSES and account_type not in BUSINESSES:
        raise StatementFormatNotOffered()


def offered(file_format: str, account_type: str) -> str:
    """It, or PDF where an account of this type is not offered it any more."""
    return Format.PDF if file_format in FOR_BUSINESSES and account_type not in BUSINESSES else file_format


def refuse_too_long(stated: Stated) -> None:
    """For a PDF. Raises: StatementTooManyLines."""
    if stated.figures.entries > pdf.MOST_LINES:
        raise StatementTooManyLines(lines=stated.figures.entries, most=pdf.MOST_LINES)


def write(stated: Stated, file_format: str) -> IO[bytes]:
    """The whole file, to be read from its beginning; who opens it closes it.

    Raises: StatementFormatNotOffered, StatementTooManyLines.
    """
    refuse_unless_offered(file_format, stated.wallet.customer.account_type)
    if file_format == Format.PDF:
        refuse_too_long(stated)
    file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (who asked for it reads and closes it)
    try:
        for part in KINDS[file_format].parts(stated):
            file.write(part)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def name_of(stated: Stated, file_format: str) -> str:
    return f"{stated.file_name}.{KINDS[file_format].ending}"
