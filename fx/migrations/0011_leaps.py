"""A file that was refused because a rate leaps has a state of its own: it puts what was loaded before in doubt."""

from django.db import migrations, models

STATES = [
    ("loaded", "Loaded"), ("nothing_new", "nothing new"), ("refused", "Refused"), ("leapt", "refused: a rate leaps"),
    ("not_fetched", "not fetched"),
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("fx", "0010_quotes_in_one_call")]
    operations = [
        migrations.AlterField(
            model_name="rateload", name="state", field=models.CharField(choices=STATES, max_length=12)
        )
    ]  # fmt: skip
