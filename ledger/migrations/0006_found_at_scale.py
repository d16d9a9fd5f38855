"""Lists of staff: accounts by the beginning of their code, entries by time. Made while the tables are in use."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

DAILY = ["transfer", "payment", "top_up", "cash_out"]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ledger", "0005_periods")]
    operations = [
        AddIndexConcurrently(
            "account",
            models.Index(fields=["code"], opclasses=["varchar_pattern_ops"], name="account_by_beginning"),
        ),
        AddIndexConcurrently(
            "account",
            models.Index(
                fields=["code"],
                condition=models.Q(("code__startswith", "liability:wallet:"), _negated=True),
                name="account_of_the_house",
            ),
        ),
        AddIndexConcurrently("account", models.Index(fields=["currency", "code"], name="account_by_currency")),
        AddIndexConcurrently("journal", models.Index(fields=["recorded_at", "id"], name="journal_by_time")),
        AddIndexConcurrently(
            "journal",
            models.Index(
                fields=["kind", "recorded_at"],
                condition=models.Q(("kind__in", DAILY), _negated=True),
                name="journal_rare_kinds",
            ),
        ),
    ]
