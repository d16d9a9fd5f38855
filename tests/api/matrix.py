"""The matrix: for every door of the customer API, the request that its owner makes.

A row is a request as a function of whose ids it names. The tests make it with the owner's ids, with a stranger's and
with ids of nothing, as every kind of caller; a door without a row fails the build.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

from customers.models import AccountType, Customer
from tests.api.doors import SHOP, Ask, Mine, World


class Row(NamedTuple):
    """``status``: what the owner gets. ``names``: the request names something owned, so a stranger's ids can be tried.

    ``public``: signs in by other means, or needs no sign-in. ``for_ended``: serves an ended session too, harmlessly.
    """

    ask: Callable[[Mine, World], Ask]
    status: int = 200
    names: bool = False
    public: bool = False
    for_ended: bool = False


NOTHING = Row(lambda mine, world: Ask())
EMPTY = Ask(body={})
BANK_ACCOUNT = {"bank_id": "WEKEZA", "account_number": "0123456789", "account_name": "Aline"}
REGISTRATION = {
    "full_name": "Grace Achieng",
    "email": "grace@example.com",
    "phone_number": "+254712000001",
    "country": "KE",
    "account_type": "individual",
    "password": "a long enough sentence",
}


def payment(mine: Mine, world: World) -> dict[str, object]:
    return {"from_wallet_id": mine.wallet, "to": {"wallet_id": world.eric.id}, "amount": "15.50", "currency": "KES"}


def business(mine: Mine) -> object:
    """Their wallet, whose owner is a business from now on."""
    if isinstance(mine, Mine):
        Customer.objects.filter(wallets=mine.wallet).update(account_type=AccountType.SME)
    return mine.wallet


def ahead(days: int) -> str:
    return str(date.today() + timedelta(days=days))


def each_day(days: int) -> dict[str, object]:
    return {"frequency": "daily", "start_on": ahead(days)}


def promise(mine: Mine, world: World) -> dict[str, object]:
    return payment(mine, world) | {"to": {"phone_number": SHOP}, "expires_in": 3600}


MATRIX: dict[str, Row] = {
    "POST v1/auth/register": Row(lambda mine, world: Ask(body=REGISTRATION), 201, public=True),
    "POST v1/auth/login": Row(
        lambda mine, world: Ask(body={"username": world.eric.customer.email, "password": mine.password}), public=True
    ),
    "POST v1/auth/refresh": Row(lambda mine, world: Ask(body={"refresh_token": "not one of ours"}), 401, public=True),
    "POST v1/auth/logout": Row(lambda mine, world: EMPTY, 204, for_ended=True),
    "GET v1/me": NOTHING,
    "PATCH v1/me": Row(lambda mine, world: Ask(body={"full_name": "A. Mukamana"})),
    "POST v1/me/password": Row(
        lambda mine, world: Ask(body={"current_password": mine.password, "new_password": "another long sentence"}), 204
    ),
    "GET v1/me/limits": NOTHING,
    "GET v1/me/sessions": NOTHING,
    "GET v1/me/accesses": NOTHING,
    "DELETE v1/me/sessions/<uuid:session_id>": Row(
        lambda mine, world: Ask(path={"session_id": mine.session}), 204, names=True
    ),
    "GET v1/wallets": NOTHING,
    "POST v1/wallets": Row(lambda mine, world: Ask(body={"currency": "EUR"}), 201),
    "GET v1/wallets/<uuid:wallet_id>": Row(lambda mine, world: Ask(path={"wallet_id": mine.wallet}), names=True),
    "GET v1/wallets/<uuid:wallet_id>/balance": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet}), names=True
    ),
    "POST v1/wallets/<uuid:wallet_id>/close": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.empty_wallet}, body={}), names=True
    ),
    "GET v1/wallets/<uuid:wallet_id>/limits": Row(lambda mine, world: Ask(path={"wallet_id": mine.wallet}), names=True),
    "GET v1/wallets/<uuid:wallet_id>/transactions": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet}, query={"limit": "10", "direction": "out"}), names=True
    ),
    "GET v1/wallets/<uuid:wallet_id>/statement": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet}, query={"from": "2026-02-01", "to": "2026-02-28"}),
        names=True,
    ),
    "GET v1/wallets/<uuid:wallet_id>/merchant-statement": Row(
        lambda mine, world: Ask(path={"wallet_id": business(mine)}, query={"day": "2026-02-01"}), names=True
    ),
    "GET v1/wallets/<uuid:wallet_id>/statements": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet}), names=True
    ),
    "GET v1/wallets/<uuid:wallet_id>/statements/<int:number>": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet, "number": 1}), names=True
    ),
    "GET v1/wallets/<uuid:wallet_id>/statement-settings": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet}), names=True
    ),
    "PUT v1/wallets/<uuid:wallet_id>/statement-settings": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet}, body={"every": "monthly"}), names=True
    ),
    "POST v1/wallets/<uuid:wallet_id>/deposit": Row(
        lambda mine, world: Ask(
            path={"wallet_id": mine.wallet}, body={"amount": "20.00", "currency": "KES"}, keyed=True
        ),
        201,
        names=True,
    ),
    "POST v1/wallets/<uuid:wallet_id>/withdraw": Row(
        lambda mine, world: Ask(
            path={"wallet_id": mine.wallet},
            body={"amount": "20.00", "currency": "KES", "bank_account": BANK_ACCOUNT},
            keyed=True,
        ),
        201,
        names=True,
    ),
    "POST v1/transfers": Row(lambda mine, world: Ask(body=payment(mine, world), keyed=True), 201, names=True),
    "GET v1/fees": NOTHING,
    "POST v1/wallets/<uuid:wallet_id>/deposit/preview": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet}, body={"amount": "20", "currency": "KES"}), names=True
    ),
    "POST v1/wallets/<uuid:wallet_id>/withdraw/preview": Row(
        lambda mine, world: Ask(path={"wallet_id": mine.wallet}, body={"amount": "20", "currency": "KES"}), names=True
    ),
    "POST v1/transfers/preview": Row(lambda mine, world: Ask(body=payment(mine, world)), names=True),
    "GET v1/transactions/<uuid:transaction_id>": Row(
        lambda mine, world: Ask(path={"transaction_id": mine.transaction}), names=True
    ),
    "GET v1/payouts": NOTHING,
    "POST v1/payouts": Row(
        lambda mine, world: Ask(
            body={"from_wallet_id": mine.wallet, "items": [{"to": {"wallet_id": world.eric.id}, "amount": "15.50"}]},
            keyed=True,
        ),
        201,
        names=True,
    ),
    "GET v1/payouts/<uuid:payout_id>": Row(lambda mine, world: Ask(path={"payout_id": mine.payout}), names=True),
    "GET v1/payouts/<uuid:payout_id>/items": Row(
        lambda mine, world: Ask(path={"payout_id": mine.payout}, query={"status": "waiting"}), names=True
    ),
    "GET v1/payouts/<uuid:payout_id>/results": Row(
        lambda mine, world: Ask(path={"payout_id": mine.payout}), names=True
    ),
    "POST v1/payouts/<uuid:payout_id>/approve": Row(
        lambda mine, world: Ask(path={"payout_id": mine.payout}, body={}, keyed=True), names=True
    ),
    "POST v1/payouts/<uuid:payout_id>/cancel": Row(
        lambda mine, world: Ask(path={"payout_id": mine.payout}, body={"reason": "Not this month."}), names=True
    ),
    # It waits for approval: nothing of it was refused yet.
    "POST v1/payouts/<uuid:payout_id>/retry": Row(
        lambda mine, world: Ask(path={"payout_id": mine.payout}, body={}, keyed=True), 409, names=True
    ),
    "GET v1/payouts/approvers": NOTHING,
    # Theirs are accounts of one person each.
    "POST v1/payouts/approvers": Row(lambda mine, world: Ask(body={"email": world.eric.customer.email}), 403),
    "POST v1/payouts/alone-limit": Row(lambda mine, world: Ask(body={"amount": "0", "currency": "KES"}), 403),
    "POST v1/payouts/approvers/<uuid:approver_id>/accept": Row(
        lambda mine, world: Ask(path={"approver_id": mine.payout_approver}, body={}), names=True
    ),
    "POST v1/payouts/approvers/<uuid:approver_id>/end": Row(
        lambda mine, world: Ask(path={"approver_id": mine.payout_approver}, body={}), names=True
    ),
    # Eric asks anybody for any amount; each of the others asks for some of their own, and was paid.
    "GET v1/payments": Row(lambda mine, world: Ask(query={"order_reference": "A-17"})),
    "POST v1/payments": Row(
        lambda mine, world: Ask(
            body={"from_wallet_id": mine.wallet, "request_code": world.asked, "amount": "15.50"}, keyed=True
        ),
        201,
        names=True,
    ),
    "POST v1/payments/preview": Row(
        lambda mine, world: Ask(body={"from_wallet_id": mine.wallet, "request_code": world.asked, "amount": "15.50"}),
        names=True,
    ),
    "POST v1/payments/<uuid:payment_id>/refunds": Row(
        lambda mine, world: Ask(path={"payment_id": mine.payment}, body={"amount": "2.00"}, keyed=True),
        201,
        names=True,
    ),
    "GET v1/payment-requests": NOTHING,
    "POST v1/payment-requests": Row(
        lambda mine, world: Ask(body={"wallet_id": mine.wallet, "currency": "KES", "amount": "15.50"}), 201, names=True
    ),
    # Whoever has a code may look and pay.
    "GET v1/payment-requests/<slug:code>": Row(lambda mine, world: Ask(path={"code": world.asked})),
    "GET v1/payment-requests/<slug:code>/qr.svg": Row(
        lambda mine, world: Ask(path={"code": world.asked}, query={"content": "link"})
    ),
    "POST v1/payment-requests/<slug:code>/pay": Row(
        lambda mine, world: Ask(
            path={"code": world.asked}, body={"from_wallet_id": mine.wallet, "amount": "15.50"}, keyed=True
        ),
        201,
        names=True,
    ),
    "POST v1/payment-requests/<slug:code>/cancel": Row(
        lambda mine, world: Ask(path={"code": mine.asked}, body={}), names=True
    ),
    "GET v1/payment-requests/<slug:code>/payments": Row(lambda mine, world: Ask(path={"code": mine.asked}), names=True),
    "POST v1/payment-requests/<slug:code>/payments/<uuid:payment_id>/confirm": Row(
        lambda mine, world: Ask(path={"code": mine.asked, "payment_id": mine.promised}, body={}), names=True
    ),
    "POST v1/payment-requests/<slug:code>/payments/<uuid:payment_id>/reject": Row(
        lambda mine, world: Ask(path={"code": mine.asked, "payment_id": mine.promised}, body={}), names=True
    ),
    "GET v1/holds": NOTHING,
    "POST v1/holds": Row(lambda mine, world: Ask(body=promise(mine, world), keyed=True), 201, names=True),
    "POST v1/holds/preview": Row(lambda mine, world: Ask(body=promise(mine, world)), names=True),
    "GET v1/holds/<uuid:hold_id>": Row(lambda mine, world: Ask(path={"hold_id": mine.hold}), names=True),
    "POST v1/holds/<uuid:hold_id>/capture": Row(
        lambda mine, world: Ask(path={"hold_id": mine.hold}, body={"amount": "1.50", "final": True}, keyed=True),
        201,
        names=True,
    ),
    "POST v1/holds/<uuid:hold_id>/void": Row(lambda mine, world: Ask(path={"hold_id": mine.hold}, body={}), names=True),
    "GET v1/recalls": NOTHING,
    "GET v1/recalls/<uuid:recall_id>": Row(lambda mine, world: Ask(path={"recall_id": mine.recall}), names=True),
    "POST v1/recalls/<uuid:recall_id>/consent": Row(
        lambda mine, world: Ask(path={"recall_id": mine.recall}, body={}), names=True
    ),
    "POST v1/recalls/<uuid:recall_id>/refuse": Row(
        lambda mine, world: Ask(path={"recall_id": mine.recall}, body={"reason": "It was for the rent."}), names=True
    ),
    "GET v1/standing-orders": NOTHING,
    "POST v1/standing-orders": Row(
        lambda mine, world: Ask(body=payment(mine, world) | {"schedule": each_day(3)}, keyed=True), 201, names=True
    ),
    "POST v1/standing-orders/preview": Row(lambda mine, world: Ask(body=each_day(3))),
    "GET v1/standing-orders/<uuid:order_id>": Row(
        lambda mine, world: Ask(path={"order_id": mine.standing_order}), names=True
    ),
    "PATCH v1/standing-orders/<uuid:order_id>": Row(
        lambda mine, world: Ask(path={"order_id": mine.standing_order}, body={"amount": "2.50"}), names=True
    ),
    "POST v1/standing-orders/<uuid:order_id>/pause": Row(
        lambda mine, world: Ask(path={"order_id": mine.standing_order}, body={}), names=True
    ),
    "POST v1/standing-orders/<uuid:order_id>/resume": Row(
        lambda mine, world: Ask(path={"order_id": mine.standing_order}, body={}), names=True
    ),
    "POST v1/standing-orders/<uuid:order_id>/skip": Row(
        lambda mine, world: Ask(path={"order_id": mine.standing_order}, body={"due_on": ahead(2)}), names=True
    ),
    "POST v1/standing-orders/<uuid:order_id>/cancel": Row(
        lambda mine, world: Ask(path={"order_id": mine.standing_order}, body={}), names=True
    ),
    "GET v1/standing-orders/<uuid:order_id>/runs": Row(
        lambda mine, world: Ask(path={"order_id": mine.standing_order}), names=True
    ),
    "GET v1/fx/rates": NOTHING,
    "POST v1/fx/quotes": Row(
        lambda mine, world: Ask(body={"currency_from": "KES", "currency_to": "USD", "amount_from": "130.00"}), 201
    ),
    "GET v1/fx/quotes/<uuid:quote_id>": Row(lambda mine, world: Ask(path={"quote_id": mine.quote}), names=True),
    "POST v1/fx/convert": Row(
        lambda mine, world: Ask(
            body={"wallet_id": mine.wallet, "amount": "130.00", "currency_from": "KES", "currency_to": "USD"},
            keyed=True,
        ),
        201,
        names=True,
    ),
    "GET v1/notifications": NOTHING,
    "POST v1/notifications/read-all": Row(lambda mine, world: EMPTY),
    "POST v1/notifications/<uuid:notification_id>/read": Row(
        lambda mine, world: Ask(path={"notification_id": mine.notification}, body={}), names=True
    ),
    # Not for customers: the signature over the body is the credential.
    "POST v1/rails/<slug:rail>/callbacks": Row(
        lambda mine, world: Ask(path={"rail": "sandbox"}, body={"id": "forged"}), 401, public=True
    ),
    "GET api/schema": Row(lambda mine, world: Ask(), public=True),
    "GET api/docs": Row(lambda mine, world: Ask(), public=True),
}

# Pages that are not DRF's and not for staff: what anybody gets.
PLAIN = {
    "": 302, "api/docs/": 302, "healthz": 200, "readyz": 200, "problems": 200, "problems/<slug:code>": 200,
    "admin": 302, "pay/<str:code>": 404, "pay/<str:code>/": 404, "pay/<str:code>/qr.svg": 404,
}  # fmt: skip

# The one page of the back office that a stranger sees: the way in.
STAFF_OPEN = {"admin/login/", "admin/new-password/<uidb64>/<token>/"}
