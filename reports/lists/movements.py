"""What moved, is set aside or asked back, and what a bank or a provider said to it."""

from dataclasses import replace

from django.apps import apps
from django.db.models import BigIntegerField, Case, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce

from fx.models import Quote
from recalls.models import Recall
from reports.models import HoldLine
from reports.tables import Cell, Column, Exportable, Rate, decimals
from transactions.models import GIVES_BACK, Kind, RailMessage, Receivable, State, Transaction, UnknownOutcome

WENT_THROUGH = Q(state__in=[State.COMPLETED, State.PARTIALLY_REVERSED, State.REVERSED]) & ~Q(kind=Kind.HOLD)
# What is refused or called off moves nothing, and what is promised moves with its captures: each amount counts once.
MOVES = Case(When(WENT_THROUGH, then=F("amount")), default=0, output_field=BigIntegerField())
BOOKED = (
    apps.get_model("ledger", "Entry")
    .objects.filter(journal=OuterRef("pk"), account__code__startswith="income:fees:")
    .values("journal")
    .annotate(income=Sum(-F("side") * F("amount"), output_field=BigIntegerField()))
    .values("income")
)
# As it stands in the books: what went back with a reversal, or was waived afterwards, is below zero.
EARNS = Case(
    When(WENT_THROUGH & Q(kind__in=[*GIVES_BACK, Kind.ADJUSTMENT]), then=Coalesce(Subquery(BOOKED), 0)),
    When(WENT_THROUGH, then=F("fee") + F("payee_fee")),
    default=0, output_field=BigIntegerField(),
)  # fmt: skip
TRANSACTIONS = Exportable(
    name="transactions",
    model=Transaction,
    permission="transactions.view_transaction",
    order=("pk",),
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("receipt", "receipt"),
        Column("kind", "kind"),
        Column("state", "state"),
        Column("currency", "currency"),
        Column("amount", "amount", Cell.AMOUNT),
        Column("fee", "fee", Cell.AMOUNT),
        Column("payee_fee", "payee_fee", Cell.AMOUNT),
        Column("reversed", "reversed_amount", Cell.AMOUNT),
        Column("moved", "moved", Cell.AMOUNT),
        Column("fee_income", "fee_income", Cell.AMOUNT),
        Column("received_currency", "received_currency"),
        Column("received", "received", Cell.AMOUNT, of="received_currency"),
        Column("rate", "rate"),
        Column("payer", "payer__customer__full_name", Cell.FREE),
        Column("payee", "payee__customer__full_name", Cell.FREE),
        Column("memo", "memo", Cell.FREE, prose=True),
        Column("reference", "reference", Cell.FREE, prose=True),
        Column("order_reference", "order_reference", Cell.FREE, prose=True),
        Column("refusal_code", "refusal_code", Cell.FREE),
        Column("reason_code", "reason_code"),
        Column("rail", "rail"),
        Column("rail_reference", "rail_reference", Cell.FREE),
        Column("completed_at", "completed_at", Cell.INSTANT),
        Column("amount_minor", "amount", Cell.WHOLE),
        Column("fee_minor", "fee", Cell.WHOLE),
        Column("payee_fee_minor", "payee_fee", Cell.WHOLE),
        Column("reversed_minor", "reversed_amount", Cell.WHOLE),
        Column("moved_minor", "moved", Cell.WHOLE),
        Column("fee_income_minor", "fee_income", Cell.WHOLE),
        Column("received_minor", "received", Cell.WHOLE),
        Column("payer_wallet", "payer_id"),
        Column("payee_wallet", "payee_id"),
        Column("reverses", "reverses_id"),
        Column("hold", "hold_id"),
        Column("id", "id"),
    ),
    sums={
        "amount": "amount",
        "fee": "fee",
        "payee_fee": "payee_fee",
        "reversed": "reversed_amount",
        "moved": "moved",
        "fee_income": "fee_income",
    },
    also={
        "moved": MOVES,
        "fee_income": EARNS,
        "rate": Rate(decimals("received", "received_currency"), decimals("amount", "currency")),
    },
)
UNKNOWN_OUTCOMES = replace(
    TRANSACTIONS,
    name="unknown_outcomes",
    model=UnknownOutcome,
    permission="transactions.view_unknownoutcome",
    columns=(
        *TRANSACTIONS.columns,
        Column("attempts", "attempts", Cell.WHOLE),
        Column("due_at", "due_at", Cell.INSTANT),
    ),
)
HOLDS = Exportable(
    name="holds",
    model=HoldLine,
    permission="reports.view_holdline",
    order=("pk",),
    columns=(
        Column("placed_at", "placed_at", Cell.INSTANT),
        Column("account", "account_code"),
        Column("currency", "currency"),
        Column("amount", "amount", Cell.AMOUNT),
        Column("remaining", "remaining", Cell.AMOUNT),
        Column("state", "state"),
        Column("changed_at", "changed_at", Cell.INSTANT),
        Column("expires_at", "expires_at", Cell.INSTANT),
        Column("amount_minor", "amount", Cell.WHOLE),
        Column("remaining_minor", "remaining", Cell.WHOLE),
        Column("transaction", "id"),
    ),
    sums={"amount": "amount", "remaining": "remaining"},
)
RECALLS = Exportable(
    name="recalls",
    model=Recall,
    permission="recalls.view_recall",
    order=("pk",),
    columns=(
        Column("opened_at", "opened_at", Cell.INSTANT),
        Column("receipt", "transaction__receipt"),
        Column("sender", "sender__full_name", Cell.FREE),
        Column("recipient", "recipient__full_name", Cell.FREE),
        Column("state", "state"),
        Column("currency", "currency"),
        Column("claimed", "claimed", Cell.AMOUNT),
        Column("held", "held", Cell.AMOUNT),
        Column("returned", "returned", Cell.AMOUNT),
        Column("reason", "reason_id"),
        Column("note", "note", Cell.FREE, prose=True),
        Column("opened_by", "opened_by"),
        Column("answer_by", "deadline_at", Cell.INSTANT),
        Column("closed_at", "closed_at", Cell.INSTANT),
        Column("closed_by", "closed_by"),
        Column("claimed_minor", "claimed", Cell.WHOLE),
        Column("held_minor", "held", Cell.WHOLE),
        Column("returned_minor", "returned", Cell.WHOLE),
        Column("payment", "transaction_id"),
        Column("reversal", "reversal_id"),
        Column("wallet", "wallet_id"),
        Column("id", "id"),
    ),
    sums={"claimed": "claimed", "held": "held", "returned": "returned"},
)
RECEIVABLES = Exportable(
    name="receivables",
    model=Receivable,
    permission="transactions.view_receivable",
    order=("pk",),
    columns=(
        Column("opened_at", "opened_at", Cell.INSTANT),
        Column("debtor", "debtor__customer__full_name", Cell.FREE),
        Column("receipt", "transaction__receipt"),
        Column("currency", "currency"),
        Column("owed", "account__posted", Cell.AMOUNT),
        Column("last_at", "account__last_at", Cell.INSTANT),
        Column("owed_minor", "account__posted", Cell.WHOLE),
        Column("debtor_wallet", "debtor_id"),
        Column("debtor_customer", "debtor__customer_id"),
        Column("payment", "transaction_id"),
        Column("account", "account__code"),
        Column("id", "id"),
    ),
    sums={"owed": "account__posted"},
)
RAIL_MESSAGES = Exportable(
    name="rail_messages",
    model=RailMessage,
    permission="transactions.view_railmessage",
    order=("pk",),
    currency="",
    columns=(
        Column("received_at", "received_at", Cell.INSTANT),
        Column("rail", "rail"),
        Column("message", "message_id", Cell.FREE),
        Column("state", "state"),
        Column("note", "note", Cell.FREE, prose=True),
        Column("attempts", "attempts", Cell.WHOLE),
        Column("processed_at", "processed_at", Cell.INSTANT),
        Column("transaction", "transaction_id"),
        Column("payload", "payload", Cell.JSON, personal=True),
        Column("id", "id"),
    ),
)
QUOTES = Exportable(
    name="quotes",
    model=Quote,
    permission="fx.view_quote",
    order=("pk",),
    currency="sell",
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("caller", "caller"),
        Column("kind", "kind"),
        Column("fixed", "fixed"),
        Column("currency", "sell"),
        Column("given", "sell_minor", Cell.AMOUNT),
        Column("fee", "fee_minor", Cell.AMOUNT),
        Column("received_currency", "buy"),
        Column("received", "buy_minor", Cell.AMOUNT, of="buy"),
        Column("rate", "rate"),
        Column("margin", "margin_minor", Cell.AMOUNT, of="buy"),
        Column("margin_bps", "margin_bps", Cell.WHOLE),
        Column("tier", "tier", Cell.WHOLE),
        Column("expires_at", "expires_at", Cell.INSTANT),
        Column("used_at", "use__at", Cell.INSTANT),
        Column("used_by", "use__transaction"),
        Column("via", "decision__via"),
        Column("given_minor", "sell_minor", Cell.WHOLE),
        Column("fee_minor", "fee_minor", Cell.WHOLE),
        Column("received_minor", "buy_minor", Cell.WHOLE),
        Column("margin_minor", "margin_minor", Cell.WHOLE),
        Column("decision", "decision_id"),
        Column("id", "id"),
    ),
    sums={"given": "sell_minor", "fee": "fee_minor"},
    also={
        "exchanged": F("sell_minor") - F("fee_minor"),
        "rate": Rate(decimals("buy_minor", "buy"), decimals("exchanged", "sell")),
    },
)
