from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("payouts", "0006_expiry")]
    operations = [migrations.RunSQL([SQL], [REVERSE])]
