"""Fees differ by kind of movement: a quote is for the kind whose fee is in it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fx", "0004_files_come_back")]
    operations = [
        migrations.AddField(
            model_name="quote",
            name="kind",
            field=models.CharField(
                max_length=12, default="conversion", db_default="conversion", help_text="of movement"
            ),
        ),
    ]
