"""The books: accounts, journals, entries, and the statements that were made of wallets."""

from django.apps import apps

from reports.models import EntryLine
from reports.tables import Cell, Column, Exportable

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
