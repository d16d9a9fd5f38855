"""Bodies that come in chunks do not say how long they are, and Django takes them for empty. They are read here."""

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

MAX_BODY_BYTES = 64 * 1024  # no request to the API needs more, but for files (settings.LARGE_BODIES)


def most_bytes(path: str) -> int:
    """How long a body for this address may be."""
    return settings.LARGE_BODIES.get(path, MAX_BODY_BYTES)


def with_length(application: "WSGIApplication") -> "WSGIApplication":
    """``application``, to which such a body has a length; one byte over the bound is enough to be refused."""

    def wrapped(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" in environ and not environ.get("CONTENT_LENGTH"):
            body = environ["wsgi.input"].read(most_bytes(environ.get("PATH_INFO", "")) + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return wrapped
