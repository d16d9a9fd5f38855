import core.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reports', '0005_daily_proofs'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='IssuedPaper',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('number', models.CharField(max_length=10)),
                ('kind', models.CharField(choices=[('statement', 'wallet statement'), ('ledger', 'general ledger'), ('trial_balance', 'trial balance'), ('daily_proof', 'daily proof')], max_length=13)),
                ('title', models.CharField(max_length=200)),
                ('about', models.JSONField(help_text='what it shows: period, account, day')),
                ('data_sha256', models.CharField(max_length=64)),
                ('file_sha256', models.CharField(max_length=64)),
                ('pages', models.PositiveIntegerField()),
                ('made_at', models.DateTimeField()),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'paper',
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(fields=('number',), name='paper_number_once')],
            },
        ),
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reports_issuedpaper"
            " FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change()",
            "DROP TRIGGER append_only ON reports_issuedpaper",
        ),
    ]
