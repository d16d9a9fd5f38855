from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_tables")]
    operations = [
        migrations.AddField("export", "as_of", models.DateTimeField(blank=True, help_text="the instant whose data it shows", null=True)),
        migrations.AddField("export", "lease", models.UUIDField(blank=True, null=True)),
        migrations.AlterField(
            "export", "control_totals",
            models.JSONField(blank=True, help_text="per currency: rows, and sums in minor units", null=True),
        ),
        migrations.AlterField("export", "due_at", models.DateTimeField(db_default=Now())),
    ]
