"""A use of a quote goes by the id of its transaction: one index less to write for each, and one look at its quote."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("fx", "0011_leaps")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL([SQL], [REVERSE])],
            state_operations=[
                migrations.AlterModelOptions(name="quoteuse", options={"ordering": ["-transaction"]}),
                migrations.RemoveField(model_name="quoteuse", name="id"),
                migrations.AlterField(
                    model_name="quoteuse",
                    name="transaction",
                    field=models.UUIDField(help_text="id of the conversion", primary_key=True, serialize=False),
                ),
            ],
        ),
    ]
