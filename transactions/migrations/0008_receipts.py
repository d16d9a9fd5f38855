from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("transactions", "0007_kept")]
    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE transactions_receipt AS integer MINVALUE 0 MAXVALUE 65535 CYCLE",
            "DROP SEQUENCE transactions_receipt",
        )
    ]
