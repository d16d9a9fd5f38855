"""Filters of the list of customers. Each is made while the table is in use."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("customers", "0004_found_by_word")]
    operations = [
        AddIndexConcurrently("customer", models.Index(fields=["tier", "-id"], name="customer_by_tier")),
        AddIndexConcurrently(
            "customer",
            models.Index(
                fields=["account_type", "-id"],
                condition=models.Q(("account_type", "individual"), _negated=True),
                name="customer_firms",
            ),
        ),
        AddIndexConcurrently(
            "customer",
            models.Index(
                fields=["-id"], condition=models.Q(("state", "active"), _negated=True), name="customer_not_active"
            ),
        ),
    ]
