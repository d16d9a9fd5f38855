"""Prices: bands, least and most, rounding, who bears them, for whom and for how long. Rows that are there keep their
meaning: every new column may be null, and none is written to. And what single customers are spared."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0008_suspensions'),
        ('transactions', '0015_refunds'),
    ]

    operations = [
        migrations.CreateModel(
            name='FeeWaiver',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(blank=True, choices=[('transfer', 'Transfer'), ('top_up', 'top-up'), ('cash_out', 'cash-out'), ('payment', 'Payment'), ('payout', 'Payout'), ('hold', 'Hold'), ('conversion', 'Conversion'), ('refund', 'Refund'), ('reversal', 'Reversal'), ('adjustment', 'Adjustment')], help_text='empty: any', max_length=12, null=True)),
                ('currency', models.CharField(blank=True, choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], help_text='empty: any', max_length=3, null=True)),
                ('bps', models.PositiveIntegerField(help_text='how much less, in hundredths of a percent')),
                ('effective_from', models.DateField()),
                ('last_day', models.DateField(help_text='included')),
                ('reason', models.CharField(max_length=500)),
                ('granted_by', models.CharField(max_length=80)),
                ('granted_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='feerule',
            name='fee_rule_once',
        ),
        migrations.AddField(
            model_name='feerule',
            name='account_type',
            field=models.CharField(blank=True, choices=[('individual', 'Individual'), ('freelancer', 'Freelancer'), ('sme', 'SME'), ('exporter', 'Exporter'), ('ecommerce', 'e-commerce'), ('ngo', 'NGO'), ('startup', 'Startup')], max_length=12, null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='bands',
            field=models.JSONField(blank=True, help_text='[[above, flat, bps], …] in minor units', null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='bands_are',
            field=models.CharField(blank=True, choices=[('whole', 'the band of the amount prices all of it'), ('marginal', 'each part of the amount is priced by its own band')], max_length=8, null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='from_country',
            field=models.ForeignKey(blank=True, help_text='of the payer', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='customers.country'),
        ),
        migrations.AddField(
            model_name='feerule',
            name='last_day',
            field=models.DateField(blank=True, help_text='included; empty: until further notice', null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='least',
            field=models.BigIntegerField(blank=True, help_text='minor units', null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='most',
            field=models.BigIntegerField(blank=True, help_text='minor units', null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='partner',
            field=models.CharField(blank=True, help_text='through whom; empty: anybody', max_length=20, null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='payee_bps',
            field=models.PositiveIntegerField(blank=True, help_text='how much of the fee the payee bears, in hundredths of a percent', null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='round_to',
            field=models.BigIntegerField(blank=True, help_text='minor units; empty: one', null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='rounding',
            field=models.CharField(blank=True, choices=[('half_up', 'to the nearest, half up'), ('up', 'up'), ('down', 'down')], help_text='empty: half up', max_length=8, null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='tier',
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='feerule',
            name='to_country',
            field=models.ForeignKey(blank=True, help_text='of the payee', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='customers.country'),
        ),
        migrations.AddConstraint(
            model_name='feerule',
            constraint=models.UniqueConstraint(fields=('kind', 'currency', 'effective_from', 'last_day', 'partner', 'to_country', 'from_country', 'account_type', 'tier'), name='fee_rule_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='feerule',
            constraint=models.CheckConstraint(condition=models.Q(('last_day', None), ('last_day__gte', models.F('effective_from')), _connector='OR'), name='fee_rule_days'),
        ),
        migrations.AddConstraint(
            model_name='feerule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('least', None), ('least__gte', 0), _connector='OR'), models.Q(('most', None), ('most__gte', 0), _connector='OR'), models.Q(('least', None), ('most', None), ('least__lte', models.F('most')), _connector='OR')), name='fee_rule_bounds'),
        ),
        migrations.AddConstraint(
            model_name='feerule',
            constraint=models.CheckConstraint(condition=models.Q(('payee_bps', None), models.Q(('kind__in', ['transfer', 'payment', 'payout']), ('payee_bps__gte', 1), ('payee_bps__lte', 10000)), _connector='OR'), name='fee_rule_payee_bears'),
        ),
        migrations.AddField(
            model_name='feewaiver',
            name='customer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='fee_waivers', to='customers.customer'),
        ),
        migrations.AddIndex(
            model_name='feewaiver',
            index=models.Index(fields=['customer', '-id'], name='fee_waiver_of'),
        ),
        migrations.AddIndex(
            model_name='feewaiver',
            index=models.Index(fields=['last_day'], name='fee_waiver_in_force'),
        ),
        migrations.AddConstraint(
            model_name='feewaiver',
            constraint=models.CheckConstraint(condition=models.Q(('bps__lte', 10000), ('last_day__gte', models.F('effective_from'))), name='fee_waiver_sane'),
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
