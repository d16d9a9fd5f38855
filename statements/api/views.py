"""The doors to statements: of any days as JSON or a file, those that were made by the clock, and how often they are."""

from typing import Any
from uuid import UUID

from django.http import FileResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.pagination import page_body, read_page, write_cursor
from customers.api.views import read_body
from customers.authentication import caller
from customers.permissions import LiveSession
from statements import errors, files, merchants, selectors, services
from statements.api import serializers as s
from statements.models import Format
from statements.selectors import Stated
from wallets.errors import WalletClosed, WalletNotFound
from wallets.models import Wallet

AS_FILES: Any = {
    (200, "text/csv"): OpenApiTypes.STR,
    (200, "application/pdf"): OpenApiTypes.BINARY,
    (200, "application/xml"): OpenApiTypes.STR,
    (200, "text/plain"): OpenApiTypes.STR,
}
ANSWERS: Any = {(200, "application/json"): s.StatementSerializer, **AS_FILES}


class StatementView(APIView):
    permission_classes = [LiveSession]
    problems = [
        WalletNotFound, errors.StatementDaysReversed, errors.StatementTooLong, errors.StatementInFuture,
        errors.StatementFormatNotOffered, errors.StatementTooManyLines,
    ]  # fmt: skip

    @extend_schema(operation_id="read_statement", parameters=[s.StatementQuery], responses=ANSWERS)
    def get(self, request: Request, wallet_id: UUID) -> HttpResponseBase:
        """Opening balance, movements and closing balance of any days, oldest first; days are those of your country.

        Asked again, the same days say the same, once they are over.
        """
        query = s.StatementQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        stated = services.state(owned(request, wallet_id), asked["from"], asked["to"], asked.get("language"))
        return answer(stated, asked)


class MerchantStatementView(APIView):
    permission_classes = [LiveSession]
    problems = [WalletNotFound, errors.MerchantStatementNotOffered, errors.StatementInFuture]

    @extend_schema(
        operation_id="read_merchant_statement",
        parameters=[s.MerchantStatementQuery],
        responses={(200, "application/json"): s.MerchantStatementSerializer, (200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request, wallet_id: UUID) -> HttpResponseBase:
        """What a business was paid on a day, what it gave back, what that cost it: sums, and lines by order reference.

        The net is what these made of the balance. Asked again, a day that is over says the same.
        """
        query = s.MerchantStatementQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        wallet = owned(request, wallet_id)
        merchants.refuse_person(wallet)
        stated = services.state(wallet, asked["day"], asked["day"])
        if asked["format"] == Format.CSV:
            return as_file(stated, Format.MERCHANT)
        found, limit = stated.figures, asked["limit"]
        rows = merchants.takings_after(wallet, found, asked["cursor"][0] if "cursor" in asked else None, limit + 1)
        page = page_body(rows, limit, key=lambda row: [row.seq], shown=lambda row: s.taking_body(row, found.currency))
        return Response({**s.takings_body(stated, merchants.takings(wallet, found)), **page})


class StatementsView(APIView):
    permission_classes = [LiveSession]
    problems = [WalletNotFound]

    @extend_schema(operation_id="list_statements", parameters=[s.StatementsQuery], responses=s.StatementsPageSerializer)
    def get(self, request: Request, wallet_id: UUID) -> Response:
        """The statements that were made by themselves, newest first. Each begins where the one before it ended."""
        page = read_page(request, s.StatementsQuery)
        wallet = owned(request, wallet_id)
        rows = selectors.statements_of(wallet)
        if page.after:
            rows = rows.filter(number__lt=page.after[0])
        return Response(
            page_body(
                list(rows[: page.limit + 1]),
                page.limit,
                key=lambda row: [row.number],
                shown=lambda row: s.head_body(selectors.stated_again(row, wallet)),
            )
        )


class KeptStatementView(APIView):
    permission_classes = [LiveSession]
    problems = [
        WalletNotFound, errors.StatementNotFound, errors.StatementFormatNotOffered, errors.StatementTooManyLines,
    ]  # fmt: skip

    @extend_schema(operation_id="read_kept_statement", parameters=[s.KeptStatementQuery], responses=ANSWERS)
    def get(self, request: Request, wallet_id: UUID, number: int) -> HttpResponseBase:
        """One of them again, in any format: its figures and its checksum are those of then."""
        query = s.KeptStatementQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        wallet = owned(request, wallet_id)
        stated = selectors.stated_again(selectors.statement_of(wallet, number), wallet)
        return answer(stated._replace(language=asked.get("language") or stated.language), asked)


class StatementSettingsView(APIView):
    permission_classes = [LiveSession]
    problems = {
        "GET": [WalletNotFound],
        "PUT": [WalletNotFound, WalletClosed, errors.StatementFormatNotOffered],
    }

    @extend_schema(operation_id="read_statement_settings", responses=s.SettingsShownSerializer)
    def get(self, request: Request, wallet_id: UUID) -> Response:
        """How often statements of this wallet are made by themselves and sent to your e-mail address."""
        return Response(s.settings_body(services.settings_of(owned(request, wallet_id))))

    @extend_schema(
        operation_id="choose_statements",
        request=s.StatementSettingsSerializer,
        responses={200: s.SettingsShownSerializer},
    )
    def put(self, request: Request, wallet_id: UUID) -> Response:
        """Choose. The first statement covers the whole of the day, week or month that you choose it in."""
        body = read_body(request, s.StatementSettingsSerializer)
        wallet = owned(request, wallet_id)
        now = services.settings_of(wallet)
        row = services.choose(
            wallet, every=body["every"], file_format=body.get("format", now.format),
            language=body.get("language", now.language), actor=caller(request),
        )  # fmt: skip
        return Response(s.settings_body(row))


def owned(request: Request, wallet_id: UUID) -> Wallet:
    """Raises: WalletNotFound, also for somebody else's."""
    wallet = selectors.wallet_with_owner(wallet_id).filter(customer_id=caller(request).id).first()
    if wallet is None:
        raise WalletNotFound()
    return wallet


def as_file(stated: Stated, file_format: str) -> HttpResponseBase:
    file = files.write(stated, file_format)
    return FileResponse(
        file, as_attachment=True, filename=files.name_of(stated, file_format),
        content_type=files.KINDS[file_format].media_type,
    )  # fmt: skip


def answer(stated: Stated, asked: dict[str, Any]) -> HttpResponseBase:
    """JSON with a page of lines, or the whole file."""
    file_format = asked["format"]
    if file_format != Format.JSON:
        return as_file(stated, file_format)
    found, limit = stated.figures, asked["limit"]
    after = max(asked["cursor"][0] if "cursor" in asked else 0, found.seq_before)
    rows = selectors.lines_after(stated.wallet, after, found.seq_last, limit + 1)
    return Response(
        {
            "wallet_id": stated.wallet.pk,
            **s.head_body(stated),
            "is_final": found.is_final,
            "data": [s.line_body(line, found.currency) for line in rows[:limit]],
            "next": write_cursor(rows[limit - 1].seq) if len(rows) > limit else None,
        }
    )
