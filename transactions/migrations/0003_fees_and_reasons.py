"""The pilot's prices: transfers, payments and top-ups free; a cash-out costs a flat fee. And why staff may reverse."""

from datetime import date

from django.db import migrations

CASH_OUT_FLAT = {
    "KES": 5000, "RWF": 500, "UGX": 1500, "TZS": 100000, "NGN": 5000, "GHS": 500, "ZAR": 700, "USD": 50, "EUR": 50,
    "GBP": 50,
}
FREE = ("transfer", "payment", "top_up")
REASONS = [
    ("wrong_recipient", "Sent to the wrong person", True),
    ("duplicate", "Sent twice by mistake", True),
    ("fraud", "Fraud or stolen phone", True),
    ("technical_error", "Our mistake", True),
    ("customer_request", "Both parties agreed", False),
]


def seed(apps, schema_editor):
    rule, reason = apps.get_model("transactions", "FeeRule"), apps.get_model("transactions", "ReversalReason")
    day = date(2024, 1, 1)
    rule.objects.bulk_create(
        [rule(kind=kind, currency=c, flat=0, bps=0, effective_from=day) for c in CASH_OUT_FLAT for kind in FREE]
        + [rule(kind="cash_out", currency=c, flat=flat, bps=0, effective_from=day) for c, flat in CASH_OUT_FLAT.items()]
    )
    reason.objects.bulk_create([reason(code=c, title=t, refunds_fee=r) for c, t, r in REASONS])


class Migration(migrations.Migration):
    dependencies = [("transactions", "0002_guards")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
