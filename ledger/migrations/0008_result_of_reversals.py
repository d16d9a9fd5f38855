from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    """Exchanges are reversed at today's rate too."""

    dependencies = [("ledger", "0007_closed_by_two")]
    operations = [migrations.RunSQL([SQL], [REVERSE])]
