"""The lists of the back office as files: what each has for columns, and what is added up.

A list that is not described here goes by `plain`, which takes what is short and nobody's secret.
"""

from dataclasses import replace
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models

from core.models import AuditRecord
from customers.models import Customer, TierLimit
from notifications.models import Notification
from reports.errors import UnknownList
from reports.models import EntryLine, Export, HoldLine
from reports.tables import Cell, Column, Exportable
from staff.models import Session
from transactions.models import FeeRule, RailMessage, Receivable, Transaction, UnknownOutcome
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
        Column("payer", "payer__customer__full_name", Cell.FREE),
        Column("payee", "payee__customer__full_name", Cell.FREE),
        Column("memo", "memo", Cell.FREE, prose=True),
        Column("reference", "reference", Cell.FREE, prose=True),
        Column("refusal_code", "refusal_code", Cell.FREE),
        Column("rail", "rail"),
        Column("rail_reference", "rail_reference", Cell.FREE),
        Column("completed_at", "completed_at", Cell.INSTANT),
        Column("amount_minor", "amount", Cell.WHOLE),
        Column("fee_minor", "fee", Cell.WHOLE),
        Column("payee_fee_minor", "payee_fee", Cell.WHOLE),
        Column("reversed_minor", "reversed_amount", Cell.WHOLE),
        Column("payer_wallet", "payer_id"),
        Column("payee_wallet", "payee_id"),
        Column("reverses", "reverses_id"),
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
EXPORTABLE = {
    one.name: one
    for one in (
        TRANSACTIONS, UNKNOWN_OUTCOMES, RECEIVABLES, ENTRIES, LEDGER, CUSTOMERS, WALLETS, FREEZES, ACCOUNTS, JOURNALS,
        HOLDS, RAIL_MESSAGES, AUDIT, NOTIFICATIONS, LIMITS, FEES,
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
