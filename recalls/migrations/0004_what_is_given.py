"""What goes back to the sender is not always what the recipient gives for it."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("recalls", "0003_reasons")]
    operations = [
        migrations.RemoveConstraint("recall", "recall_amounts"),
        migrations.AddConstraint(
            "recall",
            models.CheckConstraint(
                condition=models.Q(
                    held__gt=0, held__lte=models.F("claimed"), returned__gte=0, returned__lte=models.F("claimed")
                ),
                name="recall_amounts",
            ),
        ),
        migrations.AlterField("recall", "returned", models.BigIntegerField(default=0, help_text="to the sender")),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
