"""Reversing: first what it would do, then exactly that; a refusal says why and nothing moves."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from core.money import EXPONENTS
from ledger.selectors import legs_of
from recalls.services import open_recall
from staff.errors import ApprovalNeeded
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World
from tests.books import assert_books_balance, posted, transfer
from tests.factories import fresh
from tests.racing import at_once
from transactions.authority import REVERSES_ALONE
from transactions.models import ReversalReason, Transaction
from transactions.posting import post_one
from transactions.services.reversals import reverse_transaction
from wallets.services import freeze_wallet

WHY = {"reason_code": "wrong_recipient", "note": "read out the receipt"}


def url(transaction: Transaction) -> str:
    return reverse("admin:transactions_transaction_reverse", args=[transaction.pk])


def opened(client: Client, transaction: Transaction, **fields: str) -> dict[str, str]:
    """The dialog as it comes, with what an agent types."""
    form = client.get(url(transaction)).context["form"]
    return {"amount": form["amount"].initial, "key": form["key"].initial, "agreed": "", **WHY, **fields}


def previewed(client: Client, transaction: Transaction, **fields: str) -> tuple[Any, dict[str, str]]:
    typed = opened(client, transaction, **fields)
    answer = client.post(url(transaction), {**typed, "step": "preview"})
    return answer, {**typed, "agreed": answer.context["form"].data["agreed"]}


def test_the_dialog_offers_all_that_is_left(support: Client, world: World) -> None:
    answer = support.get(url(world.undone))

    assert answer.context["form"]["amount"].initial == "300.00"
    assert "KES 300.00 of it can still be reversed" in answer.text


def test_a_preview_shows_lines_and_balances_and_posts_nothing(support: Client, world: World) -> None:
    before = Transaction.objects.count(), posted(world.wallet), posted(world.johns)

    answer, _ = previewed(support, world.sent, amount="400")

    for shown in (
        "What will be posted",
        "400.00",
        "900.00",
        "9,100.00",
        "600.00",
        "can be reversed afterwards",
        "no fee",
    ):
        assert shown in answer.text, shown
    assert "Reverse KES 400.00" in answer.text
    assert (Transaction.objects.count(), posted(world.wallet), posted(world.johns)) == before


def test_confirming_posts_what_was_previewed_and_the_page_tells_it(
    support: Client, world: World, staff: dict[str, User]
) -> None:
    _, agreed = previewed(support, world.sent, amount="400.00")

    answer = support.post(url(world.sent), {**agreed, "step": "confirm"}, follow=True)

    assert "Reversed." in answer.text
    assert fresh(world.sent).state == "partially_reversed"
    assert posted(world.wallet) == 9_100_00
    assert posted(world.johns) == 900_00
    assert "Completed → partially reversed" in answer.text
    assert "read out the receipt" in answer.text
    record = AuditRecord.objects.get(action="reverse", subject_id=str(world.sent.pk))
    assert (record.actor, record.reason) == (staff[Role.SUPPORT].principal, WHY["note"])
    assert record.after["amount_minor"] == 400_00
    assert_books_balance()


def test_confirming_without_a_preview_shows_one_instead(support: Client, world: World) -> None:
    answer = support.post(url(world.sent), {**opened(support, world.sent), "step": "confirm"})

    assert "The figures have changed since the preview" in answer.text
    assert fresh(world.sent).state == "completed"


@pytest.mark.parametrize("changed", [{"amount": "401"}, {"reason_code": "customer_request"}])
def test_what_was_changed_after_the_preview_is_shown_again(
    support: Client, world: World, changed: dict[str, str]
) -> None:
    _, agreed = previewed(support, world.sent, amount="400")

    answer = support.post(url(world.sent), {**agreed, **changed, "step": "confirm"})

    assert "The figures have changed since the preview" in answer.text
    assert fresh(world.sent).state == "completed"


def test_a_colleague_who_was_quicker_changes_the_figures(support: Client, world: World, staff: dict[str, User]) -> None:
    _, agreed = previewed(support, world.sent, amount="400")
    reverse_transaction(
        world.sent.pk, amount=100_00, reason_code="fraud", note="me first", actor=staff[Role.ADMINISTRATOR],
        idempotency_key="quicker-than-you-1",
    )  # fmt: skip

    answer = support.post(url(world.sent), {**agreed, "step": "confirm"})

    assert "The figures have changed since the preview" in answer.text
    assert fresh(world.sent).reversed_amount == 100_00
    assert_books_balance()


def test_the_same_dialog_sent_twice_reverses_once(support: Client, world: World) -> None:
    _, agreed = previewed(support, world.sent, amount="400")

    support.post(url(world.sent), {**agreed, "step": "confirm"})
    support.post(url(world.sent), {**agreed, "step": "confirm"})

    assert fresh(world.sent).reversed_amount == 400_00
    assert AuditRecord.objects.filter(action="reverse", subject_id=str(world.sent.pk)).count() == 1
    assert_books_balance()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"amount": "1000.01"}, "More than what is left of the original"),
        ({"amount": "0"}, "above zero"),
        ({"amount": "-5"}, "above zero"),
        ({"amount": "1.005"}, "KES has 2 decimals"),
        ({"amount": "a lot"}, "is not an amount of money"),
        ({"amount": "1e3"}, "is not an amount of money"),
        ({"amount": ""}, "This field is required"),
        ({"note": " "}, "This field is required"),
        ({"reason_code": ""}, "This field is required"),
        ({"reason_code": "because"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_explained_and_nothing_moves(
    support: Client, world: World, fields: dict[str, str], said: str
) -> None:
    before = posted(world.wallet), Transaction.objects.count()
    typed = opened(support, world.sent, **fields)

    for step in ("preview", "confirm"):
        answer = support.post(url(world.sent), {**typed, "step": step})
        assert said in answer.text

    assert (posted(world.wallet), Transaction.objects.count()) == before


def test_thousands_may_be_written_with_commas(support: Client, world: World) -> None:
    answer, _ = previewed(support, world.sent, amount="1,000.00")

    assert "Reverse KES 1,000.00" in answer.text


def test_a_recipient_who_spent_it_is_told_with_what_is_missing(support: Client, world: World) -> None:
    post_one(transfer(world.johns, world.wallet, 1_200_00)).or_raise()

    answer, agreed = previewed(support, world.sent)
    insisting = support.post(url(world.sent), {**agreed, "step": "confirm"})
    instead = support.post(url(world.sent), {**agreed, "step": "take:100.00"})

    assert "Preview KES 100.00 instead" in answer.text
    assert "Reverse KES 100.00" in instead.text
    assert instead.context["form"]["amount"].value() == "100.00"
    assert "The recipient lacks" in answer.text
    assert "900.00" in answer.text
    assert "Reverse KES" not in answer.text
    assert "The recipient no longer has this much" in insisting.text
    assert posted(world.johns) == 100_00
    assert_books_balance()


def test_where_nothing_is_left_to_take_none_is_offered(support: Client, world: World) -> None:
    post_one(transfer(world.johns, world.wallet, 1_300_00)).or_raise()

    answer, _ = previewed(support, world.sent)

    assert "The recipient has nothing that could be taken." in answer.text
    assert "instead" not in answer.text


def test_what_is_not_reversible_keeps_its_button_which_says_why(
    support: Client, world: World, staff: dict[str, User]
) -> None:
    reverse_transaction(
        world.undone.pk, reason_code="fraud", actor=staff[Role.SUPPORT], idempotency_key="reverse-the-rest-1"
    )
    before = Transaction.objects.count()

    for one, why in (
        (world.refused, "This transfer was refused. No money has moved, so there is none to give back."),
        (world.undone, "All of it, KES 500.00, has gone back to the payer already."),
        (world.undone.reversals.first(), "A reversal is not reversed."),
        (world.through_a_rail("cash_out", 1_00), "A cash-out went through a bank or partner"),
    ):
        page = support.get(reverse("admin:transactions_transaction_change", args=[one.pk]))
        assert f'not-now" href="{url(one)}"' in page.text
        for answer in (support.get(url(one)), support.post(url(one), {**WHY, "amount": "1", "step": "confirm"})):
            assert why in answer.text
            assert "can still be reversed" not in answer.text

    assert Transaction.objects.count() == before + 1  # the cash-out
    assert_books_balance()


def test_freezes_do_not_stop_it_and_a_reason_no_longer_in_use_does(support: Client, world: World) -> None:
    freeze_wallet(world.johns, mode="both", reason="fraud", actor=None)
    _, agreed = previewed(support, world.sent, amount="100")
    support.post(url(world.sent), {**agreed, "step": "confirm"})
    assert fresh(world.sent).reversed_amount == 100_00

    ReversalReason.objects.filter(pk="wrong_recipient").update(is_active=False)
    answer = support.post(url(world.sent), {**agreed, "step": "confirm", "key": "another-key-123456"})

    assert "Select a valid choice" in answer.text
    assert fresh(world.sent).reversed_amount == 100_00


# --- Above what the role gives back alone ----------------------------------------------------------------------------


@pytest.fixture
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Support gives back 300 KES of one transaction alone."""
    monkeypatch.setitem(REVERSES_ALONE[Role.SUPPORT], "KES", 300_00)


@pytest.mark.usefixtures("_little")
def test_above_the_roles_limit_a_second_person_is_asked_and_posts_what_was_previewed(
    support: Client, checker: Client, world: World, staff: dict[str, User]
) -> None:
    before = posted(world.wallet), posted(world.johns), Transaction.objects.count()

    shown, agreed = previewed(support, world.sent, amount="400.00")
    asked = support.post(url(world.sent), {**agreed, "step": "confirm"}, follow=True)

    assert "This will ask for a second person." in shown.text
    assert "Your role gives back at most KES 300.00 of one transaction alone." in shown.text
    assert "Ask for approval of KES 400.00" in shown.text
    assert "Asked for." in asked.text
    assert "Waiting for approval since" in asked.text
    assert (posted(world.wallet), posted(world.johns), Transaction.objects.count()) == before
    approval = Approval.objects.get(subject_id=str(world.sent.pk))
    assert (approval.maker, approval.reason, approval.state) == (staff[Role.SUPPORT], WHY["note"], "open")

    page = reverse("admin:staff_approval_approve", args=[approval.pk])
    done = checker.post(page, {"agreed": approval.digest, "comment": ""}, follow=True)

    assert "Approved and done." in done.text
    assert (posted(world.wallet), posted(world.johns)) == (before[0] + 400_00, before[1] - 400_00)
    assert fresh(world.sent).reversed_amount == 400_00
    reversal = world.sent.reversals.get()
    promised = {(leg["account"], leg["side"], leg["amount_minor"]) for leg in approval.preview["legs"]}
    sides = {1: "debit", -1: "credit"}
    assert {(leg.code, sides[leg.side], leg.amount) for leg in legs_of(reversal.pk)} == promised
    record = AuditRecord.objects.get(action="reverse", subject_id=str(world.sent.pk))
    assert (record.actor, record.after["approved_by"]) == (
        staff[Role.SUPPORT].principal,
        staff[Role.FINANCE_CHECKER].principal,
    )
    assert_books_balance()


@pytest.mark.usefixtures("_little")
def test_up_to_the_limit_it_is_one_step_and_parts_come_to_no_more(support: Client, world: World) -> None:
    _, agreed = previewed(support, world.sent, amount="300")
    support.post(url(world.sent), {**agreed, "step": "confirm"})
    assert fresh(world.sent).reversed_amount == 300_00

    shown, agreed = previewed(support, world.sent, amount="0.01")
    support.post(url(world.sent), {**agreed, "step": "confirm"})

    assert "This will ask for a second person." in shown.text
    assert fresh(world.sent).reversed_amount == 300_00
    assert Approval.objects.filter(subject_id=str(world.sent.pk)).count() == 1
    assert_books_balance()


@pytest.mark.usefixtures("_little")
def test_the_service_itself_refuses_what_needs_a_second_person(world: World, staff: dict[str, User]) -> None:
    before = posted(world.wallet)
    asked = {"reason_code": "fraud", "idempotency_key": "around-the-door-1"}

    with pytest.raises(ApprovalNeeded):
        reverse_transaction(world.sent.pk, amount=300_01, actor=staff[Role.SUPPORT], **asked)
    with pytest.raises(ApprovalNeeded):  # finance is not on the list: nothing alone
        reverse_transaction(world.sent.pk, amount=1, actor=staff[Role.FINANCE], **asked)

    assert posted(world.wallet) == before
    reverse_transaction(world.sent.pk, amount=300_01, actor=staff[Role.ADMINISTRATOR], **asked)
    assert posted(world.wallet) == before + 300_01
    assert_books_balance()


@pytest.mark.usefixtures("_little")
@pytest.mark.django_db(transaction=True)
def test_two_parts_at_once_come_to_no_more_than_the_limit(world: World, staff: dict[str, User]) -> None:
    def part(number: int) -> str:
        try:
            reverse_transaction(
                world.sent.pk, amount=200_00, reason_code="fraud", actor=staff[Role.SUPPORT],
                idempotency_key=f"part-{number}-1234567890",
            )  # fmt: skip
        except ApprovalNeeded:
            return "needs another"
        return "done"

    assert sorted(at_once([lambda n=n: part(n) for n in range(3)])) == ["done", "needs another", "needs another"]
    assert fresh(world.sent).reversed_amount == 200_00
    assert_books_balance()


@pytest.mark.usefixtures("_little")
@pytest.mark.parametrize("key", ["approval-zzzz-1234567890", "approval-{approved}", "reverse-{approved}", ""])
def test_a_browser_does_not_choose_what_a_reversal_is_called(
    support: Client, checker: Client, world: World, key: str
) -> None:
    checker.post(
        reverse("admin:staff_approval_approve", args=[world.asked.pk]), {"agreed": world.asked.digest, "comment": ""}
    )
    assert fresh(world.asked).state == "approved"
    _, agreed = previewed(support, world.sent, amount="100")

    chosen = agreed | {"key": key.format(approved=world.asked.pk), "step": "confirm"}
    answer = support.post(url(world.sent), chosen)

    assert "Something that this dialog carries unseen is missing or wrong" in answer.text
    assert fresh(world.sent).reversed_amount == 0


@pytest.mark.usefixtures("_little")
def test_the_id_of_a_request_as_a_key_is_a_key_like_others(support: Client, checker: Client, world: World) -> None:
    checker.post(
        reverse("admin:staff_approval_approve", args=[world.asked.pk]), {"agreed": world.asked.digest, "comment": ""}
    )
    approved = Transaction.objects.get(pk=fresh(world.asked).result["id"])
    _, agreed = previewed(support, world.sent, amount="300")

    support.post(url(world.sent), agreed | {"key": str(world.asked.pk), "step": "confirm"})

    alone = Transaction.objects.get(reverses=world.sent.pk)
    assert alone.idempotency_key == f"reverse-{world.asked.pk}"
    page = "admin:transactions_transaction_change"
    assert "Approved by" not in support.get(reverse(page, args=[alone.pk])).text
    assert "Approved by" in support.get(reverse(page, args=[approved.pk])).text
    shown, _ = previewed(support, world.sent, amount="0.01")
    assert "This will ask for a second person." in shown.text
    assert_books_balance()


@pytest.mark.usefixtures("_little")
def test_what_waits_is_not_asked_for_twice(support: Client, world: World) -> None:
    _, agreed = previewed(support, world.sent, amount="400")
    support.post(url(world.sent), {**agreed, "step": "confirm"})

    again = support.post(url(world.sent), {**agreed, "step": "confirm"})

    assert "This has been asked for already" in again.text
    assert Approval.objects.filter(subject_id=str(world.sent.pk)).count() == 1


@pytest.mark.usefixtures("_little")
def test_after_an_approved_one_the_role_still_has_its_own(support: Client, checker: Client, world: World) -> None:
    _, agreed = previewed(support, world.sent, amount="400")
    support.post(url(world.sent), {**agreed, "step": "confirm"})
    approval = Approval.objects.get(subject_id=str(world.sent.pk))
    checker.post(
        reverse("admin:staff_approval_approve", args=[approval.pk]), {"agreed": approval.digest, "comment": ""}
    )

    shown, agreed = previewed(support, world.sent, amount="300")
    support.post(url(world.sent), {**agreed, "step": "confirm"})

    assert "second person" not in shown.text
    assert fresh(world.sent).reversed_amount == 700_00
    assert_books_balance()


def test_every_currency_has_a_limit_and_supports_is_the_smaller() -> None:
    for limits in REVERSES_ALONE.values():
        assert set(limits) == set(EXPONENTS)
    small, large = REVERSES_ALONE[Role.SUPPORT], REVERSES_ALONE[Role.ADMINISTRATOR]
    assert all(0 < small[currency] < large[currency] for currency in EXPONENTS)


# --- What stands in the way ------------------------------------------------------------------------------------------


def test_a_freeze_by_order_is_shown_and_takes_two(support: Client, checker: Client, world: World) -> None:
    freeze_wallet(world.johns, mode="both", cause="ordered", reason="court order 12/2026", actor=None)

    shown, agreed = previewed(support, world.sent, amount="100")
    support.post(url(world.sent), {**agreed, "step": "confirm"})

    assert "The recipient&#x27;s wallet is frozen." in shown.text or "The recipient's wallet is frozen." in shown.text
    assert "court order 12/2026" in shown.text and "This will ask for a second person." in shown.text
    assert fresh(world.sent).reversed_amount == 0
    approval = Approval.objects.get(subject_id=str(world.sent.pk))
    page = checker.get(reverse("admin:staff_approval_change", args=[approval.pk])).text
    assert "a court or authority ordered it: court order 12/2026" in page


def test_earlier_rejections_are_on_the_request(support: Client, checker: Client, world: World) -> None:
    reject = reverse("admin:staff_approval_reject", args=[world.asked.pk])
    checker.post(reject, {"comment": "The case is not proven."})

    shown, agreed = previewed(support, world.undone, amount="1")
    support.post(url(world.undone), {**agreed, "step": "confirm"})

    assert "A colleague has rejected to give it back, or some of it." in shown.text
    approval = Approval.objects.get(subject_id=str(world.undone.pk), state="open")
    page = checker.get(reverse("admin:staff_approval_change", args=[approval.pk])).text
    for said in ("Rejected on", "The case is not proven.", "Reverse KES 100.00", "Given back alone so far"):
        assert said in page, said
    assert fresh(world.undone).reversed_amount == 200_00


def test_an_open_recall_is_in_the_way_and_a_click_away(support: Client, world: World, staff: dict[str, User]) -> None:
    _, agreed = previewed(support, world.sent, amount="100")
    recall = open_recall(
        world.sent.pk, amount=50_00, reason_code="wrong_recipient", note="ticket 10", actor=staff[Role.SUPPORT]
    )
    page = reverse("admin:recalls_recall_change", args=[recall.pk])

    for answer in (support.get(url(world.sent)), support.post(url(world.sent), {**agreed, "step": "confirm"})):
        assert "A recall of this payment is open: answer or withdraw it first" in answer.text
        assert f'href="{page}"' in answer.text
    assert fresh(world.sent).reversed_amount == 0
    assert_books_balance()
