from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("transactions", "0016_pricing"), ("ledger", "0007_closed_by_two")]
    operations = [
        migrations.AddField(
            "transaction",
            "capture_at",
            models.DateTimeField(
                blank=True, help_text="when what is left of a hold is captured by itself", null=True
            ),
        ),
        migrations.AddIndex(
            "transaction",
            models.Index(condition=models.Q(kind="hold"), fields=["payer", "-id"], name="transaction_holds_given"),
        ),
        migrations.AddIndex(
            "transaction",
            models.Index(condition=models.Q(kind="hold"), fields=["payee", "-id"], name="transaction_holds_got"),
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
