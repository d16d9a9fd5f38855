from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    """A result at another rate is one of exchanges alone."""

    dependencies = [("ledger", "0008_result_of_reversals")]
    operations = [migrations.RunSQL([SQL], [REVERSE])]
