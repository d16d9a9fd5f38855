from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0004_confirmation_guards")]
    operations = [
        migrations.AlterModelOptions(
            name="requestuse",
            options={
                "ordering": ["-id"],
                "verbose_name": "payment of a request",
                "verbose_name_plural": "payments of requests",
            },
        ),
    ]
