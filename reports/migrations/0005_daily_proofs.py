import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0003_proofs'),
        ('reports', '0004_daily_totals'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DailyProof',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('ok', models.BooleanField()),
                ('figures', models.JSONField()),
                ('findings', models.JSONField()),
                ('sha256', models.CharField(max_length=64)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('books', models.ForeignKey(help_text='the proof of all rows', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.proof')),
            ],
            options={
                'ordering': ['-day'],
            },
        ),
        migrations.CreateModel(
            name='SignOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('note', models.CharField(blank=True, max_length=500)),
                ('sha256', models.CharField(help_text='of the proof that was signed', max_length=64)),
                ('signed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('proof', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='sign_off', to='reports.dailyproof')),
                ('signed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddConstraint(
            model_name='dailyproof',
            constraint=models.UniqueConstraint(fields=('day',), name='daily_proof_once'),
        ),
        migrations.RunSQL(
            [
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change()"
                for table in ("reports_dailyproof", "reports_signoff")
            ],
            [f"DROP TRIGGER append_only ON {table}" for table in ("reports_dailyproof", "reports_signoff")],
        ),
    ]
