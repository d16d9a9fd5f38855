"""Why senders claim payments back, in the pilot. Seven days to answer; three where haste is owed to both."""

from django.db import migrations

REASONS = [
    ("wrong_recipient", "Sent to the wrong person", 7, "wrong_recipient"),
    ("duplicate", "Sent twice by mistake", 7, "duplicate"),
    ("not_received", "Paid for what never came", 7, "customer_request"),
    ("fraud", "Tricked into sending, or phone stolen", 3, "fraud"),
]


def seed(apps, schema_editor):
    reason = apps.get_model("recalls", "RecallReason")
    reason.objects.bulk_create(
        [reason(code=c, title=t, answer_days=days, reversal_reason_id=of) for c, t, days, of in REASONS]
    )


class Migration(migrations.Migration):
    dependencies = [("recalls", "0002_guards"), ("transactions", "0003_fees_and_reasons")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
