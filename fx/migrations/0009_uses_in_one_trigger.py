"""Uses of quotes are checked and counted by one trigger, which also does what the foreign key did."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("fx", "0008_max_move")]
    operations = [
        migrations.AlterField(
            model_name="quoteuse",
            name="quote",
            field=models.OneToOneField(
                db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name="use", to="fx.quote"
            ),
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
