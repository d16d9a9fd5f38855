"""What moving costs, and how much may move."""

from customers.models import TierLimit
from reports.tables import Cell, Column, Exportable
from transactions.models import FeeRule, FeeWaiver

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
