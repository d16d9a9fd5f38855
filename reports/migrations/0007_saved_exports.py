from pathlib import Path

import core.ids
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [
        ('reports', '0006_papers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HoldLine',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('account_code', models.CharField(max_length=80)),
                ('currency', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('amount', models.BigIntegerField()),
                ('remaining', models.BigIntegerField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('captured', 'Captured'), ('voided', 'Voided'), ('expired', 'Expired')], max_length=8)),
                ('placed_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'hold',
                'managed': False,
            },
        ),
        migrations.AddField(
            model_name='export',
            name='business_date',
            field=models.DateField(blank=True, help_text='of a run by the clock', null=True),
        ),
        migrations.AddField(
            model_name='export',
            name='columns',
            field=models.JSONField(blank=True, default=list, help_text='names; none: all that who asked may take'),
        ),
        migrations.AddField(
            model_name='export',
            name='file_removed_at',
            field=models.DateTimeField(blank=True, help_text='kept long enough; the row stays', null=True),
        ),
        migrations.AddField(
            model_name='export',
            name='has_personal',
            field=models.BooleanField(default=False, help_text='by which people are reached: fetched by few'),
        ),
        migrations.AddField(
            model_name='export',
            name='told_at',
            field=models.DateTimeField(blank=True, help_text='when its recipients were written to', null=True),
        ),
        migrations.AlterField(
            model_name='export',
            name='subject',
            field=models.CharField(help_text='the list', max_length=60),
        ),
        migrations.CreateModel(
            name='SavedExport',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('is_shared', models.BooleanField(default=False)),
                ('subject', models.CharField(help_text='the list', max_length=60)),
                ('format', models.CharField(max_length=4)),
                ('filters', models.JSONField(blank=True, default=dict)),
                ('columns', models.JSONField(blank=True, default=list, help_text='names; none: all that the owner may take')),
                ('every', models.CharField(blank=True, choices=[('daily', 'Daily'), ('weekly', 'Weekly'), ('monthly', 'Monthly')], max_length=7)),
                ('weekday', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('month_day', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('at', models.TimeField(blank=True, null=True)),
                ('covers', models.CharField(blank=True, choices=[('', 'as it was saved'), ('day', 'the day before'), ('week', 'the seven days before'), ('month', 'the month before')], max_length=5)),
                ('scheduled_at', models.DateTimeField(blank=True, help_text='since when it runs by the clock', null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('recipients', models.ManyToManyField(blank=True, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'saved export',
                'ordering': ['name', 'id'],
            },
        ),
        migrations.AddField(
            model_name='export',
            name='saved',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='reports.savedexport'),
        ),
        migrations.AddIndex(
            model_name='export',
            index=models.Index(condition=models.Q(('file_removed_at', None)), fields=['finished_at'], name='export_kept'),
        ),
        migrations.AddConstraint(
            model_name='export',
            constraint=models.UniqueConstraint(fields=('saved', 'business_date'), name='export_once_a_business_date'),
        ),
        migrations.AddConstraint(
            model_name='savedexport',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('owner', 'name'), name='saved_export_name'),
        ),
        migrations.AddConstraint(
            model_name='savedexport',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('every', ''), ('at', None), ('weekday', None), ('month_day', None)), models.Q(('every', 'daily'), ('at__isnull', False), ('weekday', None), ('month_day', None)), models.Q(('every', 'weekly'), ('at__isnull', False), ('weekday__lte', 6), ('month_day', None)), models.Q(('every', 'monthly'), ('at__isnull', False), ('weekday', None), ('month_day__range', (1, 31))), _connector='OR'), name='saved_export_when'),
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
