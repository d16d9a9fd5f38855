"""Fees of single transactions that were waived afterwards."""

from pathlib import Path

import core.ids
import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [
        ('transactions', '0017_holds'),
    ]

    operations = [
        migrations.CreateModel(
            name='WaivedFee',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('of_payee', models.BooleanField(help_text='of what the payee bore; otherwise the fee itself')),
                ('amount', models.BigIntegerField(help_text='minor units')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('movement', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='waives', to='transactions.transaction')),
                ('transaction', models.ForeignKey(help_text='whose fee', on_delete=django.db.models.deletion.PROTECT, related_name='waived_fees', to='transactions.transaction')),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='waived_fee_amount')],
            },
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
