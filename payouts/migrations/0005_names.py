from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0004_by_label")]
    operations = [
        migrations.AlterModelOptions(
            name="item",
            options={
                "ordering": ["batch", "line"],
                "verbose_name": "item of a payout",
                "verbose_name_plural": "items of payouts",
            },
        ),
    ]
