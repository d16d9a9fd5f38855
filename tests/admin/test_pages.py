"""The pages that tell a story: what is on them, and that they cost the same however long the story is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape, strip_tags
from django.utils.timezone import now

from customers.models import TierLimit
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, client_of, posted_as
from tests.books import assert_books_balance, fund, transfer
from tests.factories import new_wallet
from transactions import tariff
from transactions.admin.refusals import explain
from transactions.admin.shown import receipt_shown
from transactions.admin.timeline import Moment
from transactions.models import RailCall, RailMessage, Transaction
from transactions.posting import post_one
from transactions.services.reversals import reverse_transaction
from transactions.services.settling import settle
from wallets.parties import Address
from wallets.services import freeze_wallet

Count = Callable[[Client, str], int]


def page(model: str, pk: object) -> str:
    return reverse(f"admin:{model}_change", args=[pk])


def moments(client: Client, transaction: Transaction) -> list[str]:
    return [strip_tags(one.title) for one in told(client.get(page("transactions_transaction", transaction.pk)))]


def told(response: Any) -> list[Moment]:
    panels = {panel.title: panel for panel in response.context["panels"]}
    return list(panels["What happened"].context["moments"])


# --- Customer and wallet ----------------------------------------------------------------------------------------


def test_a_customers_page_shows_who_they_are_what_they_hold_and_what_happened(support: Client, world: World) -> None:
    text = support.get(page("customers_customer", world.wanjiku.pk)).text

    for shown in (
        "+2547•••678", "w•••@example.com", "Kenya", "KES wallet", "USD wallet", "8,700.00", "Limits of tier 0",
        "Tekana for Android", "stolen phone", "Recent activity", "John Otieno",
        explain(world.refused.refusal_code).title, "Audit trail", f"?customer={world.wanjiku.pk}",
    ):  # fmt: skip
        assert shown in text, shown


def test_a_wallets_page_shows_balances_entries_with_running_balance_and_its_freezes(
    support: Client, world: World
) -> None:
    text = support.get(page("wallets_wallet", world.wallet.pk)).text
    frozen = support.get(page("wallets_wallet", world.frozen.pk)).text

    for shown in ("8,700.00", "10,000.00", "Wanjiku Kamau", "Entries", "Under way and refused"):
        assert shown in text, shown
    entries = text[text.index('id="entries"') : text.index('id="under-way-and-refused"')]
    for shown in (receipt_shown(world.sent.receipt), "John Otieno", "rent", "Transfer", "sandbox"):
        assert shown in entries, shown
    freeze = support.get(page("wallets_freeze", world.frozen.freezes.get().pk)).text
    assert ">USD wallet of Wanjiku Kamau</a>" in freeze
    assert "it neither sends nor receives" in frozen
    assert "stolen phone" in frozen
    assert "Support Person (support)" in frozen


def test_what_is_held_is_shown_with_what_it_is_for(support: Client, world: World) -> None:
    cash_out = world.through_a_rail("cash_out", 100_00)

    text = support.get(page("wallets_wallet", world.wallet.pk)).text
    waiting = support.get(page("transactions_transaction", cash_out.pk)).text

    assert "Held" in text
    assert "150.00" in text  # with its fee
    assert "•••405" in waiting
    assert "Held in the wallet" in waiting
    assert "Placed" in waiting


def test_a_cash_out_says_where_its_money_is_in_each_state(support: Client, world: World) -> None:
    cash_out = world.through_a_rail("cash_out", 100_00)
    held = "KES 150.00, the fee included, is held until the bank answers."

    def said() -> str:
        return support.get(page("transactions_transaction", cash_out.pk)).text

    assert f"Nothing is posted yet. {held}" in said()
    settle(cash_out.pk, to="processing", actor="job:rail_calls")
    assert held in said()
    assert "The bank may have paid." not in said()
    settle(cash_out.pk, to="unknown", actor="job:rail_calls")
    assert f"{held} The bank may have paid." in said()
    settle(cash_out.pk, to="failed", actor="rail:sandbox", refusal_code="rail_refused")
    assert "Nothing was posted: no money has moved." in said()
    assert "Voided" in said()
    assert_books_balance()


def test_a_top_up_under_way_promises_nothing_that_is_held(support: Client, world: World) -> None:
    text = support.get(page("transactions_transaction", world.through_a_rail("top_up", 50_00).pk)).text

    assert "The customer is credited when the bank or partner says that it has the money." in text
    assert "Held in the wallet" not in text


@pytest.mark.parametrize("model", ["customers_customer", "wallets_wallet"])
def test_a_page_takes_as_many_statements_for_a_long_history_as_for_a_short_one(
    administrator: Client, world: World, staff: dict[str, User], count: Count, model: str
) -> None:
    url = page(model, world.wanjiku.pk if model.startswith("customers") else world.wallet.pk)
    few = count(administrator, url)

    for _ in range(6):
        world.send()
        world.send(90_000_00)
        freeze_wallet(world.frozen, mode="debit", reason="again", actor=staff[Role.SUPPORT])
    fund(new_wallet(world.wanjiku, "EUR"), 5_00)

    assert count(administrator, url) == few


# --- Transaction ------------------------------------------------------------------------------------------------


def test_a_transfers_page_tells_request_verdicts_state_legs_and_who_was_told(support: Client, world: World) -> None:
    text = support.get(page("transactions_transaction", world.sent.pk)).text

    receipt = world.sent.receipt
    for shown in (
        f"{receipt[:3]} {receipt[3:6]} {receipt[6:]}", "Wanjiku Kamau", "John Otieno", "Request received",
        world.sent.idempotency_key, "INV-2026-77", "rent", "Completed", "Wallets are usable", "this movement",
        "this movement", "Entries in the books", "Total", "Told", "Email pending",
    ):  # fmt: skip
        assert shown in text, shown
    assert moments(support, world.sent)[:2] == ["Request received", "Completed"]


def test_a_reversal_is_told_on_both_pages_and_linked_both_ways(support: Client, world: World) -> None:
    reversal = world.undone.reversals.get()

    original, undoing = (support.get(page("transactions_transaction", one.pk)).text for one in (world.undone, reversal))

    assert page("transactions_transaction", reversal.pk) in original
    assert page("transactions_transaction", world.undone.pk) in undoing
    told = ("Support Person (support)", "case 7", "Given back: KES 300.00 left", "Completed → partially reversed")
    for shown in told:
        assert shown in original, shown
    for text in (original, undoing):
        assert 'Fraud or stolen phone <span class="muted small">fraud</span>' in text


def test_a_refused_one_says_why_and_what_can_be_done(support: Client, world: World) -> None:
    text = support.get(page("transactions_transaction", world.refused.pk)).text
    why = explain(world.refused.refusal_code)

    assert "Why was it refused?" in text
    for said in (why.meaning, why.look, why.tell):
        assert escape(said) in text
    assert f'data-copy="{escape(why.customer)}"' in text
    assert "Nothing was posted" in text


def test_nobody_found_is_not_outside_and_the_page_says_whom_they_asked_for(support: Client, world: World) -> None:
    lost = {"payee": Address("phone", "+250788000001")}
    refused = posted_as(replace(transfer(world.wallet, world.johns, 1_00), **lost))

    text = support.get(page("transactions_transaction", refused.pk)).text
    lists = [
        support.get(url).text
        for url in (
            reverse("admin:transactions_transaction_changelist"),
            page("customers_customer", world.wanjiku.pk),
            page("wallets_wallet", world.wallet.pk),
        )
    ]

    assert refused.refusal_code == "recipient_not_found"
    assert "→ nobody found" in text
    assert "phone +2507•••001" in text
    for shown in lists:
        assert "nobody found" in shown


def test_we_refuse_not_the_customer(support: Client, world: World) -> None:
    response = support.get(page("transactions_transaction", world.refused.pk))
    refused = told(response)[-1]

    assert refused.title.startswith("Refused: ")
    assert refused.by == ""


@pytest.fixture
def two_thousand_a_day(db: None) -> Iterator[None]:
    TierLimit.objects.create(
        currency="KES", tier=0, country_id="KE", per_day=2_000_00, effective_from=now().date(), source="test"
    )
    tariff.forget()
    yield
    tariff.forget()


@pytest.mark.usefixtures("two_thousand_a_day")
def test_the_policy_that_refused_is_among_those_that_were_asked(support: Client, world: World) -> None:
    refused = world.send(600_00)  # 1,500 have left the wallet already

    event = told(support.get(page("transactions_transaction", refused.pk)))[-1]
    facts = {label: strip_tags(str(value)) for label, value in event.facts}

    assert refused.refusal_code == "limit_exceeded"
    assert facts["Wallets are usable"] == "Ok"
    assert facts["Within limits"] == "Refused"
    assert (facts["Limit, that day"], facts["Left, that day"]) == ("KES 2,000.00", "KES 500.00")


def test_a_call_whose_worker_was_lost_says_so_and_one_under_way_does_not(
    support: Client, world: World, settings: Any
) -> None:
    one = world.through_a_rail("top_up", 50_00)
    settle(one.pk, to="processing", actor="job:rail_calls")
    call = RailCall.objects.create(transaction=one, number=1, purpose="submit")

    def texts() -> list[str]:
        response = support.get(page("transactions_transaction", one.pk))
        return [moment.text for moment in told(response) if "call 1" in str(moment.title)]

    assert texts() == ["No answer yet."]
    settings.RAIL_LEASE_SECONDS = 0
    assert texts() == ["No outcome: the worker was lost."]
    RailCall.objects.filter(pk=call.pk).update(outcome="lost", finished_at=now())  # somebody has looked at it
    assert texts() == ["No outcome: the worker was lost."]


def test_a_rails_own_code_is_shown_as_it_came(support: Client, world: World) -> None:
    assert explain("account_closed_at_bank").title == "Account closed at bank"


def test_talks_with_the_rail_and_its_messages_are_in_the_story_in_order(support: Client, world: World) -> None:
    one = world.through_a_rail("top_up", 50_00)
    settle(one.pk, to="processing", actor="job:rail_calls")
    call = RailCall.objects.create(transaction=one, number=1, purpose="submit", request={"reference": str(one.pk)})
    RailCall.objects.filter(pk=call.pk).update(
        outcome="accepted", response={"text": "<b>ok</b>"}, finished_at=call.started_at
    )
    RailMessage.objects.create(
        rail="sandbox", message_id="msg_1", transaction=one, payload={"status": "completed"}, note="Completed."
    )
    settle(one.pk, to="completed", actor="rail:sandbox", rail_reference="SBX1", facts={"callback": {"status": "done"}})

    told = moments(support, one)
    text = support.get(page("transactions_transaction", one.pk)).text

    assert told == [
        "Request received", "Pending", "Pending → processing", "Sent to the rail, call 1", "Call 1: accepted",
        "Message from the rail", "Processing → completed",
    ]  # fmt: skip
    assert "SBX1" in text
    assert "&lt;b&gt;ok" in text
    assert "<b>ok</b>" not in text
    assert_books_balance()


def test_a_transactions_page_takes_as_many_statements_for_a_long_story_as_for_a_short_one(
    administrator: Client, world: World, staff: dict[str, User], count: Count
) -> None:
    url = page("transactions_transaction", world.undone.pk)
    few = count(administrator, url)

    for number in range(5):
        reverse_transaction(
            world.undone.pk, amount=1_00, reason_code="fraud", note="more", actor=staff[Role.SUPPORT],
            idempotency_key=f"reverse-again-{number:06}",
        )  # fmt: skip
        RailMessage.objects.create(rail="sandbox", message_id=f"m{number}", transaction=world.undone, payload={})

    assert count(administrator, url) == few


def test_support_reads_the_legs_without_a_way_into_the_books(support: Client, finance: Client, world: World) -> None:
    url = page("transactions_transaction", world.sent.pk)

    assert "/admin/ledger/" not in support.get(url).text
    assert page("ledger_journal", world.sent.pk) in finance.get(url).text


def test_only_finance_reads_accounts_and_journals_and_they_balance(
    finance: Client, support: Client, world: World
) -> None:
    journal = page("ledger_journal", world.sent.pk)
    account = page("ledger_account", world.wallet.account_id)

    assert finance.get(journal).text.count("1,000.00") >= 4
    assert "Balance" in finance.get(account).text
    assert support.get(journal).status_code == support.get(account).status_code == 403


# --- Every page -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["/admin/", "/admin/transactions/transaction/", "/admin/search/?q=wanj", "/admin/password_change/"],
)
def test_pages_need_nothing_from_elsewhere_and_no_script_of_their_own(
    administrator: Client, world: World, address: str
) -> None:
    response = administrator.get(address)
    policy = response.headers["Content-Security-Policy"]

    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "default-src 'self'" in policy
    assert response.headers["X-Frame-Options"] == "DENY"
    for tag in response.text.split("<script")[1:]:
        assert tag.partition(">")[0].strip().startswith("src=") or 'type="application/json"' in tag.partition(">")[0]
    assert " onclick=" not in response.text
    for host in ("http://", "https://"):
        elsewhere = [part[:60] for part in response.text.split(host)[1:]]
        assert not [part for part in elsewhere if not part.startswith("www.w3.org")], elsewhere


def test_names_of_customers_are_text_wherever_they_are_shown(administrator: Client, world: World) -> None:
    evil = new_wallet(full_name="<img src=x onerror=alert(1)>", phone_number="+254712000009", email="evil@example.com")
    fund(evil, 10_00)
    sent = Transaction.objects.get(
        pk=post_one(transfer(evil, world.wallet, 1_00, memo="<script>x</script>")).transaction
    )

    for url in (
        page("customers_customer", evil.customer_id), page("wallets_wallet", evil.pk),
        page("wallets_wallet", world.wallet.pk),
        page("transactions_transaction", sent.pk), reverse("admin:transactions_transaction_changelist"),
        reverse("admin:search") + "?q=img", reverse("admin:customers_customer_suspend", args=[evil.customer_id]),
    ):  # fmt: skip
        text = administrator.get(url).text
        assert "<img src=x" not in text, url
        assert "<script>x" not in text, url


def test_a_missing_row_is_a_404_that_helps(support: Client, staff: dict[str, User]) -> None:
    for pk in ("nonsense", "0192f0c4-0000-7000-8000-000000000000"):
        response = support.get(page("transactions_transaction", pk))

        assert response.status_code == 404
        assert "No such transaction" in response.text
    assert support.get(reverse("admin:customers_customer_suspend", args=["nonsense"])).status_code == 404


def test_production_says_so_on_every_page(staff: dict[str, User], settings: object) -> None:
    settings.ENVIRONMENT = "production"  # type: ignore[attr-defined]

    assert 'class="badge bad">production' in client_of(staff[Role.SUPPORT]).get("/admin/").text
