"""The inbox of what waits for a second person, the page of one request, and what it shows on other pages."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.timezone import now

from core.models import AuditRecord
from staff.approvals import assign, reject, request_approval
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World, client_of, member
from tests.books import assert_books_balance, posted, transfer
from tests.factories import fresh
from transactions.errors import RecipientShort
from transactions.models import Transaction
from transactions.posting import post_one
from transactions.services.reversals import reverse_transaction

Count = Callable[[Client, str], int]
INBOX = reverse("admin:staff_approval_changelist")


def page(model: str, pk: object) -> str:
    return reverse(f"admin:{model}_change", args=[pk])


def action(name: str, approval: Approval) -> str:
    return reverse(f"admin:staff_approval_{name}", args=[approval.pk])


def listed(client: Client, query: str = "") -> list[Approval]:
    response = client.get(INBOX + query)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def waiting_in_menu(client: Client) -> int:
    menu = client.get(reverse("admin:index")).context["sidebar_navigation"]
    return next(item["count"] for group in menu for item in group["items"] if item["title"] == "Approvals")


def agreed(approval: Approval, comment: str = "") -> dict[str, str]:
    return {"agreed": approval.digest, "comment": comment}


def ask(world: World, maker: User, transaction: Transaction, amount: int = 50_00) -> Approval:
    params = {"transaction": transaction.pk, "amount_minor": amount, "reason_code": "fraud"}
    return request_approval("reversal", params, maker=maker, reason="Two victims")


# --- The inbox -------------------------------------------------------------------------------------------------------


def test_the_inbox_says_what_waits_for_whom_how_long_and_about_what(checker: Client, world: World) -> None:
    text = checker.get(INBOX + "?state=open").text

    for shown in (
        "Reverse KES 100.00 of transfer", "Reversal", "Support Person", "in 2 d",
        page("transactions_transaction", world.undone.pk), "Waiting",
    ):  # fmt: skip
        assert shown in text, shown


def test_the_menu_counts_what_one_may_decide(
    support: Client, checker: Client, administrator: Client, world: World, staff: dict[str, User]
) -> None:
    ask(world, staff[Role.ADMINISTRATOR], world.sent)

    assert waiting_in_menu(support) == 0
    assert waiting_in_menu(checker) == 2
    assert waiting_in_menu(administrator) == 1
    assign(world.asked.pk, to=staff[Role.ADMINISTRATOR], actor=staff[Role.FINANCE_CHECKER])
    assert waiting_in_menu(checker) == 1
    assert waiting_in_menu(administrator) == 1


def test_the_inbox_is_cut_by_whose_it_is_kind_and_state(
    checker: Client, administrator: Client, world: World, staff: dict[str, User]
) -> None:
    own = ask(world, staff[Role.ADMINISTRATOR], world.sent)

    assert listed(administrator, "?whose=check") == [world.asked]
    assert listed(administrator, "?whose=made") == [own]
    assert listed(checker, "?whose=check") == [world.asked, own]
    assign(own.pk, to=staff[Role.FINANCE_CHECKER], actor=staff[Role.FINANCE_CHECKER])
    assert listed(checker, "?whose=assigned") == [own]
    assert listed(checker, "?operation=reversal") == [own, world.asked]
    reject(own.pk, comment="No", actor=staff[Role.FINANCE_CHECKER])
    assert listed(checker, "?state=rejected") == [own]
    assert listed(checker, "?state=open") == [world.asked]
    assert listed(checker, f"?q={world.sent.pk}") == [own]
    assert listed(checker, f"?q={own.pk}") == [own]
    assert listed(checker, f"?q={world.wallet.pk}&state=open") == [world.asked]
    assert listed(checker, "?q=nonsense") == []


def test_an_empty_inbox_says_so(checker: Client, staff: dict[str, User]) -> None:
    assert listed(checker) == []


@pytest.mark.parametrize(("hours", "tone"), [(1, "good"), (30, "odd"), (60, "bad")])
def test_age_has_a_colour(
    checker: Client, world: World, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch, hours: int, tone: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("staff.approvals.timezone.now", lambda: now() - timedelta(hours=hours))
        old = ask(world, staff[Role.SUPPORT], world.sent)

    assert f'class="badge {tone}"' in checker.get(page("staff_approval", old.pk)).text
    assert f'class="badge {tone}"' in checker.get(INBOX + f"?q={old.pk}").text


def test_the_inbox_takes_as_many_statements_for_many_requests_as_for_few(
    checker: Client, world: World, staff: dict[str, User], count: Count
) -> None:
    few = count(checker, INBOX)

    for number in range(6):
        maker = member(Role.SUPPORT, f"agent{number}")
        approval = ask(world, maker, world.send(10_00 + number), amount=1_00)
        assign(approval.pk, to=staff[Role.ADMINISTRATOR], actor=staff[Role.FINANCE_CHECKER])

    assert count(checker, INBOX) == few


# --- The page of one request -----------------------------------------------------------------------------------------


def test_a_request_shows_what_it_does_why_and_how_the_recipient_stands(checker: Client, world: World) -> None:
    text = checker.get(page("staff_approval", world.asked.pk)).text

    for shown in (
        "What it does", "Given back", "KES 100.00", "Fraud or stolen phone", "case 7, the rest of it",
        "Support Person (support)", "To weigh, as of now", "John Otieno", "KYC tier 0, active", "available",
        "Balance after", "8,800.00", "History", "Asked", "Expires in",
        page("transactions_transaction", world.undone.pk), action("approve", world.asked),
    ):  # fmt: skip
        assert shown in text, shown


def test_a_request_takes_as_many_statements_after_a_long_story(
    checker: Client, world: World, staff: dict[str, User], count: Count
) -> None:
    url = page("staff_approval", world.asked.pk)
    few = count(checker, url)

    for _ in range(4):
        assign(world.asked.pk, to=staff[Role.FINANCE_CHECKER], actor=staff[Role.FINANCE_CHECKER])
        assign(world.asked.pk, to=None, actor=staff[Role.FINANCE_CHECKER])
    for _ in range(5):
        world.send()
    assign(world.asked.pk, to=staff[Role.FINANCE_CHECKER], actor=staff[Role.FINANCE_CHECKER])

    assert count(checker, url) == few


def test_who_asked_sees_why_they_cannot_decide_and_can_withdraw(
    administrator: Client, world: World, staff: dict[str, User]
) -> None:
    own = ask(world, staff[Role.ADMINISTRATOR], world.sent)

    text = administrator.get(page("staff_approval", own.pk)).text
    dialog = administrator.get(action("approve", own)).text
    sent = administrator.post(action("approve", own), agreed(own)).text

    assert "You asked for this yourself, so somebody else decides." in text
    assert f'not-now" href="{action("approve", own)}"' in text
    for answer in (dialog, sent):
        assert "You asked for this yourself, so somebody else decides. You can withdraw it." in answer
    assert fresh(own).state == "open"
    answer = administrator.post(action("withdraw", own), {"comment": "Wrong one"}, follow=True)
    assert "Withdrawn." in answer.text
    assert fresh(own).state == "withdrawn"


def test_a_colleague_approves_in_a_dialog_and_it_is_posted(
    checker: Client, world: World, staff: dict[str, User]
) -> None:
    before = posted(world.wallet), posted(world.johns)
    dialog = checker.get(action("approve", world.asked))
    assert "What it does" in dialog.text
    assert (posted(world.wallet), posted(world.johns)) == before

    answer = checker.post(action("approve", world.asked), agreed(world.asked, "Seen the report"), follow=True)

    assert "Approved and done." in answer.text
    assert (posted(world.wallet), posted(world.johns)) == (before[0] + 100_00, before[1] - 100_00)
    reversal = Transaction.objects.get(pk=fresh(world.asked).result["id"])
    assert (reversal.caller, reversal.amount, reversal.reverses) == (
        staff[Role.SUPPORT].principal, 100_00, world.undone,
    )  # fmt: skip
    assert page("transactions_transaction", reversal.pk) in answer.text
    assert "Seen the report" in answer.text
    undoing = checker.get(page("transactions_transaction", reversal.pk)).text
    assert "Approved by" in undoing
    assert page("staff_approval", world.asked.pk) in undoing
    record = AuditRecord.objects.filter(action="reverse").first()
    assert (record.actor, record.after["approved_by"]) == (
        staff[Role.SUPPORT].principal,
        staff[Role.FINANCE_CHECKER].principal,
    )
    assert_books_balance()


@pytest.mark.parametrize("form", [{}, {"comment": "fine"}, {"comment": "fine", "agreed": "0" * 64}])
def test_nothing_is_approved_unseen(checker: Client, world: World, form: dict[str, str]) -> None:
    checker.post(action("approve", world.asked), form)

    assert fresh(world.asked).state == "open"


@pytest.mark.parametrize("comment", ["", "   "])
def test_a_rejection_without_a_word_is_refused(checker: Client, world: World, comment: str) -> None:
    answer = checker.post(action("reject", world.asked), {"comment": comment})

    assert "This field is required" in answer.text
    assert fresh(world.asked).state == "open"


def test_a_rejection_is_read_by_who_asked(checker: Client, support: Client, world: World) -> None:
    checker.post(action("reject", world.asked), {"comment": "The recipient disagrees"})

    text = support.get(page("staff_approval", world.asked.pk)).text

    assert fresh(world.asked).state == "rejected"
    assert "The recipient disagrees" in text
    assert action("approve", world.asked) not in text
    assert "It was rejected on" in checker.get(action("approve", world.asked)).text


def test_a_request_that_no_longer_fits_shows_both_and_is_not_approved(
    checker: Client, world: World, staff: dict[str, User]
) -> None:
    reverse_transaction(
        world.undone.pk,
        amount=50_00,
        reason_code="fraud",
        actor=staff[Role.SUPPORT],
        idempotency_key="quicker-12345678",
    )

    text = checker.get(page("staff_approval", world.asked.pk)).text
    dialog = checker.get(action("approve", world.asked)).text
    sent = checker.post(action("approve", world.asked), agreed(world.asked)).text

    for shown in (text, dialog):
        assert "What was asked for" in shown
        assert "What it would do now" in shown
        assert "KES 200.00" in shown  # left to reverse, as it was
        assert "KES 150.00" in shown  # and as it is
    assert "Things have changed since this was asked for" in text
    assert "Things have changed since this was asked for" in sent
    assert fresh(world.asked).state == "open"
    assert fresh(world.undone).reversed_amount == 250_00
    assert AuditRecord.objects.get(action="approval_refused").after["code"] == "approval_stale"
    assert_books_balance()


def test_other_movements_on_the_same_wallets_do_not_make_it_stale(checker: Client, world: World) -> None:
    world.send()

    checker.post(action("approve", world.asked), agreed(world.asked))

    assert fresh(world.asked).state == "approved"


def test_a_recipient_who_spent_it_meanwhile_is_told_and_the_request_stays(checker: Client, world: World) -> None:
    post_one(transfer(world.johns, world.wallet, posted(world.johns))).or_raise()

    text = checker.get(page("staff_approval", world.asked.pk)).text
    answer = checker.post(action("approve", world.asked), agreed(world.asked))

    assert "It cannot be done at the moment" in text
    assert "The recipient no longer has this much" in answer.text
    assert fresh(world.asked).state == "open"
    assert not Transaction.objects.filter(idempotency_key__startswith="approval-").exists()
    kept: Any = AuditRecord.objects.get(action="approval_refused").after
    assert kept["detail"] == RecipientShort.for_customer, "which is not for staff"
    history = strip_tags(checker.get(page("staff_approval", world.asked.pk)).text)
    assert "Tried, and was refused" in history
    assert re.search(rf"{RecipientShort.title}\s+recipient_short", history)
    assert kept["detail"] not in history
    assert_books_balance()


def test_it_is_taken_and_assigned_in_dialogs(checker: Client, world: World, staff: dict[str, User]) -> None:
    checker.post(action("take", world.asked), {"confirmed": "yes"})
    assert fresh(world.asked).assigned_to == staff[Role.FINANCE_CHECKER]

    offered = checker.get(action("assign", world.asked)).context["form"].offered
    assert {one.role for one in offered.values()} == {Role.SENIOR_SUPPORT, Role.FINANCE_CHECKER, Role.ADMINISTRATOR}
    checker.post(action("assign", world.asked), {"to": staff[Role.ADMINISTRATOR].pk})
    assert fresh(world.asked).assigned_to == staff[Role.ADMINISTRATOR]
    refused = checker.post(action("assign", world.asked), {"to": staff[Role.SUPPORT].pk})
    assert "Select a valid choice" in refused.text
    checker.post(action("assign", world.asked), {"to": "nobody"})
    assert fresh(world.asked).assigned_to is None


def test_support_asks_and_does_not_decide(support: Client, world: World) -> None:
    assert support.get(page("staff_approval", world.asked.pk)).status_code == 200
    for name in ("approve", "reject", "take", "assign"):
        assert support.post(action(name, world.asked), agreed(world.asked, "me")).status_code == 403
    assert fresh(world.asked).state == "open"


def test_a_request_of_somebody_else_is_not_withdrawn(checker: Client, world: World) -> None:
    answer = checker.post(action("withdraw", world.asked), {"comment": "x"})

    assert "Only who asked for it withdraws it" in answer.text
    assert fresh(world.asked).state == "open"


def test_the_box_on_top_finds_a_request_by_its_id(checker: Client, world: World) -> None:
    answer = checker.get(reverse("admin:search"), {"q": str(world.asked.pk)})

    assert answer.headers["Location"] == page("staff_approval", world.asked.pk)


# --- On the pages of what it is about --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("transactions_transaction", "undone"), ("wallets_wallet", "wallet"), ("wallets_wallet", "johns"),
        ("customers_customer", "wanjiku"), ("customers_customer", "john"),
    ],
)  # fmt: skip
def test_a_request_shows_on_whatever_it_is_about(
    support: Client, world: World, staff: dict[str, User], model: str, name: str
) -> None:
    url = page(model, getattr(world, name).pk)

    waiting = support.get(url)
    reject(world.asked.pk, comment="No", actor=staff[Role.FINANCE_CHECKER])
    decided = support.get(url)

    assert "Waiting for approval since" in str(waiting.context["notices"])
    assert "asked for by Support Person" in str(waiting.context["notices"])
    assert page("staff_approval", world.asked.pk) in waiting.text
    assert decided.context["notices"] == []
    assert "Rejected" in decided.text


def test_a_request_does_not_show_elsewhere(support: Client, world: World) -> None:
    response = support.get(page("transactions_transaction", world.sent.pk))

    assert response.context["notices"] == []
    assert page("staff_approval", world.asked.pk) not in response.text


def test_what_is_written_into_a_request_is_text(world: World, staff: dict[str, User], checker: Client) -> None:
    params: dict[str, Any] = {"transaction": world.sent.pk, "amount_minor": 1_00, "reason_code": "fraud"}
    evil = request_approval("reversal", params, maker=staff[Role.SUPPORT], reason="<script>x</script>")

    for url in (page("staff_approval", evil.pk), INBOX, page("transactions_transaction", world.sent.pk)):
        assert "<script>x" not in client_of(staff[Role.FINANCE_CHECKER]).get(url).text
