"""The doors to money: parse, call, render. What is decided, and kept, is decided behind `services`."""

from typing import Any
from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import AmountNotPositive, AmountTooLarge, AmountTooPrecise, InvalidAmount, OutcomeUnknown
from core.money import decimal_string
from core.pagination import read_page, write_cursor
from core.problems import CONTENT_TYPE as PROBLEM_TYPE
from customers.api.views import read_body
from customers.authentication import caller
from customers.errors import CustomerSuspended, SessionEnded
from customers.models import Customer
from customers.permissions import LiveSession
from fx.errors import QuoteExpired, QuoteMismatch, QuoteNotFound, QuoteUsed
from transactions import errors, selectors
from transactions.api import serializers as s
from transactions.api.requests import answer_with, idempotency_key, positive, read_transfer
from transactions.movements import Outcome
from transactions.services.cash_outs import start_cash_out
from transactions.services.top_ups import start_top_up
from transactions.services.transfers import preview_transfer, send_transfer
from wallets.errors import WalletClosed, WalletFrozen, WalletNotFound
from wallets.selectors import masked_name

AMOUNTS = [InvalidAmount, AmountTooPrecise, AmountTooLarge, AmountNotPositive]
SENDING: list[Any] = [
    *AMOUNTS, SessionEnded, CustomerSuspended, WalletNotFound, errors.CurrencyMismatch, errors.InsufficientFunds,
    WalletFrozen, WalletClosed, errors.LimitExceeded, errors.LimitsNotSet,
]  # fmt: skip
TO_SOMEBODY: list[Any] = [
    errors.SelfTransfer, errors.AmountBelowFee, errors.RecipientNotFound, errors.RecipientHasNoWallet,
    errors.RecipientUnavailable, errors.BalanceLimitExceeded,
]  # fmt: skip
QUOTED: list[Any] = [QuoteNotFound, QuoteExpired, QuoteUsed, QuoteMismatch]
IDEMPOTENT: list[Any] = [
    errors.MissingIdempotencyKey, errors.InvalidIdempotencyKey, errors.IdempotencyKeyReused, errors.ReferenceTaken,
    OutcomeUnknown,
]  # fmt: skip


def told(outcome: Outcome) -> HttpResponse:
    """What the caller was told, the first time and each time after it. Raises: a refusal that was not kept."""
    if outcome.answer is None:
        outcome.or_raise()
    status = outcome.status or 201
    response = HttpResponse(
        outcome.answer, status=status, content_type=PROBLEM_TYPE if status >= 400 else "application/json"
    )
    if outcome.replayed:
        response["Idempotency-Replayed"] = "true"
    return response


class TransfersView(APIView):
    permission_classes = [IsAuthenticated]  # session and suspension are looked at inside the posting transaction
    idempotent = True
    problems = SENDING + TO_SOMEBODY + QUOTED + IDEMPOTENT

    @extend_schema(operation_id="send_transfer", request=s.TransferSerializer, responses={201: s.TransferredSerializer})
    def post(self, request: Request) -> HttpResponse:
        """Send money to a wallet, a phone number or an e-mail address: at once, or refused with a code."""
        key = idempotency_key(request)
        order = read_transfer(request)
        answer = answer_with(s.transfer_body, request)
        return told(send_transfer(order, actor=caller(request), idempotency_key=key, answer=answer))


class TransferPreviewView(APIView):
    permission_classes = [LiveSession]
    problems = SENDING + TO_SOMEBODY + QUOTED

    @extend_schema(operation_id="preview_transfer", request=s.TransferSerializer, responses={200: s.PreviewSerializer})
    def post(self, request: Request) -> Response:
        """What the same transfer would do: to whom, at which fee, with which lines and limits left. Posts nothing."""
        order = read_transfer(request)
        preview = preview_transfer(order, actor=caller(request))
        currency, quoted = order.amount.currency, preview.exchange
        recipient = Customer.objects.get(wallets=preview.payee)

        def shown(amount: int | None) -> str | None:
            return None if amount is None else decimal_string(amount, currency)

        return Response(
            {
                "recipient": masked_name(recipient.full_name),
                "to_wallet_id": preview.payee,
                "amount": order.amount.decimal,
                "fee": shown(preview.fee),
                "total": shown(order.amount.amount_minor + preview.fee),
                "arrives": shown(order.amount.amount_minor - preview.payee_fee),
                "currency": currency,
                "balance_after": shown(preview.balance_after),
                "limits_left": {period: shown(left) for period, left in preview.limits_left.items()},
                "lines": [
                    {
                        "account": line["account"],
                        "side": line["side"],
                        "amount": decimal_string(line["amount_minor"], line["currency"]),
                        "currency": line["currency"],
                    }
                    for line in preview.lines
                ],
            }
            | (s.quoted_body(quoted) if quoted else {})
        )


class DepositView(APIView):
    permission_classes = [IsAuthenticated]  # as for transfers
    idempotent = True
    problems = [
        *AMOUNTS, SessionEnded, CustomerSuspended, WalletNotFound, errors.CurrencyMismatch, WalletFrozen, WalletClosed,
        errors.AmountBelowFee, errors.BalanceLimitExceeded, errors.LimitsNotSet, *IDEMPOTENT,
    ]  # fmt: skip

    @extend_schema(operation_id="deposit", request=s.DepositSerializer, responses={201: s.RailMovementSerializer})
    def post(self, request: Request, wallet_id: UUID) -> HttpResponse:
        """Top the wallet up through a partner: pending until the partner has the money."""
        key = idempotency_key(request)
        body = read_body(request, s.DepositSerializer)
        outcome = start_top_up(
            wallet_id, positive(body["amount"], body["currency"]), actor=caller(request), idempotency_key=key,
            reference=body.get("reference"), answer=answer_with(s.rail_body, request),
        )  # fmt: skip
        return told(outcome)


class WithdrawView(APIView):
    permission_classes = [IsAuthenticated]  # as for transfers
    idempotent = True
    problems = SENDING + QUOTED + IDEMPOTENT

    @extend_schema(operation_id="withdraw", request=s.WithdrawSerializer, responses={201: s.RailMovementSerializer})
    def post(self, request: Request, wallet_id: UUID) -> HttpResponse:
        """Pay out to a bank account: the money is held at once and gone when the bank has paid."""
        key = idempotency_key(request)
        body = read_body(request, s.WithdrawSerializer)
        outcome = start_cash_out(
            wallet_id, positive(body["amount"], body["currency"]), dict(body["bank_account"]), actor=caller(request),
            idempotency_key=key, reference=body.get("reference"), quote=body.get("quote_id"),
            answer=answer_with(s.rail_body, request),
        )  # fmt: skip
        return told(outcome)


class TransactionView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.TransactionNotFound]

    @extend_schema(operation_id="read_transaction", responses=s.TransactionSerializer)
    def get(self, request: Request, transaction_id: UUID) -> Response:
        """One of your transactions, as payer or payee."""
        return Response(s.transaction_body(selectors.transaction_for(caller(request).id, transaction_id)))


class WalletLimitsView(APIView):
    permission_classes = [LiveSession]
    problems = [WalletNotFound, errors.LimitsNotSet]

    @extend_schema(operation_id="read_wallet_limits", responses=s.WalletLimitsSerializer)
    def get(self, request: Request, wallet_id: UUID) -> Response:
        """What your tier still allows in this wallet, today and this month."""
        return Response(s.limits_body(selectors.limits_left(caller(request).id, wallet_id)))


class HistoryView(APIView):
    permission_classes = [IsAuthenticated]  # the selector looks at the session in the statement that reads the page
    problems = [WalletNotFound, SessionEnded, CustomerSuspended]

    @extend_schema(operation_id="list_transactions", parameters=[s.HistoryQuery], responses=s.HistoryPageSerializer)
    def get(self, request: Request, wallet_id: UUID) -> HttpResponse:
        """What happened on the wallet, both ways, newest first: with running balances, and with what was refused."""
        page = read_page(request, s.HistoryQuery)
        asked = page.filters
        filters = selectors.Filters(
            asked.get("kind"), asked.get("status"), asked.get("direction"), asked.get("from"), asked.get("to")
        )
        after = page.after if page.after is None else (page.after[0], page.after[1])
        me = caller(request)
        viewed = bool(me.viewed_by)
        rows = selectors.history(me.id, me.session_id, wallet_id, filters, after, page.limit + 1, viewed=viewed)
        shown = rows[: page.limit]
        following = write_cursor(*selectors.next_key(shown, after)) if len(rows) > page.limit else None
        body = {"data": [s.history_body(row) for row in shown], "next": following}
        return HttpResponse(msgspec.json.encode(body), content_type="application/json")

    head = get  # or Django makes one for each view, and with it a knot for the garbage collector
