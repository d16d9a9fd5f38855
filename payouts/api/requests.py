"""Reading a payout that comes in: JSON, a CSV as it is, or a form with a file. Bounded before it is read."""

from typing import Any

from django.core.files.uploadhandler import MemoryFileUploadHandler, StopUpload
from django.http import QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from rest_framework.request import Request

from core.chunks import most_bytes
from core.errors import MalformedBody, UnsupportedMediaType
from core.parsing import read_object
from customers.authentication import caller
from payouts.api import serializers as s
from payouts.errors import PayoutFileTooLarge, PayoutFileUnreadable
from payouts.reading import File, read_csv, read_json
from payouts.services import PayoutOrder, paying_wallet
from wallets.models import Wallet


class WholeFile(MemoryFileUploadHandler):
    """One file, in memory: the request as a whole is bounded."""

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        self.activated = True

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        if field_name != "file":
            raise StopUpload(connection_reset=False)
        super().new_file(field_name, *args, **kwargs)


def read_payout(request: Request) -> tuple[PayoutOrder, File, Wallet]:
    """Raises: UnsupportedMediaType, PayoutFileTooLarge, MalformedBody, ValidationFailed, PayoutFileUnreadable, NoItems,
    TooManyItems, WalletNotFound, WalletClosed."""
    most = most_bytes(request.path)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal()):
        raise MalformedBody("Content-Length is a number of bytes.")
    if int(length) > most:
        raise PayoutFileTooLarge(most_bytes=most)
    items: Any = None
    content = b""
    match request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower():
        case "application/json":
            body = read_object(request._request.read(), most)
            items = body.pop("items", [])
            options = body
        case "text/csv":
            content = request._request.read()
            options = _texts(request.query_params)
        case "multipart/form-data":
            options, content = _form(request)
        case _:
            raise UnsupportedMediaType("Send application/json, text/csv or multipart/form-data.")
    asked = s.PayoutOptionsSerializer(data=options)
    asked.is_valid(raise_exception=True)
    order = PayoutOrder(**{"wallet_id" if name == "from_wallet_id" else name: value
                           for name, value in asked.validated_data.items()})  # fmt: skip
    wallet = paying_wallet(caller(request).id, order.wallet_id)
    read = read_csv(content, wallet.currency) if items is None else read_json(items, wallet.currency)
    return order, read, wallet


def _form(request: Request) -> tuple[dict[str, Any], bytes]:
    """Raises: MalformedBody, PayoutFileUnreadable."""
    whole: Any = WholeFile(request._request)
    try:
        texts, files = MultiPartParser(request.META, request._request, [whole], "utf-8").parse()
    except MultiPartParserError as exc:
        raise MalformedBody("Not a form with a file.") from exc
    if "file" not in files:
        raise PayoutFileUnreadable("The form has no file in the field `file`.")
    if len(files.getlist("file")) > 1:
        raise MalformedBody("A form has one file.")
    file: Any = files["file"]
    return _texts(texts), file.read()


def _texts(given: QueryDict) -> dict[str, Any]:
    """Each field once; ``again`` as a form says it. Raises: MalformedBody."""
    if any(len(values) > 1 for _, values in given.lists()):
        raise MalformedBody("A field comes twice.")
    texts: dict[str, Any] = {name: value for name, value in given.items() if value != ""}
    if texts.get("again") in ("true", "false"):
        texts["again"] = texts["again"] == "true"
    return texts
