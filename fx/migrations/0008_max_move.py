"""How far a rate of a source may be from the one before it; a file with more is refused."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fx", "0007_provider_use")]
    operations = [
        migrations.AddField(
            model_name="ratesource",
            name="max_move",
            field=models.PositiveIntegerField(
                db_default=20, default=20, help_text="percent between two rates of a pair; a file with more is refused"
            ),
        ),
        migrations.AddConstraint(
            model_name="ratesource",
            constraint=models.CheckConstraint(condition=models.Q(max_move__gt=0), name="rate_source_max_move"),
        ),
    ]
