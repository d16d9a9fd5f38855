"""Customers, their wallets, what they were told; and the audit trail of all who did something."""

from core.models import AuditRecord
from customers.models import Customer
from notifications.models import Notification
from reports.tables import Cell, Column, Exportable
from wallets.models import Freeze, Wallet

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
