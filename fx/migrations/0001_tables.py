import core.ids
import django.db.models.deletion
import fx.models
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Provider',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('code', models.SlugField(max_length=20, unique=True)),
                ('name', models.CharField(max_length=80)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['code'],
            },
        ),
        migrations.CreateModel(
            name='Quote',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('caller', models.CharField(max_length=80)),
                ('fixed', models.CharField(choices=[('sell', 'what is given'), ('buy', 'what is received')], max_length=4)),
                ('sell', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('buy', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('sell_minor', models.BigIntegerField()),
                ('fee_minor', models.BigIntegerField()),
                ('buy_minor', models.BigIntegerField()),
                ('margin_minor', models.BigIntegerField()),
                ('margin_bps', models.PositiveIntegerField()),
                ('tier', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(help_text='honoured to this moment, included')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Margin',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sell', models.CharField(blank=True, choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('buy', models.CharField(blank=True, choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('tier', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('bps', models.PositiveIntegerField()),
                ('effective_from', models.DateField()),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('bps__lt', 10000)), name='margin_below_all')],
            },
        ),
        migrations.CreateModel(
            name='ProviderTerms',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('sell', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('buy', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('rate_source', models.CharField(blank=True, max_length=20)),
                ('cost_bps', models.PositiveIntegerField()),
                ('flat', models.BigIntegerField(default=0)),
                ('minimum', models.BigIntegerField(default=1)),
                ('maximum', models.BigIntegerField()),
                ('daily_cap', models.BigIntegerField(blank=True, null=True)),
                ('speed_seconds', models.PositiveIntegerField(default=0, help_text='until the other currency is there')),
                ('opens', models.TimeField()),
                ('closes', models.TimeField()),
                ('weekdays', models.CharField(default='1234567', max_length=7)),
                ('priority', models.PositiveSmallIntegerField(default=100, help_text='of two equal offers the lower one is taken')),
                ('is_on', models.BooleanField(default=True)),
                ('effective_from', models.DateField()),
                ('provider', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='terms', to='fx.provider')),
            ],
            options={
                'verbose_name_plural': 'terms of providers',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='QuoteUse',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('transaction', models.UUIDField(help_text='id of the conversion', unique=True)),
                ('at', models.DateTimeField()),
                ('quote', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='use', to='fx.quote')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='RateLoad',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(max_length=20)),
                ('state', models.CharField(choices=[('loaded', 'Loaded'), ('nothing_new', 'nothing new'), ('refused', 'Refused'), ('not_fetched', 'not fetched')], max_length=12)),
                ('file_name', models.CharField(blank=True, max_length=200)),
                ('bytes', models.PositiveIntegerField(default=0)),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('fetched_at', models.DateTimeField()),
                ('rows', models.PositiveIntegerField(default=0, help_text='rates in the file')),
                ('added', models.PositiveIntegerField(default=0)),
                ('revised', models.PositiveIntegerField(default=0, help_text='of those added: another rate for a time we knew')),
                ('left_out', models.JSONField(default=list, help_text='what was not read, and why')),
                ('first_as_of', models.DateTimeField(blank=True, null=True)),
                ('last_as_of', models.DateTimeField(blank=True, null=True)),
                ('line', models.PositiveIntegerField(blank=True, null=True)),
                ('field', models.CharField(blank=True, max_length=80)),
                ('problem', models.CharField(blank=True, max_length=300)),
                ('actor', models.CharField(max_length=80)),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['source', '-id'], name='rate_load_by_source'), models.Index(fields=['state', '-id'], name='rate_load_by_state'), models.Index(condition=models.Q(('sha256', ''), _negated=True), fields=['sha256'], name='rate_load_by_sha256')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'loaded')), fields=('source', 'sha256'), name='rate_file_once'), models.CheckConstraint(condition=models.Q(('added__lte', models.F('rows')), ('revised__lte', models.F('added'))), name='rate_load_counts')],
            },
        ),
        migrations.CreateModel(
            name='Rate',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(max_length=20)),
                ('base', models.CharField(max_length=3)),
                ('quote', models.CharField(max_length=3)),
                ('as_of', models.DateTimeField()),
                ('revision', models.PositiveSmallIntegerField(default=0)),
                ('bid', fx.models.RateField(blank=True, decimal_places=12, max_digits=28, null=True)),
                ('mid', fx.models.RateField(decimal_places=12, max_digits=28)),
                ('ask', fx.models.RateField(blank=True, decimal_places=12, max_digits=28, null=True)),
                ('load', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='rates', to='fx.rateload')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='RateSource',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(db_index=False, max_length=20)),
                ('name', models.CharField(max_length=80)),
                ('format', models.CharField(choices=[('ecb', 'European Central Bank (XML, CSV)'), ('cbk', 'Central Bank of Kenya (CSV)'), ('cbn', 'Central Bank of Nigeria (CSV)'), ('json', 'JSON, by its paths'), ('csv', 'CSV, by its columns')], max_length=4)),
                ('url', models.CharField(blank=True, help_text='empty: as settings say, else only by hand', max_length=500)),
                ('options', models.JSONField(default=dict, help_text='paths or columns, for JSON and CSV')),
                ('daily', models.BooleanField(default=True, help_text='one rate a business day, rather than at any minute')),
                ('max_age', models.PositiveIntegerField(help_text='business days of a daily source, else minutes')),
                ('pair_max_ages', models.JSONField(default=dict, help_text='other limits by pair: {"USD/NGN": 3}')),
                ('calendar', models.CharField(choices=[('weekdays', 'Monday to Friday'), ('target', 'TARGET days')], max_length=8)),
                ('priority', models.PositiveSmallIntegerField(default=100)),
                ('is_on', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['code', '-id'],
                'indexes': [models.Index(fields=['code', '-id'], name='rate_source_newest')],
                'constraints': [models.CheckConstraint(condition=models.Q(('max_age__gt', 0)), name='rate_source_max_age')],
            },
        ),
        migrations.CreateModel(
            name='RoutingDecision',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('sell', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('buy', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('sell_minor', models.BigIntegerField()),
                ('buy_minor', models.BigIntegerField(help_text='what the providers give for it')),
                ('benchmark_minor', models.BigIntegerField(help_text='at the mid rate, rounded down')),
                ('benchmark', models.CharField(help_text='where the mid rate comes from', max_length=120)),
                ('via', models.CharField(help_text='the ways that are taken: KES>USD>NGN', max_length=60)),
                ('speed_seconds', models.PositiveIntegerField()),
                ('is_split', models.BooleanField()),
                ('alternatives', models.JSONField(help_text='other ways: via, buy_minor, why not')),
                ('left_out', models.JSONField(help_text='offers that were not considered, and why')),
                ('at', models.DateTimeField()),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['sell', '-id'], name='decision_by_sell'), models.Index(fields=['buy', '-id'], name='decision_by_buy')],
            },
        ),
        migrations.CreateModel(
            name='RouteLeg',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('part', models.PositiveSmallIntegerField()),
                ('number', models.PositiveSmallIntegerField(help_text='within the part, from 1')),
                ('sell', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('buy', models.CharField(choices=[('KES', 'KES'), ('RWF', 'RWF'), ('UGX', 'UGX'), ('TZS', 'TZS'), ('NGN', 'NGN'), ('GHS', 'GHS'), ('ZAR', 'ZAR'), ('USD', 'USD'), ('EUR', 'EUR'), ('GBP', 'GBP')], max_length=3)),
                ('sell_minor', models.BigIntegerField()),
                ('buy_minor', models.BigIntegerField()),
                ('provider', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fx.provider')),
                ('terms', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fx.providerterms')),
                ('decision', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='legs', to='fx.routingdecision')),
            ],
            options={
                'ordering': ['decision', 'part', 'number'],
            },
        ),
        migrations.AddField(
            model_name='quote',
            name='decision',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='quote', to='fx.routingdecision'),
        ),
        migrations.CreateModel(
            name='ProviderSwitch',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('is_on', models.BooleanField()),
                ('reason', models.CharField(max_length=500)),
                ('actor', models.CharField(max_length=80)),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('provider', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='switches', to='fx.provider')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['provider', '-id'], name='switch_newest')],
            },
        ),
        migrations.AddIndex(
            model_name='providerterms',
            index=models.Index(fields=['provider', 'sell', 'buy', 'effective_from', '-id'], name='terms_newest'),
        ),
        migrations.AddConstraint(
            model_name='providerterms',
            constraint=models.CheckConstraint(condition=models.Q(('sell', models.F('buy')), _negated=True), name='terms_of_two_currencies'),
        ),
        migrations.AddConstraint(
            model_name='providerterms',
            constraint=models.CheckConstraint(condition=models.Q(('cost_bps__lt', 10000), ('flat__gte', 0), ('maximum__gte', models.F('minimum')), ('minimum__gt', 0), models.Q(('daily_cap', None), ('daily_cap__gt', 0), _connector='OR')), name='terms_make_sense'),
        ),
        migrations.AddIndex(
            model_name='rate',
            index=models.Index(fields=['source', '-id'], name='rate_by_source'),
        ),
        migrations.AddIndex(
            model_name='rate',
            index=models.Index(fields=['base', '-id'], name='rate_by_base'),
        ),
        migrations.AddIndex(
            model_name='rate',
            index=models.Index(fields=['quote', '-id'], name='rate_by_quote'),
        ),
        migrations.AddIndex(
            model_name='rate',
            index=models.Index(fields=['load', '-id'], name='rate_by_load'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.UniqueConstraint(fields=('source', 'base', 'quote', 'as_of', 'revision'), name='rate_once'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('base', models.F('quote')), _negated=True), name='rate_of_two_currencies'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('mid__gt', 0), models.Q(('bid', None), ('bid__gt', 0), _connector='OR'), models.Q(('ask', None), ('ask__gt', 0), _connector='OR')), name='rate_positive'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('bid', None), ('bid__lte', models.F('mid')), _connector='OR'), models.Q(('ask', None), ('ask__gte', models.F('mid')), _connector='OR')), name='rate_bid_mid_ask'),
        ),
        migrations.AddIndex(
            model_name='routeleg',
            index=models.Index(fields=['provider', 'sell', 'buy', '-id'], name='route_leg_of_provider'),
        ),
        migrations.AddConstraint(
            model_name='routeleg',
            constraint=models.UniqueConstraint(fields=('decision', 'part', 'number'), name='route_leg_once'),
        ),
        migrations.AddConstraint(
            model_name='routeleg',
            constraint=models.CheckConstraint(condition=models.Q(('buy_minor__gt', 0), ('sell_minor__gt', 0)), name='route_leg_amounts'),
        ),
        migrations.AddIndex(
            model_name='quote',
            index=models.Index(fields=['caller', '-id'], name='quote_of_caller'),
        ),
        migrations.AddIndex(
            model_name='quote',
            index=models.Index(fields=['sell', '-id'], name='quote_by_sell'),
        ),
        migrations.AddIndex(
            model_name='quote',
            index=models.Index(fields=['buy', '-id'], name='quote_by_buy'),
        ),
        migrations.AddConstraint(
            model_name='quote',
            constraint=models.CheckConstraint(condition=models.Q(('buy_minor__gt', 0), ('fee_minor__gte', 0), ('margin_minor__gte', 0), ('sell_minor__gt', models.F('fee_minor'))), name='quote_amounts'),
        ),
        migrations.AddConstraint(
            model_name='quote',
            constraint=models.CheckConstraint(condition=models.Q(('sell', models.F('buy')), _negated=True), name='quote_of_two_currencies'),
        ),
        migrations.AddConstraint(
            model_name='quote',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='quote_expires_later'),
        ),
    ]
