from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payouts", "0003_quick_checks")]
    operations = [
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(fields=["label", "-id"], condition=~models.Q(label=""), name="payout_by_label"),
        ),
    ]
