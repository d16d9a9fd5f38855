from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('transactions', '0004_found_by_staff'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='railmessage',
            index=models.Index(condition=models.Q(('state', 'odd')), fields=['-id'], name='rail_message_odd'),
        ),
    ]
