"""What of a provider's day is gone, counted as quotes are given and used; until now legs were added up for each quote."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()
CODES = ["KES", "RWF", "UGX", "TZS", "NGN", "GHS", "ZAR", "USD", "EUR", "GBP"]
CURRENCIES = [(code, code) for code in CODES]


class Migration(migrations.Migration):
    dependencies = [("fx", "0006_exposure_caps")]
    operations = [
        migrations.CreateModel(
            name="ProviderUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "provider",
                    models.ForeignKey(
                        db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="+",
                        to="fx.provider",
                    ),
                ),
                ("sell", models.CharField(choices=CURRENCIES, max_length=3)),
                ("buy", models.CharField(choices=CURRENCIES, max_length=3)),
                ("day", models.DateField(help_text="UTC, when it was promised")),
                ("expires_at", models.DateTimeField(help_text="of these quotes; the day's beginning: of earlier ones")),
                ("promised", models.BigIntegerField(help_text="minor units of what is sold, in all of these quotes")),
                ("used", models.BigIntegerField(help_text="in those of them that were used")),
            ],
            options={
                "ordering": ["provider", "sell", "buy", "day", "expires_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["provider", "sell", "buy", "day", "expires_at"], name="provider_use_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(promised__gte=0, used__gte=0), name="provider_use_not_negative"
                    ),
                ],
            },
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]  # fmt: skip
