"""Filters of the list of transactions that leave few rows of many. Each is made while the table is in use."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

DAILY = ["transfer", "payment", "top_up", "cash_out"]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("transactions", "0009_adjustments")]
    operations = [
        AddIndexConcurrently("transaction", models.Index(fields=["currency", "-id"], name="transaction_by_currency")),
        AddIndexConcurrently(
            "transaction",
            models.Index(
                fields=["kind", "-id"],
                condition=models.Q(("kind__in", DAILY), _negated=True),
                name="transaction_rare_kinds",
            ),
        ),
        AddIndexConcurrently(
            "transaction",
            models.Index(
                fields=["state", "-id"],
                condition=models.Q(("state__in", ["failed", "cancelled", "expired"])),
                name="transaction_not_done",
            ),
        ),
        AddIndexConcurrently("railmessage", models.Index(fields=["rail", "-id"], name="rail_message_by_rail")),
    ]
