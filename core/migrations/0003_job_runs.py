from django.db import migrations, models


class Migration(migrations.Migration):
    """Daily jobs run once a day by a row each."""

    dependencies = [("core", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="JobRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job", models.CharField(max_length=60)),
                ("business_date", models.DateField()),
                ("attempts", models.PositiveSmallIntegerField(help_text="counted before each")),
                ("started_at", models.DateTimeField(help_text="of the last attempt")),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("job", "business_date"), name="job_once_a_day")],
            },
        ),
    ]
