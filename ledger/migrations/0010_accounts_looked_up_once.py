from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    """An account that a statement has many entries on is looked up once for them all."""

    dependencies = [("ledger", "0009_result_of_exchanges")]
    operations = [migrations.RunSQL([SQL], [REVERSE])]
