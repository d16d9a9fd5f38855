"""Actions: a GET shows, a POST with CSRF and a reason does, a refusal is said where it was asked for."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.timezone import now

from core.admin import StaffAdmin
from core.admin.dialogs import NOT_OFFERED, read_amount
from core.models import AuditRecord
from customers.models import CustomerState
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World, client_of
from tests.books import assert_books_balance, posted, transfer
from tests.factories import fresh, new_wallet
from transactions.admin.transactions import TransactionAdmin
from transactions.models import State, Transaction
from transactions.posting import post_one
from transactions.services.settling import mark
from wallets.models import Freeze

REASON = {"reason": "Caller identified, ticket 12"}


def action(name: str, pk: object) -> str:
    return reverse(f"admin:{name}", args=[pk])


@pytest.mark.parametrize(
    ("text", "read"),
    [("1,250.50", 1250_50), ("1250.50", 1250_50), (" 12,345,678 ", 12_345_678_00), ("1,5", None), ("1,50", None),
     ("1.250,50", None), ("12,34", None), ("1,2345", None), (",5", None), ("1,,000", None), ("1 000", None)],
)  # fmt: skip
def test_a_comma_parts_thousands_or_nothing(text: str, read: int | None) -> None:
    class Asked(forms.Form):
        amount = forms.CharField(strip=False)

    form = Asked({"amount": text})
    form.is_valid()

    assert read_amount(form, "amount", "KES") == read
    assert bool(form.errors) == (read is None)


def test_five_tenths_are_not_five_times_ten(support: Client, world: World) -> None:
    before = posted(world.wallet)
    reverse_it = action("transactions_transaction_reverse", world.sent.pk)
    asked = {"amount": "1,5", "reason_code": "duplicate", "note": "twice", "key": str(uuid4()), "step": "preview"}
    opening = {"receipt": world.sent.receipt, "amount": "1,5", "reason": "wrong_recipient", "note": "ticket 10"}

    assert "can be read in two ways" in support.post(reverse_it, asked).text
    assert "can be read in two ways" in support.post(reverse("admin:recalls_recall_open"), opening).text
    assert posted(world.wallet) == before


def test_suspending_ends_sessions_and_is_recorded(support: Client, world: World, staff: dict[str, User]) -> None:
    url = action("customers_customer_suspend", world.wanjiku.pk)

    assert support.get(url).status_code == 200
    assert fresh(world.wanjiku).state == CustomerState.ACTIVE
    answer = support.post(url, REASON, follow=True)

    assert fresh(world.wanjiku).state == CustomerState.SUSPENDED
    assert not world.wanjiku.sessions.filter(revoked_at=None).exists()
    assert "Suspended." in answer.text
    assert "Reactivate" in answer.text
    record = AuditRecord.objects.get(action="suspend", subject_id=str(world.wanjiku.pk))
    assert (record.actor, record.reason) == (staff[Role.SUPPORT].principal, REASON["reason"])


def test_what_makes_no_sense_any_more_is_refused_in_the_dialog(support: Client, world: World) -> None:
    url = action("customers_customer_suspend", world.wanjiku.pk)
    support.post(url, REASON)

    answer = support.post(url, REASON)
    page = support.get(reverse("admin:customers_customer_change", args=[world.wanjiku.pk]))

    assert answer.status_code == 200
    assert "This customer is suspended already: see Suspensions" in answer.text
    assert "<textarea" not in answer.text
    assert url in page.text
    assert AuditRecord.objects.filter(action="suspend").count() == 1


@pytest.mark.parametrize(
    ("name", "on", "said"),
    [
        ("wallets_wallet_lift", "wallet", "The wallet is not frozen."),
        ("wallets_wallet_close", "wallet", "moves KES 8,700.00 out first"),
        ("wallets_wallet_close", "frozen", "Lift its freezes first"),
        ("customers_customer_reactivate", "wanjiku", "This customer is active"),
        ("transactions_transaction_reverse", "refused", "No money has moved, so there is none to give back"),
        ("transactions_transaction_release", "sent", "The worker has not given up on it"),
    ],
)
def test_what_cannot_be_done_says_why_instead_of_asking(
    support: Client, world: World, name: str, on: str, said: str
) -> None:
    url = action(name, getattr(world, on).pk)

    for answer in (support.get(url), support.post(url, REASON)):
        assert said in answer.text
        assert "<textarea" not in answer.text
    assert not AuditRecord.objects.filter(reason=REASON["reason"]).exists()


def test_what_a_page_does_not_offer_its_address_does_not_open(
    administrator: Client, world: World, staff: dict[str, User]
) -> None:
    """Of every dialog and every row of the world."""
    request: Any = RequestFactory().get("/admin/")
    request.user = staff[Role.ADMINISTRATOR]
    refused, opened = 0, 0
    for model, registered in admin.site._registry.items():
        if not isinstance(registered, StaffAdmin) or (row := registered.get_queryset(request).first()) is None:
            continue
        for name in registered.actions_detail:
            url = action(f"{model._meta.app_label}_{model._meta.model_name}_{name}", row.pk)
            answer = administrator.get(url)
            if answer.status_code != 200:
                continue
            if registered.offers(request, row, name):
                opened += not answer.context["why_not"]
            else:
                refused += 1
                assert answer.context["why_not"], url
                assert administrator.post(url, REASON).context["why_not"], url

    assert refused > 3 and opened > 10, (refused, opened)


def test_a_cash_out_that_the_bank_knows_of_is_not_called_off(world: World, staff: dict[str, User]) -> None:
    """The dialog would have said that the bank has not heard of it."""
    operations, txn = client_of(staff[Role.OPERATIONS]), world.through_a_rail("cash_out", 50_00)
    url = action("transactions_transaction_call_off", txn.pk)
    assert "The bank has not heard of it." in operations.get(url).text

    for state in (State.PROCESSING, State.UNKNOWN):
        mark(txn.pk, to=state, actor="job:rail_calls")
        for answer in (operations.get(url), operations.post(url, REASON)):
            assert "has not heard of it." not in answer.text
            assert "Only a top-up or cash-out that no bank has heard of yet can be called off." in answer.text
            assert "<textarea" not in answer.text
    assert fresh(txn).state == State.UNKNOWN


def test_a_freeze_without_an_end_is_not_extended(support: Client, world: World) -> None:
    url = action("wallets_freeze_extend", world.frozen.freezes.get().pk)

    for answer in (support.get(url), support.post(url, {"expires_at": "2099-01-01 00:00", "weighed": "x"})):
        assert NOT_OFFERED in answer.text
        assert "dialog_expires_at" not in answer.text
    assert not AuditRecord.objects.filter(action="extend_freeze").exists()


def test_a_closed_wallet_keeps_its_buttons_and_each_says_why_not(support: Client, world: World) -> None:
    empty = new_wallet()
    support.post(action("wallets_wallet_close", empty.pk), REASON)

    page = support.get(reverse("admin:wallets_wallet_change", args=[empty.pk]))

    for name in ("freeze", "lift", "close"):
        url = action(f"wallets_wallet_{name}", empty.pk)
        assert url in page.text
        assert "closed for good" in support.get(url).text


def test_who_may_not_act_is_offered_nothing(finance: Client, world: World) -> None:
    page = finance.get(reverse("admin:wallets_wallet_change", args=[world.wallet.pk]))

    assert action("wallets_wallet_freeze", world.wallet.pk) not in page.text


def test_a_freeze_holds_until_its_end_or_until_it_is_lifted(support: Client, world: World) -> None:
    freeze = world.frozen.freezes.get()

    for url in (
        reverse("admin:wallets_wallet_change", args=[world.frozen.pk]),
        reverse("admin:wallets_freeze_change", args=[freeze.pk]),
        reverse("admin:wallets_freeze_changelist"),
    ):
        assert "until lifted" in support.get(url).text
    support.post(action("wallets_freeze_lift_this", freeze.pk), REASON)

    assert "It was lifted on" in support.get(action("wallets_freeze_lift_this", freeze.pk)).text


def test_reactivating_is_its_own_act(support: Client, world: World) -> None:
    support.post(action("customers_customer_suspend", world.wanjiku.pk), REASON)
    support.post(action("customers_customer_reactivate", world.wanjiku.pk), REASON)

    assert fresh(world.wanjiku).state == CustomerState.ACTIVE


@pytest.mark.parametrize("form", [{}, {"reason": ""}, {"reason": "   "}, {"reason": "x" * 501}])
def test_without_a_reason_nothing_happens(support: Client, world: World, form: dict[str, str]) -> None:
    answer = support.post(action("customers_customer_suspend", world.wanjiku.pk), form)

    assert answer.status_code == 200
    assert fresh(world.wanjiku).state == CustomerState.ACTIVE


def test_a_post_without_csrf_is_refused(world: World, staff: dict[str, User]) -> None:
    strict = client_of(staff[Role.SUPPORT], enforce_csrf_checks=True)

    answer = strict.post(action("customers_customer_suspend", world.wanjiku.pk), REASON)

    assert answer.status_code == 403
    assert fresh(world.wanjiku).state == CustomerState.ACTIVE


def test_no_page_changes_anything_on_get(administrator: Client, world: World) -> None:
    """L26: nothing is written by looking but that somebody looked."""
    acts = AuditRecord.objects.filter(look=False)
    before = acts.count(), Freeze.objects.count(), Transaction.objects.count()

    for name, pk in (
        ("customers_customer_suspend", world.wanjiku.pk), ("wallets_wallet_freeze", world.wallet.pk),
        ("wallets_wallet_close", world.johns.pk), ("transactions_transaction_reverse", world.sent.pk),
        ("transactions_railmessage_close", world.odd.pk),
    ):  # fmt: skip
        query = "?reason=x&mode=both&amount=1&reason_code=fraud&note=x&step=confirm&key=abcdefghijklmnopq"
        assert administrator.get(action(name, pk) + query).status_code == 200

    assert fresh(world.odd).state == world.odd.state
    assert (acts.count(), Freeze.objects.count(), Transaction.objects.count()) == before


def test_a_frozen_wallet_refuses_and_its_pages_say_why(support: Client, world: World) -> None:
    form = {"mode": "debit", "expires_at": "2099-01-01T10:00", **REASON}
    url = action("wallets_wallet_freeze", world.wallet.pk)

    asked = support.post(url, form)
    assert "It ends in the year 2099, more than a year ahead. Send it once more" in asked.text
    assert not world.wallet.freezes.exists()
    weighed = re.search(r'name="weighed" value="([^"]+)"', asked.text)
    assert weighed
    answer = support.post(url, form | {"weighed": weighed[1]}, follow=True)
    refused = post_one(transfer(world.wallet, world.johns, 1_00))

    assert "it may not send" in answer.text
    assert "1 Jan 2099" in answer.text
    page = support.get(reverse("admin:transactions_transaction_change", args=[refused.transaction]))
    assert "The wallet may not send, or may not receive." in page.text
    assert posted(world.johns) == 1_300_00
    assert_books_balance()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"mode": "debit", "expires_at": "2001-01-01T10:00", **REASON}, "The expiry is not in the future"),
        ({"mode": "sideways", **REASON}, "Select a valid choice"),
        ({"mode": "both", "expires_at": "soon", **REASON}, "Enter a valid date"),
    ],
)
def test_a_freeze_that_cannot_be_is_explained(support: Client, world: World, form: dict[str, str], said: str) -> None:
    answer = support.post(action("wallets_wallet_freeze", world.wallet.pk), form)

    assert said in answer.text
    assert not world.wallet.freezes.exists()


def test_a_freeze_sent_twice_is_placed_once(support: Client, world: World) -> None:
    url = action("wallets_wallet_freeze", world.wallet.pk)
    key = re.search(r'name="key" value="([-0-9a-f]{36})"', support.get(url).text)
    assert key
    form = {"mode": "debit", "key": key[1], **REASON}

    answers = [support.post(url, form, follow=True).text for _ in range(2)]
    other = support.post(action("wallets_wallet_freeze", world.johns.pk), form).text

    assert all("Frozen." in answer for answer in answers)
    assert str(world.wallet.freezes.get().pk) == key[1]
    assert "This has been sent for another freeze" in other and not world.johns.freezes.exists()
    assert AuditRecord.objects.filter(action="freeze_wallet", subject_id=str(world.wallet.pk)).count() == 1


@pytest.mark.parametrize("letter", ["\u202e", "\u2066", "\u200f", "\x07"])
def test_a_reason_reads_as_it_is_written(support: Client, world: World, letter: str) -> None:
    url = action("customers_customer_suspend", world.wanjiku.pk)

    answer = support.post(url, {"reason": f"paid by {letter}nhoj, ticket 9\nsecond line"})

    assert "characters that hide or turn the text around" in answer.text
    assert fresh(world.wanjiku).state == CustomerState.ACTIVE


def test_what_is_wrong_where_nobody_sees_it_is_said(support: Client, world: World) -> None:
    url = action("transactions_transaction_reverse", world.sent.pk)
    form = {"amount": "1.00", "reason_code": "duplicate", "note": "twice", "step": "preview"}

    assert "Close it and open it again." in support.post(url, form).text
    assert "Close it and open it again." in support.post(url, form | {"key": "x" * 65}).text
    assert "Close it and open it again." not in support.post(url, form | {"key": str(uuid4())}).text


def test_only_dialogs_about_a_customer_speak_of_one(support: Client, finance: Client, world: World) -> None:
    said = "The customer does not see it."

    assert said in support.get(action("customers_customer_suspend", world.wanjiku.pk)).text
    assert said in support.get(action("wallets_wallet_freeze", world.wallet.pk)).text
    for name in ("transactions_feerule_propose", "ledger_periodclose_close_period"):
        text = finance.get(reverse(f"admin:{name}")).text
        assert "Kept in the audit trail with your name." in text and said not in text


@pytest.mark.parametrize(
    ("change", "said"),
    [({"part": "100"}, "It takes 100.00 % of every movement."), ({"effective_from": "9999-12-31"}, "in the year 9999")],
)
def test_a_fee_that_is_seldom_meant_is_asked_for_twice(
    finance: Client, world: World, change: dict[str, str], said: str
) -> None:
    day = (now() + timedelta(days=30)).date().isoformat()
    form = {"kind": "cash_out", "currency": "KES", "flat": "1", "part": "1", "effective_from": day, **REASON} | change
    url = reverse("admin:transactions_feerule_propose")

    asked = finance.post(url, form).text
    weighed = re.search(r'name="weighed" value="([^"]+)"', asked)

    assert said in asked and weighed and not Approval.objects.filter(operation="fee_rule").exists()
    finance.post(url, form | {"weighed": weighed[1]})
    assert Approval.objects.filter(operation="fee_rule").exists()


def test_one_of_several_freezes_is_lifted_from_the_wallet_or_from_its_own_page(support: Client, world: World) -> None:
    first = world.frozen.freezes.get()
    support.post(action("wallets_wallet_freeze", world.frozen.pk), {"mode": "debit", **REASON})
    second = world.frozen.freezes.exclude(pk=first.pk).get()

    support.post(action("wallets_wallet_lift", world.frozen.pk), {"freeze": first.pk, **REASON})
    assert fresh(first).lifted_at
    assert not fresh(second).lifted_at
    support.post(action("wallets_freeze_lift_this", second.pk), REASON)

    assert fresh(second).lifted_at
    assert fresh(world.frozen).status == "active"


def test_a_freeze_of_another_wallet_cannot_be_lifted_through_this_one(support: Client, world: World) -> None:
    support.post(action("wallets_wallet_freeze", world.wallet.pk), {"mode": "debit", **REASON})

    answer = support.post(
        action("wallets_wallet_lift", world.wallet.pk), {"freeze": world.frozen.freezes.get().pk, **REASON}
    )

    assert "Select a valid choice" in answer.text
    assert not world.frozen.freezes.get().lifted_at


def test_a_wallet_with_money_is_not_closed_and_an_empty_one_is(support: Client, world: World) -> None:
    refused = support.post(action("wallets_wallet_close", world.wallet.pk), REASON)
    empty = new_wallet()
    support.post(action("wallets_wallet_close", empty.pk), REASON)

    assert "The wallet is not empty" in refused.text
    assert fresh(empty).closed_at


def test_in_a_page_the_dialog_is_a_part_and_its_end_a_redirect_the_page_follows(support: Client, world: World) -> None:
    url = action("customers_customer_suspend", world.wanjiku.pk)

    shown = support.get(url, headers={"HX-Request": "true"})
    done = support.post(url, REASON, headers={"HX-Request": "true"})

    assert 'id="dialog"' in shown.text
    assert done.status_code == 200
    assert done.headers["HX-Redirect"] == reverse("admin:customers_customer_change", args=[world.wanjiku.pk])


def test_a_bug_is_not_a_message(support: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("customers.admin.suspend_customer", broken)

    with pytest.raises(ZeroDivisionError):
        support.post(action("customers_customer_suspend", world.wanjiku.pk), REASON)


def test_saving_through_the_framework_is_refused(world: World) -> None:
    one = admin.site._registry[Transaction]
    assert isinstance(one, TransactionAdmin)
    assert isinstance(one, StaffAdmin)
    for method in (one.save_model, one.delete_model, one.delete_queryset, one.save_formset, one.save_related):
        with pytest.raises(PermissionDenied):
            method(None, world.sent, None, True)  # type: ignore[call-arg, arg-type]


def test_a_movement_the_worker_gave_up_on_is_asked_about_again(support: Client, world: World) -> None:
    one = world.through_a_rail("top_up", 50_00)
    page = reverse("admin:transactions_transaction_change", args=[one.pk])
    assert "Next look" in support.get(page).text
    Transaction.objects.filter(pk=one.pk).update(quarantined_at=now())

    shown = support.get(page).text
    assert "it needs a person" in shown
    assert "Next look" not in shown
    support.post(action("transactions_transaction_release", one.pk), REASON)

    assert fresh(one).quarantined_at is None
    assert AuditRecord.objects.filter(action="release").exists()
