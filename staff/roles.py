"""Roles as code: what each may see and do. Nobody edits permissions; a role is changed here, reviewed and released.

A permission is ``app.action`` (``transactions.reverse``) or Django's own ``app.view_model``.
"""

from django.db import models


class Role(models.TextChoices):
    SUPPORT = "support"
    FINANCE = "finance"
    ADMINISTRATOR = "administrator"


SEES = {
    "customers.view_customer", "customers.view_country", "customers.view_tierlimit", "wallets.view_wallet",
    "wallets.view_freeze", "transactions.view_transaction", "transactions.view_reversalreason",
    "transactions.view_feerule", "transactions.view_railmessage", "notifications.view_notification",
    "core.view_auditrecord", "reports.statement", "staff.view_approval", "staff.request",
    "evidence.view_block",
    "notes.view_note", "notes.write",
}  # fmt: skip
ACTS = {
    "customers.suspend", "wallets.freeze", "transactions.reverse", "transactions.release",
    "transactions.close_message",
}  # fmt: skip
# Decide what others asked for; each operation names the one that it takes (`approvals.py`).
CHECKS = {
    "staff.approve", "transactions.approve_reversal", "wallets.approve_unfreeze", "transactions.approve_fees",
    "customers.approve_limits", "transactions.approve_adjustment",
}  # fmt: skip
# Ask for what always takes a second person.
ASKS = {"transactions.change_fees", "customers.change_limits"}

PERMISSIONS: dict[str, frozenset[str]] = {
    Role.SUPPORT: frozenset(SEES | ACTS),
    Role.FINANCE: frozenset(
        SEES
        | CHECKS
        | ASKS
        | {
            "transactions.adjust",
            "ledger.view_account",
            "ledger.view_journal",
            "ledger.view_periodclose",
            "ledger.close_period",
            "reports.view_entryline",
            "reports.view_summedday",
            "reports.view_dailyproof",
            "reports.sign_off",
            "reports.view_issuedpaper",
            "reports.view_holdline",
            "reports.view_savedexport",
            "reports.view_export",
            "reports.export",
            "evidence.view_check",
        }
    ),
    Role.ADMINISTRATOR: frozenset(
        SEES
        | ACTS
        | CHECKS
        | ASKS
        | {
            "ledger.view_account",
            "ledger.view_journal",
            "ledger.view_periodclose",
            "ledger.close_period",
            "reports.view_entryline",
            "reports.view_summedday",
            "reports.view_dailyproof",
            "reports.sign_off",
            "reports.view_issuedpaper",
            "reports.view_holdline",
            "reports.view_savedexport",
            "reports.view_export",
            "reports.export",
            "evidence.view_check",
        }
        | {"reports.view_all_exports", "reports.export_personal"}
        | {"staff.view_user", "staff.manage"}
        | {"notes.withdraw_others"}
    ),
}
