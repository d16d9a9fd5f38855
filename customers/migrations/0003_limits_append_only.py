from django.db import migrations


class Migration(migrations.Migration):
    """A limit is history: it is followed by another row, never rewritten."""

    dependencies = [("customers", "0002_countries_and_limits"), ("core", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON customers_tierlimit"
            " FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change()",
            "DROP TRIGGER append_only ON customers_tierlimit",
        )
    ]
