"""A quote is written by one call of PostgreSQL, which takes the locks first."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("fx", "0009_uses_in_one_trigger")]
    operations = [migrations.RunSQL([SQL], ["DROP FUNCTION fx_keep_quote(text[], json, json, json, json)"])]
