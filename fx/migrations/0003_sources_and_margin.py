"""The central banks whose files can be read, and what we keep until finance says otherwise: half a percent."""

from datetime import date

from django.db import migrations

SOURCES = [
    # Preferred for what they are at home in; the ECB for the rest, through the euro.
    ("cbk", "Central Bank of Kenya", "cbk", 3, "weekdays", 10),
    ("cbn", "Central Bank of Nigeria", "cbn", 3, "weekdays", 10),
    ("ecb", "European Central Bank", "ecb", 2, "target", 20),
]
RETAIL_BPS = 50


def seed(apps, schema_editor):
    source, margin = apps.get_model("fx", "RateSource"), apps.get_model("fx", "Margin")
    for code, name, form, days, calendar, priority in SOURCES:
        source.objects.create(
            code=code, name=name, format=form, max_age=days, calendar=calendar, priority=priority, daily=True
        )
    margin.objects.create(bps=RETAIL_BPS, effective_from=date(2026, 1, 1))


class Migration(migrations.Migration):
    dependencies = [("fx", "0002_guards")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
