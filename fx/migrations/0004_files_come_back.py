from django.db import migrations


class Migration(migrations.Migration):
    """A source that corrects itself and then takes that back publishes a file that we know: it is a revision, too."""

    dependencies = [("fx", "0003_sources_and_margin")]
    operations = [migrations.RemoveConstraint(model_name="rateload", name="rate_file_once")]
