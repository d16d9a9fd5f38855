from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()
CURRENCIES = [(code, code) for code in ("KES", "RWF", "UGX", "TZS", "NGN", "GHS", "ZAR", "USD", "EUR", "GBP")]


class Migration(migrations.Migration):
    dependencies = [("reports", "0002_export_lease"), ("ledger", "0002_guards")]
    operations = [
        migrations.RunSQL([SQL], [REVERSE]),
        migrations.CreateModel(
            "EntryLine",
            [
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField()),
                ("account_code", models.CharField(max_length=80)),
                ("account_name", models.CharField(max_length=120)),
                ("kind", models.CharField(max_length=30)),
                ("reference", models.CharField(max_length=80)),
                ("currency", models.CharField(choices=CURRENCIES, max_length=3)),
                ("side", models.SmallIntegerField(choices=[(1, "debit"), (-1, "credit")])),
                ("amount", models.BigIntegerField()),
                ("debit", models.BigIntegerField(null=True)),
                ("credit", models.BigIntegerField(null=True)),
                ("balance_after", models.BigIntegerField()),
                ("effective_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
            ],
            options={"verbose_name": "entry", "verbose_name_plural": "entries", "managed": False},
        ),
    ]
