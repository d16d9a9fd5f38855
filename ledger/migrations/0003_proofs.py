from django.db import migrations, models


class Migration(migrations.Migration):
    """What proving the books found is kept, and kept as it was."""

    dependencies = [("ledger", "0002_guards")]

    operations = [
        migrations.CreateModel(
            name="Proof",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("ok", models.BooleanField()),
                ("findings", models.JSONField(help_text="of each offender: number of the invariant, name, what is wrong")),
                ("counts", models.JSONField(help_text="rows read, by table")),
                ("milliseconds", models.BigIntegerField()),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_proof"
            " FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change()",
            "DROP TRIGGER append_only ON ledger_proof",
        ),
    ]
