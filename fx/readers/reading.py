"""Which reader a source's files have."""

from datetime import date

from fx.models import RateSource
from fx.readers import cbk, cbn, ecb, generic
from fx.readers.base import Reader, Reading

FORMATS: dict[str, Reader] = {
    RateSource.Format.ECB: ecb.read,
    RateSource.Format.CBK: cbk.read,
    RateSource.Format.CBN: cbn.read,
    RateSource.Format.JSON: generic.read_json,
    RateSource.Format.CSV: generic.read_csv,
}


def read(source: RateSource, content: bytes, *, of: date | None = None) -> Reading:
    """The whole file, or none of it. ``of``: its day, where the file does not say one. Raises: RateFileRefused."""
    return FORMATS[source.format](content, source.options, of)
