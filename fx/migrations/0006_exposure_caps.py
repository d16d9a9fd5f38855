"""How much of a currency we may be short or long of: rows of finance. There are none to begin with, and so no caps."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
CODES = ["KES", "RWF", "UGX", "TZS", "NGN", "GHS", "ZAR", "USD", "EUR", "GBP"]
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("fx", "0005_quote_kind")]
    operations = [
        migrations.CreateModel(
            name="ExposureCap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("currency", models.CharField(choices=[(code, code) for code in CODES], max_length=3)),
                ("most", models.BigIntegerField(blank=True, null=True)),
                ("effective_from", models.DateField()),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(most=None) | models.Q(most__gt=0), name="exposure_cap_above_zero"
                    )
                ],
            },
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
