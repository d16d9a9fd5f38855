"""The lists of the back office as files: what each has for columns, and what is added up.

A list that is not described here goes by `plain`, which takes what is short and nobody's secret.
"""

from dataclasses import replace
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.db.models import F, OuterRef, Subquery

from core.models import AuditRecord
from customers.models import Customer, TierLimit
from fx.models import Quote
from notifications.models import Notification
from payments.models import PaymentRequest, RequestUse
from payouts.models import Batch, Item
from reports.errors import UnknownList
from reports.models import EntryLine, Export, HoldLine
from reports.tables import Cell, Column, Exportable
from schedules.models import OrderRun, OrderVersion, StandingOrder
from staff.models import Session
from transactions.models import FeeRule, FeeWaiver, RailMessage, Receivable, Transaction, UnknownOutcome
from wallets.models import Freeze, Wallet

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
        Column("received_currency", "received_currency"),
        Column("received", "received", Cell.AMOUNT, of="received_currency"),
        Column("payer", "payer__customer__full_name", Cell.FREE),
        Column("payee", "payee__customer__full_name", Cell.FREE),
        Column("memo", "memo", Cell.FREE, prose=True),
        Column("reference", "reference", Cell.FREE, prose=True),
        Column("order_reference", "order_reference", Cell.FREE, prose=True),
        Column("refusal_code", "refusal_code", Cell.FREE),
        Column("rail", "rail"),
        Column("rail_reference", "rail_reference", Cell.FREE),
        Column("completed_at", "completed_at", Cell.INSTANT),
        Column("amount_minor", "amount", Cell.WHOLE),
        Column("fee_minor", "fee", Cell.WHOLE),
        Column("payee_fee_minor", "payee_fee", Cell.WHOLE),
        Column("reversed_minor", "reversed_amount", Cell.WHOLE),
        Column("received_minor", "received", Cell.WHOLE),
        Column("payer_wallet", "payer_id"),
        Column("payee_wallet", "payee_id"),
        Column("reverses", "reverses_id"),
        Column("hold", "hold_id"),
        Column("id", "id"),
    ),
    sums={"amount": "amount", "fee": "fee", "payee_fee": "payee_fee", "reversed": "reversed_amount"},
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
ENTRIES = Exportable(
    name="entries",
    model=EntryLine,
    permission="reports.view_entryline",
    order=("journal_id", "account_id"),
    columns=(
        Column("recorded_at", "recorded_at", Cell.INSTANT),
        Column("effective_at", "effective_at", Cell.INSTANT),
        Column("account", "account_code"),
        Column("account_name", "account_name", Cell.FREE),
        Column("number", "seq", Cell.WHOLE),
        Column("kind", "kind"),
        Column("reference", "reference", Cell.FREE),
        Column("currency", "currency"),
        Column("debit", "debit", Cell.AMOUNT),
        Column("credit", "credit", Cell.AMOUNT),
        Column("balance_after", "balance_after", Cell.AMOUNT),
        Column("debit_minor", "debit", Cell.WHOLE),
        Column("credit_minor", "credit", Cell.WHOLE),
        Column("balance_after_minor", "balance_after", Cell.WHOLE),
        Column("journal", "journal_id"),
    ),
    sums={"debits": "debit", "credits": "credit"},
)
# The entries of one account in their own order, as its ledger shows them.
LEDGER = Exportable(
    name="ledger",
    called="ledger of an account",
    model=EntryLine,
    permission="ledger.view_account",
    order=("account_id", "seq"),
    columns=ENTRIES.columns,
    sums=ENTRIES.sums,
)
CUSTOMERS = Exportable(
    name="customers",
    model=Customer,
    permission="customers.view_customer",
    order=("pk",),
    currency="",
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("name", "full_name", Cell.FREE),
        Column("phone_number", "phone_number", Cell.FREE, personal=True),
        Column("email", "email", Cell.FREE, personal=True),
        Column("country", "country_id"),
        Column("account_type", "account_type"),
        Column("tier", "tier", Cell.WHOLE),
        Column("state", "state"),
        Column("id", "id"),
    ),
)
WALLETS = Exportable(
    name="wallets",
    model=Wallet,
    permission="wallets.view_wallet",
    order=("pk",),
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("owner", "customer__full_name", Cell.FREE),
        Column("currency", "currency"),
        Column("posted", "account__posted", Cell.AMOUNT),
        Column("held", "account__held", Cell.AMOUNT),
        Column("may_not_send", "account__debits_frozen", Cell.YES),
        Column("may_not_receive", "account__credits_frozen", Cell.YES),
        Column("closed_at", "closed_at", Cell.INSTANT),
        Column("posted_minor", "account__posted", Cell.WHOLE),
        Column("held_minor", "account__held", Cell.WHOLE),
        Column("customer", "customer_id"),
        Column("id", "id"),
    ),
    sums={"posted": "account__posted", "held": "account__held"},
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
FREEZES = Exportable(
    name="freezes",
    model=Freeze,
    permission="wallets.view_freeze",
    order=("pk",),
    currency="",
    columns=(
        Column("placed_at", "placed_at", Cell.INSTANT),
        Column("owner", "wallet__customer__full_name", Cell.FREE),
        Column("wallet_currency", "wallet__currency"),
        Column("mode", "mode"),
        Column("cause", "cause"),
        Column("reason", "reason", Cell.FREE, prose=True),
        Column("placed_by", "placed_by"),
        Column("expires_at", "expires_at", Cell.INSTANT),
        Column("lifted_at", "lifted_at", Cell.INSTANT),
        Column("lifted_by", "lifted_by"),
        Column("lift_reason", "lift_reason", Cell.FREE, prose=True),
        Column("wallet", "wallet_id"),
        Column("id", "id"),
    ),
)
ACCOUNTS = Exportable(
    name="accounts",
    model=apps.get_model("ledger", "Account"),
    permission="ledger.view_account",
    order=("pk",),
    columns=(
        Column("code", "code"),
        Column("name", "name", Cell.FREE),
        Column("currency", "currency"),
        Column("posted", "posted", Cell.AMOUNT),
        Column("held", "held", Cell.AMOUNT),
        Column("grows_by", "normal_side", Cell.WHOLE),
        Column("entries", "seq", Cell.WHOLE),
        Column("last_at", "last_at", Cell.INSTANT),
        Column("debits_frozen", "debits_frozen", Cell.YES),
        Column("credits_frozen", "credits_frozen", Cell.YES),
        Column("opened_at", "created_at", Cell.INSTANT),
        Column("closed_at", "closed_at", Cell.INSTANT),
        Column("posted_minor", "posted", Cell.WHOLE),
        Column("held_minor", "held", Cell.WHOLE),
        Column("id", "id", Cell.WHOLE),
    ),
    sums={"posted": "posted", "held": "held"},
)
JOURNALS = Exportable(
    name="journals",
    model=apps.get_model("ledger", "Journal"),
    permission="ledger.view_journal",
    order=("pk",),
    currency="",
    columns=(
        Column("recorded_at", "recorded_at", Cell.INSTANT),
        Column("effective_at", "effective_at", Cell.INSTANT),
        Column("kind", "kind"),
        Column("reference", "reference", Cell.FREE),
        Column("reverses", "reverses_id"),
        Column("reverses_all", "reverses_all", Cell.YES),
        Column("metadata", "metadata", Cell.JSON),
        Column("id", "id"),
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
AUDIT = Exportable(
    name="audit",
    called="audit trail",
    model=AuditRecord,
    permission="core.view_auditrecord",
    order=("pk",),
    currency="",
    columns=(
        Column("at", "at", Cell.INSTANT),
        Column("actor", "actor"),
        Column("role", "role"),
        Column("door", "door"),
        Column("action", "action"),
        Column("subject_type", "subject_type"),
        Column("subject", "subject_id", Cell.FREE),
        Column("reason", "reason", Cell.FREE, prose=True),
        Column("before", "before", Cell.JSON, personal=True),
        Column("after", "after", Cell.JSON, personal=True),
        Column("ip", "ip", personal=True),
        Column("request", "request_id", Cell.FREE),
        Column("id", "id"),
    ),
)
NOTIFICATIONS = Exportable(
    name="notifications",
    model=Notification,
    permission="notifications.view_notification",
    order=("pk",),
    currency="",
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("kind", "kind"),
        Column("title", "title", Cell.FREE, prose=True),
        Column("body", "body", Cell.FREE, personal=True),
        Column("read_at", "read_at", Cell.INSTANT),
        Column("customer", "customer_id"),
        Column("transaction", "transaction"),
        Column("id", "id"),
    ),
)
LIMITS = Exportable(
    name="limits",
    model=TierLimit,
    permission="customers.view_tierlimit",
    order=("currency", "tier", "effective_from", "pk"),
    columns=(
        Column("country", "country_id"),
        Column("currency", "currency"),
        Column("tier", "tier", Cell.WHOLE),
        Column("per_movement", "per_movement", Cell.AMOUNT),
        Column("per_day", "per_day", Cell.AMOUNT),
        Column("per_month", "per_month", Cell.AMOUNT),
        Column("balance", "balance", Cell.AMOUNT),
        Column("effective_from", "effective_from"),
        Column("source", "source", Cell.FREE),
        Column("id", "id", Cell.WHOLE),
    ),
)
FEES = Exportable(
    name="fees",
    model=FeeRule,
    permission="transactions.view_feerule",
    order=("kind", "currency", "effective_from", "pk"),
    columns=(
        Column("kind", "kind"),
        Column("currency", "currency"),
        Column("flat", "flat", Cell.AMOUNT),
        Column("bps", "bps", Cell.WHOLE),
        Column("bands", "bands", Cell.JSON),
        Column("bands_are", "bands_are"),
        Column("least", "least", Cell.AMOUNT),
        Column("most", "most", Cell.AMOUNT),
        Column("round_to", "round_to", Cell.AMOUNT),
        Column("rounding", "rounding"),
        Column("payee_bps", "payee_bps", Cell.WHOLE),
        Column("partner", "partner"),
        Column("from_country", "from_country_id"),
        Column("to_country", "to_country_id"),
        Column("account_type", "account_type"),
        Column("tier", "tier", Cell.WHOLE),
        Column("effective_from", "effective_from"),
        Column("last_day", "last_day"),
        Column("id", "id", Cell.WHOLE),
    ),
)
WAIVERS = Exportable(
    name="waivers",
    called="waivers of fees",
    model=FeeWaiver,
    permission="transactions.view_feewaiver",
    order=("pk",),
    currency="",
    columns=(
        Column("granted_at", "granted_at", Cell.INSTANT),
        Column("customer_name", "customer__full_name", Cell.FREE),
        Column("less_bps", "bps", Cell.WHOLE),
        Column("kind", "kind"),
        Column("currency", "currency"),
        Column("effective_from", "effective_from"),
        Column("last_day", "last_day"),
        Column("reason", "reason", Cell.FREE, prose=True),
        Column("granted_by", "granted_by"),
        Column("customer", "customer_id"),
        Column("id", "id", Cell.WHOLE),
    ),
)
PAYMENT_REQUESTS = Exportable(
    name="payment_requests",
    model=PaymentRequest,
    permission="payments.view_paymentrequest",
    order=("pk",),
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("code", "code"),
        Column("requested_by", "customer__full_name", Cell.FREE),
        Column("currency", "currency"),
        Column("amount", "amount", Cell.AMOUNT),
        Column("least", "least", Cell.AMOUNT),
        Column("most", "most", Cell.AMOUNT),
        Column("description", "description", Cell.FREE, prose=True),
        Column("order_reference", "order_reference", Cell.FREE, prose=True),
        Column("max_uses", "max_uses", Cell.WHOLE),
        Column("max_uses_per_payer", "max_uses_per_payer", Cell.WHOLE),
        Column("used", "used", Cell.WHOLE),
        Column("needs_confirmation", "needs_confirmation", Cell.YES),
        Column("state", "state"),
        Column("expires_at", "expires_at", Cell.INSTANT),
        Column("closed_at", "closed_at", Cell.INSTANT),
        Column("closed_by", "closed_by"),
        Column("close_reason", "close_reason", Cell.FREE, prose=True),
        Column("amount_minor", "amount", Cell.WHOLE),
        Column("wallet", "wallet_id"),
        Column("customer", "customer_id"),
        Column("id", "id"),
    ),
    sums={"used": "used"},
)
PAID_BY = Transaction.objects.filter(pk=OuterRef("pk"))
REQUEST_PAYMENTS = Exportable(
    name="request_payments",
    called="payments of requests",
    model=RequestUse,
    permission="payments.view_requestuse",
    order=("pk",),
    currency="request__currency",
    also={name: Subquery(PAID_BY.values(name)) for name in ("receipt", "amount", "state", "reversed_amount")}
    | {"outcome": F("answer__outcome"), "outcome_at": F("answer__at"), "taken": F("answer__payment")},
    columns=(
        Column("at", "at", Cell.INSTANT),
        Column("receipt", "receipt"),
        Column("code", "request__code"),
        Column("requested_by", "request__customer__full_name", Cell.FREE),
        Column("payer_name", "payer__full_name", Cell.FREE),
        Column("state", "state"),
        Column("currency", "request__currency"),
        Column("amount", "amount", Cell.AMOUNT),
        Column("reversed", "reversed_amount", Cell.AMOUNT),
        Column("order_reference", "request__order_reference", Cell.FREE, prose=True),
        Column("is_promise", "is_promise", Cell.YES),
        Column("confirmation", "outcome"),
        Column("confirmation_at", "outcome_at", Cell.INSTANT),
        Column("taken_of_it", "taken"),
        Column("amount_minor", "amount", Cell.WHOLE),
        Column("reversed_minor", "reversed_amount", Cell.WHOLE),
        Column("payer", "payer_id"),
        Column("request", "request_id"),
        Column("transaction", "id"),
    ),
    sums={"amount": "amount", "reversed": "reversed_amount"},
)
PAYOUTS = Exportable(
    name="payouts",
    model=Batch,
    permission="payouts.view_batch",
    order=("pk",),
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("label", "label", Cell.FREE, prose=True),
        Column("payer", "customer__full_name", Cell.FREE),
        Column("state", "state"),
        Column("mode", "mode"),
        Column("items", "lines", Cell.WHOLE),
        Column("paid", "posted", Cell.WHOLE),
        Column("refused", "refused", Cell.WHOLE),
        Column("currency", "currency"),
        Column("total", "total", Cell.AMOUNT),
        Column("fees", "fees", Cell.AMOUNT),
        Column("paid_amount", "posted_amount", Cell.AMOUNT),
        Column("paid_fees", "posted_fees", Cell.AMOUNT),
        Column("lines_wrong", "errors_total", Cell.WHOLE),
        Column("stopped_at_line", "refusal_line", Cell.WHOLE),
        Column("refusal_code", "refusal_code", Cell.FREE),
        Column("execute_on", "execute_on"),
        Column("again", "again", Cell.YES),
        Column("approved_at", "approved_at", Cell.INSTANT),
        Column("finished_at", "finished_at", Cell.INSTANT),
        Column("given_up_at", "quarantined_at", Cell.INSTANT),
        Column("total_minor", "total", Cell.WHOLE),
        Column("paid_amount_minor", "posted_amount", Cell.WHOLE),
        Column("paid_fees_minor", "posted_fees", Cell.WHOLE),
        Column("made_by", "made_by_id"),
        Column("approved_by", "approved_by_id"),
        Column("wallet", "wallet_id"),
        Column("customer", "customer_id"),
        Column("id", "id"),
    ),
    sums={"total": "total", "paid_amount": "posted_amount", "paid_fees": "posted_fees"},
)
PAYOUT_ITEMS = Exportable(
    name="payout_items",
    called="items of payouts",
    model=Item,
    permission="payouts.view_item",
    order=("batch_id", "line"),
    currency="batch__currency",
    columns=(
        Column("sent_in_at", "batch__created_at", Cell.INSTANT),
        Column("line", "line", Cell.WHOLE),
        Column("named_by", "to_by"),
        Column("to", "to_value", Cell.FREE, personal=True),
        Column("reaches", "wallet__customer__full_name", Cell.FREE),
        Column("name", "name", Cell.FREE, prose=True),
        Column("memo", "memo", Cell.FREE, prose=True),
        Column("reference", "reference", Cell.FREE, prose=True),
        Column("currency", "batch__currency"),
        Column("amount", "amount", Cell.AMOUNT),
        Column("fee", "transaction__fee", Cell.AMOUNT),
        Column("state", "state"),
        Column("tries", "tries", Cell.WHOLE),
        Column("refusal_code", "refusal_code", Cell.FREE),
        Column("receipt", "transaction__receipt"),
        Column("amount_minor", "amount", Cell.WHOLE),
        Column("transaction", "transaction_id"),
        Column("wallet", "wallet_id"),
        Column("payout", "batch_id"),
        Column("id", "id", Cell.WHOLE),
    ),
    sums={"amount": "amount"},
)
NOW_PAID = OrderVersion.objects.filter(order=OuterRef("pk"), number=OuterRef("version"))
STANDING_ORDERS = Exportable(
    name="standing_orders",
    model=StandingOrder,
    permission="schedules.view_standingorder",
    order=("pk",),
    also={f"now_{name}": Subquery(NOW_PAID.values(name)) for name in ("amount", "memo", "end_on", "runs")},
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("payer", "customer__full_name", Cell.FREE),
        Column("recipient", "payee__customer__full_name", Cell.FREE),
        Column("state", "state"),
        Column("currency", "currency"),
        Column("amount", "now_amount", Cell.AMOUNT),
        Column("memo", "now_memo", Cell.FREE, prose=True),
        Column("frequency", "frequency"),
        Column("every", "every", Cell.WHOLE),
        Column("day_of_month", "month_day", Cell.WHOLE),
        Column("business_days", "rule"),
        Column("start_on", "start_on"),
        Column("end_on", "now_end_on"),
        Column("most_dates", "now_runs", Cell.WHOLE),
        Column("dates_so_far", "counted", Cell.WHOLE),
        Column("next_on", "next_on"),
        Column("paused_by", "paused_by"),
        Column("closed_at", "closed_at", Cell.INSTANT),
        Column("version", "version", Cell.WHOLE),
        Column("amount_minor", "now_amount", Cell.WHOLE),
        Column("customer", "customer_id"),
        Column("payer_wallet", "wallet_id"),
        Column("payee_wallet", "payee_id"),
        Column("id", "id"),
    ),
    sums={"amount": "now_amount"},
)
RUNS = Exportable(
    name="standing_order_runs",
    called="runs of standing orders",
    model=OrderRun,
    permission="schedules.view_orderrun",
    order=("pk",),
    currency="order__currency",
    columns=(
        Column("due_on", "due_on"),
        Column("planned_on", "planned_on"),
        Column("payer", "order__customer__full_name", Cell.FREE),
        Column("recipient", "order__payee__customer__full_name", Cell.FREE),
        Column("state", "state"),
        Column("currency", "order__currency"),
        Column("amount", "version__amount", Cell.AMOUNT),
        Column("tries", "tries", Cell.WHOLE),
        Column("refusal_code", "refusal_code", Cell.FREE),
        Column("receipt", "transaction__receipt"),
        Column("due_at", "due_at", Cell.INSTANT),
        Column("done_at", "done_at", Cell.INSTANT),
        Column("amount_minor", "version__amount", Cell.WHOLE),
        Column("transaction", "transaction_id"),
        Column("order", "order_id"),
        Column("id", "id"),
    ),
    sums={"amount": "version__amount"},
)
STATEMENTS = Exportable(
    name="statements",
    model=apps.get_model("statements", "Statement"),  # of an app above this one
    permission="statements.view_statement",
    order=("pk",),
    columns=(
        Column("made_at", "made_at", Cell.INSTANT),
        Column("number", "number", Cell.WHOLE),
        Column("owner", "wallet__customer__full_name", Cell.FREE),
        Column("from_day", "from_day"),
        Column("to_day", "to_day"),
        Column("timezone", "timezone"),
        Column("currency", "currency"),
        Column("opening", "opening", Cell.AMOUNT),
        Column("debits", "debits", Cell.AMOUNT),
        Column("credits", "credits", Cell.AMOUNT),
        Column("fees", "fees", Cell.AMOUNT),
        Column("closing", "closing", Cell.AMOUNT),
        Column("debit_count", "debit_count", Cell.WHOLE),
        Column("credit_count", "credit_count", Cell.WHOLE),
        Column("every", "every"),
        Column("format", "format"),
        Column("language", "language"),
        Column("sha256", "sha256"),
        Column("opening_minor", "opening", Cell.WHOLE),
        Column("debits_minor", "debits", Cell.WHOLE),
        Column("credits_minor", "credits", Cell.WHOLE),
        Column("closing_minor", "closing", Cell.WHOLE),
        Column("wallet", "wallet_id"),
        Column("id", "id"),
    ),
    sums={"debits": "debits", "credits": "credits"},
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
)
EXPORTABLE = {
    one.name: one
    for one in (
        TRANSACTIONS, UNKNOWN_OUTCOMES, RECEIVABLES, ENTRIES, LEDGER, CUSTOMERS, WALLETS, FREEZES, ACCOUNTS, JOURNALS,
        HOLDS, RAIL_MESSAGES, AUDIT, NOTIFICATIONS, LIMITS, FEES, WAIVERS, PAYMENT_REQUESTS, REQUEST_PAYMENTS, PAYOUTS,
        PAYOUT_ITEMS, STANDING_ORDERS, RUNS, STATEMENTS, QUOTES,
    )
}  # fmt: skip
# What no file is made of: files themselves, and where people are signed in.
NOT_EXPORTED: set[type[models.Model]] = {Export, Session}

# --- Lists that are not described ------------------------------------------------------------------------------------

SECRET = ("password", "secret", "token", "key", "fingerprint", "answer", "digest", "hash", "lease")
OF_PERSONS = ("email", "phone", "username", "ip")
LONGEST_TEXT = 200
CELLS: list[tuple[type[models.Field], Cell]] = [
    (models.BooleanField, Cell.YES),
    (models.DateTimeField, Cell.INSTANT),
    (models.DateField, Cell.TEXT),
    (models.IntegerField, Cell.WHOLE),
    (models.UUIDField, Cell.TEXT),
    (models.CharField, Cell.FREE),
    (models.GenericIPAddressField, Cell.TEXT),
]


def plain(model: type[models.Model]) -> Exportable:
    """A list by its model's own fields: short ones, no texts or documents, nothing that looks like a secret."""
    columns = []
    for one in model._meta.concrete_fields:
        field: Any = getattr(one, "target_field", one)
        cell = next((cell for kind, cell in CELLS if isinstance(field, kind)), None)
        is_long = isinstance(field, models.CharField) and (field.max_length or LONGEST_TEXT + 1) > LONGEST_TEXT
        if cell is None or is_long or any(part in one.name for part in SECRET):
            continue
        personal = any(one.name == name or one.name.startswith(f"{name}_") for name in OF_PERSONS)
        columns.append(Column(one.attname, one.attname, cell, personal))
    meta = model._meta
    return Exportable(
        name=f"{meta.app_label}-{meta.model_name}",
        called=str(meta.verbose_name_plural),
        model=model,
        permission=f"{meta.app_label}.view_{meta.model_name}",
        order=("pk",),
        currency="",
        columns=tuple(columns),
    )


def exportable(name: str) -> Exportable:
    """Raises: UnknownList."""
    if name in EXPORTABLE:
        return EXPORTABLE[name]
    for model in admin.site._registry:
        if name == f"{model._meta.app_label}-{model._meta.model_name}" and (found := list_of(model)):
            return found
    raise UnknownList(f"There is no list {name[:20]!r} to export.")


def list_of(model: type[models.Model]) -> Exportable | None:
    """How the list of a model is exported; None where it is not."""
    if model in NOT_EXPORTED:
        return None
    return next((one for one in EXPORTABLE.values() if one.model is model), None) or plain(model)
