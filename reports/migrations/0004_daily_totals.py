from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [('reports', '0003_entry_lines'), ('ledger', '0003_proofs')]

    operations = [
        migrations.CreateModel(
            name='SummedDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('revision', models.PositiveSmallIntegerField(default=1)),
                ('entries', models.BigIntegerField(help_text='how many were added up')),
                ('summed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name': 'day of totals',
                'verbose_name_plural': 'daily totals',
                'ordering': ['-day', '-revision'],
                'constraints': [models.UniqueConstraint(fields=('day', 'revision'), name='summed_day_once')],
            },
        ),
        migrations.CreateModel(
            name='DayTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recorded_on', models.DateField()),
                ('effective_on', models.DateField()),
                ('line', models.CharField(max_length=80)),
                ('currency', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('debits', models.BigIntegerField()),
                ('credits', models.BigIntegerField()),
                ('entries', models.BigIntegerField()),
                ('summed', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='totals', to='reports.summedday')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('recorded_on', 'line', 'currency', 'effective_on', 'summed'), name='day_total_once')],
            },
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
