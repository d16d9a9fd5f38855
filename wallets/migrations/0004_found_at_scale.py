"""Filters of the list of wallets. Each is made while the table is in use."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("wallets", "0003_freeze_cause")]
    operations = [
        AddIndexConcurrently("wallet", models.Index(fields=["currency", "-id"], name="wallet_by_currency")),
        AddIndexConcurrently(
            "wallet",
            models.Index(fields=["-id"], condition=models.Q(("closed_at__isnull", False)), name="wallet_closed"),
        ),
    ]
