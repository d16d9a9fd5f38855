"""Payment requests in the back office."""

from django.urls import reverse

from customers.services import suspend_customer
from payments.services import NewRequest, cancel_request, confirm, create_request
from staff.roles import Role
from tests.admin.conftest import client_of, member
from tests.books import fund, key
from tests.factories import new_wallet
from tests.payments.conftest import principal
from tests.payments.test_requests import ask, pay
from transactions.services.refunds import refund_payment
from wallets.models import Wallet
from wallets.services import freeze_wallet


def test_the_list_says_amounts_in_their_currency(payer: Wallet, shop: Wallet) -> None:
    till = new_wallet(full_name="Wanjiku Traders", tier=2)
    create_request(NewRequest(wallet_id=till.pk, currency="KES", amount=10_50), actor=principal(till))
    ask(shop, amount=1_500)
    ask(shop, least=100, max_uses=None)

    shown = client_of(member(Role.SUPPORT)).get(reverse("admin:payments_paymentrequest_changelist")).text

    for said in ("KES 10.50", "RWF 1,500", "RWF 100 or more", "0, without limit"):
        assert said in shown, said


def test_the_page_says_why_nobody_can_pay_it(shop: Wallet) -> None:
    request, staff = ask(shop, amount=10), client_of(member(Role.SUPPORT))
    address = reverse("admin:payments_paymentrequest_change", args=[request.pk])
    assert "Nobody can pay it" not in staff.get(address).text

    freeze_wallet(shop, mode="credit", cause="fraud", reason="a scam", actor=None)
    assert "Nobody can pay it: the wallet is frozen and may not receive." in staff.get(address).text
    suspend_customer(shop.customer, cause="fraud", reason="a scam", actor=None)
    assert "Nobody can pay it: who asks is suspended." in staff.get(address).text
    cancel_request(request.pk, actor=None)

    assert "Nobody can pay it" not in staff.get(address).text


def test_the_page_says_what_awaits_an_answer_and_what_went_back_of_what_was_confirmed(
    payer: Wallet, shop: Wallet
) -> None:
    fund(payer, 1_000)
    request = ask(shop, amount=10, max_uses=None, needs_confirmation=True)
    uses = [pay(request, payer).or_raise().transaction for _ in range(2)]
    taken = confirm(uses[0], actor=principal(shop)).payment
    refund_payment(taken, actor=principal(shop), idempotency_key=key()).or_raise()
    staff = client_of(member(Role.SUPPORT))

    page = staff.get(reverse("admin:payments_paymentrequest_change", args=[request.pk])).text
    uses_list = staff.get(reverse("admin:payments_requestuse_changelist")).text

    assert "Awaits confirmation</dt><dd>1</dd>" in "".join(line.strip() for line in page.splitlines())
    assert reverse("admin:transactions_transaction_change", args=[taken]) in page
    assert "confirmed payment" in page  # of its audit trail
    for shown in (page, uses_list):
        assert "Reversed" in shown and "Confirmed" in shown
