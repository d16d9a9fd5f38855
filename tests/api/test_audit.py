"""G56 at the customers' door: what they change leaves a row that says who, what, from where and in which request."""

import pytest

from core.models import AuditRecord
from tests.api.doors import World, new_world, send
from tests.api.matrix import MATRIX
from tests.standing import standing
from transactions.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("posts_within")]

# Movements have a trail of their own, the events, by which customers and webhooks are told too.
MOVES = {
    "POST v1/transfers", "POST v1/wallets/<uuid:wallet_id>/deposit", "POST v1/wallets/<uuid:wallet_id>/withdraw",
    "POST v1/holds", "POST v1/holds/<uuid:hold_id>/capture", "POST v1/holds/<uuid:hold_id>/void",
    "POST v1/fx/convert", "POST v1/payments", "POST v1/payments/<uuid:payment_id>/refunds",
    "POST v1/payment-requests/<slug:code>/pay",
}  # fmt: skip
# Change nothing but what one sees oneself, or end in a refusal.
NOTHING_CHANGES = {
    "POST v1/transfers/preview", "POST v1/holds/preview", "POST v1/payments/preview", "POST v1/standing-orders/preview",
    "POST v1/wallets/<uuid:wallet_id>/deposit/preview", "POST v1/wallets/<uuid:wallet_id>/withdraw/preview",
    "POST v1/auth/refresh", "POST v1/notifications/read-all",
    "POST v1/notifications/<uuid:notification_id>/read", "POST v1/fx/quotes",
    # Aline is one person, has no payout that could be tried again, and her order runs.
    "POST v1/payouts/<uuid:payout_id>/retry", "POST v1/payouts/approvers", "POST v1/payouts/alone-limit",
    "POST v1/standing-orders/<uuid:order_id>/resume",
}  # fmt: skip
CHANGES = [
    door for door in MATRIX if not door.startswith("GET") and door not in NOTHING_CHANGES and "rails" not in door
]


@standing
def world() -> World:
    return new_world()


@pytest.mark.parametrize("door", CHANGES)
def test_every_change_is_on_record(door: str, world: World) -> None:
    row = MATRIX[door]
    known = set(AuditRecord.objects.values_list("pk", flat=True)), set(Event.objects.values_list("pk", flat=True))

    answer = send(door, row.ask(world.aline.mine, world), world.aline.token)

    assert answer.status_code == row.status, answer.content
    request_id = answer.headers["X-Request-ID"]
    if door in MOVES:
        assert [one for one in Event.objects.all() if one.pk not in known[1] and one.actor.startswith("customer:")]
        return
    made = [one for one in AuditRecord.objects.all() if one.pk not in known[0]]
    assert made, "a change without a row"
    for record in made:
        assert record.actor.partition(":")[0] in ("customer", "unknown"), record
        assert record.role == record.actor.partition(":")[0]
        assert (record.request_id, record.ip, record.door) == (request_id, "127.0.0.1", "api")
        assert record.subject_id
