"""The lists of the back office as files: what each has for columns, and what is added up.

A list that is not described here goes by `plain`, which takes what is short and nobody's secret.
"""

from typing import Any

from django.contrib import admin
from django.db import models

from reports.errors import UnknownList
from reports.lists.books import ACCOUNTS, ENTRIES, JOURNALS, LEDGER, STATEMENTS
from reports.lists.customers import AUDIT, CUSTOMERS, FREEZES, NOTIFICATIONS, WALLETS
from reports.lists.movements import (
    HOLDS,
    QUOTES,
    RAIL_MESSAGES,
    RECALLS,
    RECEIVABLES,
    TRANSACTIONS,
    UNKNOWN_OUTCOMES,
)
from reports.lists.orders import PAYMENT_REQUESTS, PAYOUT_ITEMS, PAYOUTS, REQUEST_PAYMENTS, RUNS, STANDING_ORDERS
from reports.lists.rules import FEES, LIMITS, WAIVERS
from reports.models import Export
from reports.tables import Cell, Column, Exportable
from staff.models import Session

EXPORTABLE = {
    one.name: one
    for one in (
        TRANSACTIONS, UNKNOWN_OUTCOMES, RECEIVABLES, RECALLS, ENTRIES, LEDGER, CUSTOMERS, WALLETS, FREEZES, ACCOUNTS,
        JOURNALS, HOLDS, RAIL_MESSAGES, AUDIT, NOTIFICATIONS, LIMITS, FEES, WAIVERS, PAYMENT_REQUESTS, REQUEST_PAYMENTS,
        PAYOUTS, PAYOUT_ITEMS, STANDING_ORDERS, RUNS, STATEMENTS, QUOTES,
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
