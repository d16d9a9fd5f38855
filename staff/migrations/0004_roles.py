from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("staff", "0003_approval_guards")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="role",
            field=models.CharField(
                choices=[
                    ("support", "Support"),
                    ("senior_support", "Senior support"),
                    ("compliance", "Compliance"),
                    ("finance", "Finance maker"),
                    ("finance_checker", "Finance checker"),
                    ("operations", "Operations"),
                    ("auditor", "Auditor"),
                    ("administrator", "Administrator"),
                ],
                max_length=20,
            ),
        ),
    ]
