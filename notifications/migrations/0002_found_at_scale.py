"""What could not be delivered, as the list of notifications is filtered. Made while the table is in use."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("notifications", "0001_tables")]
    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(fields=["notification"], condition=models.Q(("state", "failed")), name="delivery_failed"),
        ),
    ]
