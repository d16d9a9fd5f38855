from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()
CURRENCIES = [(code, code) for code in ("KES", "RWF", "UGX", "TZS", "NGN", "GHS", "ZAR", "USD", "EUR", "GBP")]
KINDS = [
    ("transfer", "Transfer"), ("top_up", "top-up"), ("cash_out", "cash-out"), ("payment", "Payment"),
    ("reversal", "Reversal"), ("adjustment", "Adjustment"),
]  # fmt: skip


class Migration(migrations.Migration):
    """The counts, and what has happened so far."""

    dependencies = [("transactions", "0010_found_at_scale")]
    operations = [
        migrations.CreateModel(
            "DailyCount",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(help_text="UTC, when they were asked for")),
                ("currency", models.CharField(choices=CURRENCIES, max_length=3)),
                ("kind", models.CharField(choices=KINDS, max_length=12)),
                ("state", models.CharField(help_text="completed or failed", max_length=9)),
                ("refusal_code", models.CharField(blank=True, max_length=40)),
                ("count", models.BigIntegerField()),
                ("amount", models.BigIntegerField(help_text="minor units")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["day", "currency", "kind", "state", "refusal_code"], name="daily_count_once"
                    )
                ]
            },
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
