"""Bodies that come in chunks do not say how long they are, and Django takes them for empty. They are read here."""

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

MAX_BODY_BYTES = 64 * 1024  # no request to the API needs more


def with_length(application: "WSGIApplication") -> "WSGIApplication":
    """``application``, to which such a body has a length; one byte over the bound is enough to be refused."""

    def wrapped(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" in environ and not environ.get("CONTENT_LENGTH"):
            body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return wrapped
