"""Revaluations of our positions."""

from pathlib import Path

import core.ids
import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [
        ('staff', '0010_approval_by_result'),
        ('transactions', '0018_waived_fees'),
    ]

    operations = [
        migrations.CreateModel(
            name='Revaluation',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField(unique=True)),
                ('currency', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('rates', models.JSONField(default=list)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('approval', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='staff.approval')),
            ],
            options={
                'ordering': ['-day'],
            },
        ),
        migrations.CreateModel(
            name='RevaluationLine',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('base', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('quote', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('held', models.BigIntegerField()),
                ('cost', models.BigIntegerField()),
                ('value', models.BigIntegerField()),
                ('unrealised', models.BigIntegerField()),
                ('result', models.BigIntegerField()),
                ('movement', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='revalues', to='transactions.transaction')),
                ('revaluation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='transactions.revaluation')),
                ('undo', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='undoes_revaluation', to='transactions.transaction')),
                ('undoes', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='undone_by', to='transactions.revaluationline')),
            ],
            options={
                'ordering': ['base', 'quote'],
                'constraints': [models.UniqueConstraint(fields=('revaluation', 'base', 'quote'), name='revaluation_line_once'), models.CheckConstraint(condition=models.Q(('unrealised', django.db.models.expressions.CombinedExpression(models.F('value'), '-', models.F('cost')))), name='revaluation_line_result'), models.CheckConstraint(condition=models.Q(models.Q(('movement', None), ('result', 0)), models.Q(models.Q(('result', 0), _negated=True), ('movement__isnull', False)), _connector='OR'), name='revaluation_line_posted'), models.CheckConstraint(condition=models.Q(models.Q(('undo', None), ('undoes', None)), models.Q(('undo__isnull', False), ('undoes__isnull', False)), _connector='OR'), name='revaluation_line_undoes')],
            },
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
