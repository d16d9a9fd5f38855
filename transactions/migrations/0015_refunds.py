"""What a merchant's refund does with the fee: each part takes its share along. And order references, found by staff too."""

from django.db import migrations, models

POLICY = {"title": "Refunded by the merchant", "refunds_fee": True, "fee_by_share": True, "is_active": True}


def seed(apps, schema_editor):
    reasons = apps.get_model("transactions", "ReversalReason").objects
    row, is_new = reasons.get_or_create(code="merchant_refund", defaults=POLICY)  # no reason is ever deleted
    records = apps.get_model("core", "AuditRecord")
    if is_new and records.objects.exists():  # where the trail has begun, configuration comes with its record
        records.objects.create(
            actor="system", role="system", action="set_reversal_reason", subject_type="transactions.reversalreason",
            subject_id=row.pk, after=POLICY,
        )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("transactions", "0014_every_way_money_moves"), ("core", "0005_looks")]

    operations = [
        migrations.RunPython(seed, migrations.RunPython.noop),
        migrations.RemoveIndex(model_name="transaction", name="transaction_orders"),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                fields=["order_reference", "payee"], condition=models.Q(("order_reference__isnull", False)),
                name="transaction_order",
            ),
        ),
    ]
