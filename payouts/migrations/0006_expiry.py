"""What nobody approves ends by a time of its own; what waits already has 14 days from now, also where it
is for a later day.

And what has lines to put right can be called off; the same items are one file in each currency, where they were paid.
"""

from datetime import datetime, timedelta
from pathlib import Path

import django_fsm
from django.db import migrations, models
from django.db.models import F, Q
from django.utils import timezone

SQL = Path(__file__).with_suffix(".sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()
STATES = [
    ("draft", "lines to put right"), ("validated", "waits for approval"), ("approved", "approved, not begun"),
    ("posting", "being paid"), ("completed", "Completed"), ("failed", "nobody was paid"), ("cancelled", "Cancelled"),
    ("expired", "not approved in time"),
]  # fmt: skip


def in_two_weeks() -> datetime:
    return timezone.now() + timedelta(days=14)


class Migration(migrations.Migration):
    dependencies = [("payouts", "0005_names")]
    operations = [
        migrations.RemoveConstraint("batch", "payout_file_once"),
        migrations.RemoveConstraint("batch", "payout_without_errors"),
        migrations.RemoveConstraint("batch", "payout_approved_whole"),
        migrations.AddField(
            "batch",
            "expires_at",
            models.DateTimeField(default=in_two_weeks, help_text="until when it can be approved"),
            preserve_default=False,
        ),
        migrations.AlterField("batch", "state", django_fsm.FSMField(choices=STATES, max_length=50, protected=True)),
        migrations.AddIndex("approver", models.Index(fields=["business"], name="payout_approver_of")),
        migrations.AddIndex(
            "batch",
            models.Index(
                fields=["expires_at"], condition=Q(state__in=["draft", "validated"]), name="payout_expiring"
            ),
        ),
        migrations.AddIndex(
            "batch",
            models.Index(
                fields=["customer", "approved_at"], condition=~Q(approved_at=None), name="payout_approved_lately"
            ),
        ),
        migrations.AddConstraint(
            "batch",
            models.UniqueConstraint(
                fields=["customer", "currency", "fingerprint"],
                condition=Q(again=False)
                & (
                    Q(state__in=["validated", "approved", "posting"])
                    | Q(state__in=["completed", "cancelled"], posted__gt=0)
                ),
                name="payout_file_once",
            ),
        ),
        migrations.AddConstraint(
            "batch",
            models.CheckConstraint(
                condition=Q(state__in=["draft", "cancelled", "expired"]) | Q(errors_total=0, total__gt=0),
                name="payout_without_errors",
            ),
        ),
        migrations.AddConstraint(
            "batch",
            models.CheckConstraint(
                condition=Q(
                    approved_by=None, approved_at=None, state__in=["draft", "validated", "cancelled", "expired"]
                )
                | Q(approved_by__isnull=False, approved_at__isnull=False)
                & ~Q(state__in=["draft", "validated", "expired"]),
                name="payout_approved_whole",
            ),
        ),
        migrations.AddConstraint(
            "batch",
            models.CheckConstraint(
                condition=(Q(approved_at=None) | Q(approved_at__lte=F("expires_at")))
                & (~Q(state="expired") | Q(finished_at__gte=F("expires_at"))),
                name="payout_in_time",
            ),
        ),
        migrations.RunSQL([SQL], [REVERSE]),
    ]
