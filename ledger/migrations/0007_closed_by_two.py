from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    """Who agreed that a period is closed."""

    dependencies = [("ledger", "0006_found_at_scale")]
    operations = [
        migrations.AddField(
            "periodclose",
            "approved_by",
            models.CharField(blank=True, default="", help_text="the second person, where staff close it", max_length=80),
            preserve_default=False,
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
