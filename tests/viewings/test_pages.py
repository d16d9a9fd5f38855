"""What staff see when they view as a customer: what the API gives that customer, and nothing of anybody else."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from django.utils.timezone import now

from core.admin import masking
from core.ids import spaced_receipt
from core.models import AuditRecord
from core.money import Money
from core.problems import catalogue
from customers.models import AccountType, Customer, Reveal
from customers.services import suspend_customer
from payouts.reading import read_json
from payouts.services import PayoutOrder, make_payout, paying_wallet
from schedules.models import StandingOrder
from staff.models import User
from staff.roles import Role
from statements.models import StatementSettings
from statements.periods import Days
from statements.selectors import figures, wallet_with_owner
from statements.services import keep
from tests.admin.conftest import World, client_of, posted_as
from tests.api.doors import asked_for, somebody
from tests.books import fund, key, transfer
from tests.factories import new_wallet, signed_in
from tests.holding import capture, held
from tests.viewings.conftest import begin, page, pages_of
from transactions.posting import post_one
from transactions.services.conversions import ConversionOrder, convert
from viewings.accesses import agent_code
from viewings.models import Viewing, ViewingEnd
from wallets.services import lift_freeze

pytestmark = pytest.mark.django_db
Count = Callable[[Client, str], int]


def api(customer: Any, path: str, **query: str) -> Any:
    """The same as the customer's own app gets it."""
    answer = Client().get(f"/v1/{path}", query_params=query, headers=signed_in(customer))
    assert answer.status_code == 200, answer.content
    return answer.json()


def receipts(response: Any) -> list[str]:
    found = [panel for panel in (response.context["panel"],) if panel]
    return [str(row[0]) for panel in found for row in panel.rows]


# --- The same as the app ------------------------------------------------------------------------------------------


def test_the_account_is_what_the_app_shows(grace: Client, world: World, viewing: Viewing) -> None:
    shown = grace.get(page("home", viewing)).text

    for wallet in api(world.wanjiku, "wallets")["data"]:
        assert page("history", viewing, wallet["wallet_id"]) in shown
        assert f"{wallet['balance'][:-6]}" in shown
    assert "8,700.00" in shown and "Frozen" in shown and "Limits of tier 0" in shown
    assert str(world.wanjiku.pk) in shown


def test_the_history_is_the_apps_row_by_row(grace: Client, world: World, viewing: Viewing) -> None:
    own = api(world.wanjiku, f"wallets/{world.wallet.pk}/transactions")["data"]

    table = grace.get(page("history", viewing, world.wallet.pk)).context["panel"]

    assert len(table.rows) == len(own) > 3
    left = api(world.wanjiku, f"wallets/{world.wallet.pk}/limits")["day"]["left"]
    figures = dict(grace.get(page("history", viewing, world.wallet.pk)).context["wallet"]["figures"])
    assert left in str(figures["Left today"]).replace(",", "")
    for row, said in zip(table.rows, own, strict=True):
        assert spaced_receipt(said["receipt"]) in row[0]
        balance = "–" if said["balance_after"] is None else said["balance_after"]
        assert balance in str(row[7]).replace(",", "")
        assert said["counterparty"] is None or said["counterparty"]["name"] in row[3]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"kind": "transfer"}, {"kind": "transfer"}),
        ({"status": "failed"}, {"status": "failed"}),
        ({"direction": "in"}, {"direction": "in"}),
        ({"until": "2020-01-31"}, {"to": "2020-02-01T00:00:00Z"}),
        ({"until": "9999-12-31"}, {"to": "9999-12-31T23:59:59Z"}),
        ({"since": "2020-01-31"}, {"from": "2020-01-31T00:00:00Z"}),
    ],
)
def test_filters_are_those_of_the_app(
    grace: Client, world: World, viewing: Viewing, asked: dict[str, str], meant: dict[str, str]
) -> None:
    own = api(world.wanjiku, f"wallets/{world.wallet.pk}/transactions", **meant)["data"]

    found = receipts(grace.get(page("history", viewing, world.wallet.pk), asked))

    assert len(found) == len(own)
    assert all(spaced_receipt(said["receipt"]) in row for row, said in zip(found, own, strict=True))


@pytest.mark.parametrize("asked", [{"kind": "bribe"}, {"since": "yesterday"}, {"status": "x" * 5_000}])
def test_filters_that_are_none_are_said_at_the_field(
    grace: Client, world: World, viewing: Viewing, asked: dict[str, str]
) -> None:
    answer = grace.get(page("history", viewing, world.wallet.pk), asked)

    assert answer.status_code == 200
    assert answer.context["form"].errors and answer.context["panel"] is None


def test_a_cursor_that_is_none_gets_what_the_app_would_get(grace: Client, world: World, viewing: Viewing) -> None:
    answer = grace.get(page("history", viewing, world.wallet.pk), {"cursor": "WzFd"})

    assert answer.status_code == 400
    assert "validation_failed" in answer.text


def test_older_ones_follow_until_there_are_none(grace: Client, world: World, viewing: Viewing) -> None:
    for _ in range(60):
        world.send()

    url, found = page("history", viewing, world.wallet.pk), []
    query: str | None = "?direction=out"
    while query:
        answer = grace.get(url + query)
        found += receipts(answer)
        query = answer.context.get("older")
        assert query is None or "direction=out" in query

    own = api(world.wanjiku, f"wallets/{world.wallet.pk}/transactions", direction="out", limit="200")["data"]
    assert len(found) == len(set(found)) == len(own) > 60


def test_a_refused_transaction_has_the_words_that_the_customer_got(
    grace: Client, world: World, viewing: Viewing
) -> None:
    text = grace.get(page("transaction", viewing, world.refused.pk)).text

    kind = catalogue()[world.refused.refusal_code]
    assert escape(kind.title) in text and escape(kind.for_customer) in text
    assert world.refused.refusal_code in text


def test_notifications_and_what_is_asked_back(grace: Client, world: World, viewing: Viewing) -> None:
    told = grace.get(page("notifications", viewing)).text
    asked = grace.get(page("recalls", viewing)).text

    for one in api(world.wanjiku, "notifications")["data"]:
        assert escape(one["title"]) in told
    assert "Nobody asks for money back." in asked
    johns = begin(grace, world.johns.customer)
    assert "Wrong" in grace.get(page("recalls", johns)).text or "wrong" in grace.get(page("recalls", johns)).text


# --- Orders, promises, prices ---------------------------------------------------------------------------------------


def test_each_list_has_what_the_apps_has_and_leads_to_each(grace: Client, world: World, viewing: Viewing) -> None:
    pages = pages_of(viewing, world)

    for name, path, own_id in (
        ("requests", "payment-requests", "code"), ("orders", "standing-orders", "standing_order_id"),
        ("holds", "holds", "hold_id"), ("payouts", "payouts", "payout_id"),
    ):  # fmt: skip
        own = api(world.wanjiku, path)["data"]
        shown = grace.get(pages[name])
        (table,) = shown.context["panels"]
        assert len(table.rows) == len(own) > 0, name
        for row, said in zip(table.rows, own, strict=True):
            assert page(name.removesuffix("s"), viewing, said[own_id]) in str(row[0]), name
            amount = said.get("amount") or said.get("least") or said["summary"]["total"]
            assert amount in "".join(map(str, row)).replace(",", ""), name


def test_a_payment_request_says_who_paid_it_and_what_waits_for_a_yes(grace: Client, world: World) -> None:
    paid, code, promised = asked_for(world.johns, world.wallet)
    viewing = begin(grace, world.john)

    one = grace.get(page("request", viewing, code))
    (table,) = one.context["panels"]

    (said,) = api(world.john, f"payment-requests/{code}/payments")["data"]
    assert (said["transaction_id"], said["confirmation"]) == (str(promised), "awaiting")
    assert page("hold", viewing, promised) in table.rows[0][0] and "Awaiting" in table.rows[0][6]
    assert "they confirm each payment" in one.text and "Wanjiku K." in one.text
    assert grace.get(page("hold", viewing, promised)).status_code == 200
    assert grace.get(page("transaction", viewing, paid)).status_code == 200
    taken = post_one(capture(promised)).transaction
    assert page("hold", viewing, promised) in grace.get(page("transaction", viewing, taken)).text


def test_a_standing_order_says_what_became_of_each_date(grace: Client, world: World, viewing: Viewing) -> None:
    order = StandingOrder.objects.get(customer=world.wanjiku)
    (run,) = api(world.wanjiku, f"standing-orders/{order.pk}/runs")["data"]

    one = grace.get(page("order", viewing, order.pk))

    (table,) = one.context["panels"]
    assert run["status"] == "skipped" and "skipped" in str(table.rows[0][2]).lower()
    assert "Each week" in one.text and "John O." in one.text and "chama" in one.text


def test_a_payout_masks_whom_it_is_for_and_tells_what_is_wrong_with_it(
    grace: Client, world: World, viewing: Viewing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking, "_asked", [lambda request, people: people == {str(world.wanjiku.pk)}])
    lines = [{"to": "+254712345679", "amount": "7.00"}, {"to": "nobody at all", "amount": "x"}]
    made: list[Any] = []
    for items in (lines, lines[:1]):
        make_payout(
            PayoutOrder(wallet_id=world.wallet.pk), read_json(items, "KES"),
            paying_wallet(world.wanjiku.pk, world.wallet.pk), actor=somebody(world.wallet),
            idempotency_key=f"payout-{len(items)}-1234567890", shown=lambda batch: made.append(batch.pk) or {},
        )  # fmt: skip

    draft, whole = (grace.get(page("payout", viewing, pk)) for pk in made)

    problems = api(world.wanjiku, f"payouts/{made[0]}")["errors"]
    assert problems and all(escape(one["message"]) in draft.text for one in problems)
    assert "+254712345679" not in whole.text and "+2547•••679" in whole.text, "also while Wanjiku's are revealed"
    assert "John O." in whole.text and "Nobody" not in whole.text


def test_statements_of_a_wallet_and_how_they_are_sent(grace: Client, world: World, viewing: Viewing) -> None:
    own = api(world.wanjiku, f"wallets/{world.wallet.pk}/statements")["data"]
    history = grace.get(page("history", viewing, world.wallet.pk)).text

    answer = grace.get(page("statements", viewing, world.wallet.pk))

    (table,) = answer.context["panels"]
    assert [one["number"] for one in own] == [1] and len(table.rows) == 1
    assert page("kept", viewing, world.wallet.pk, 1) in str(table.rows[0][0])
    assert page("statements", viewing, world.wallet.pk) in history
    assert "not at all" in answer.text and "1 Jan 2020" in answer.text and "As a merchant" not in answer.text


def test_a_kept_statement_has_the_lines_that_the_customer_gets(grace: Client, world: World, viewing: Viewing) -> None:
    wallet = wallet_with_owner(world.wallet.pk).get()
    today = now().astimezone(ZoneInfo("Africa/Nairobi")).date()
    asked = Days(date(2020, 1, 2), today + timedelta(days=1), "Africa/Nairobi")
    keep(wallet, StatementSettings(wallet=wallet, every="daily"), figures(wallet, asked))
    own = api(world.wanjiku, f"wallets/{wallet.pk}/statements/2")

    answer = grace.get(page("kept", viewing, wallet.pk, 2))

    (table,) = answer.context["panels"]
    assert [row[0] for row in table.rows] == [line["number"] for line in own["data"]] and len(table.rows) > 3
    shown = [str(row[4] or row[5]).replace(",", "") for row in table.rows]
    assert shown == [line["amount"] for line in own["data"]]
    assert str(own["sha256"]) in answer.text and "2 Jan 2020 – " in answer.text
    assert grace.get(page("kept", viewing, wallet.pk, 3)).status_code == 404
    assert page("kept", viewing, wallet.pk, 2) in grace.get(page("statements", viewing, wallet.pk)).text


def test_a_merchants_day_is_the_one_of_the_app_and_a_person_has_none(
    grace: Client, world: World, viewing: Viewing
) -> None:
    none = grace.get(page("takings", viewing, world.wallet.pk))
    assert "This is for business accounts." in none.text and none.context["panels"] == []
    Customer.objects.filter(pk=world.john.pk).update(account_type=AccountType.SME)
    post_one(capture(held(world.wallet, world.johns, 60_00), 20_00)).or_raise()
    theirs = begin(grace, world.john)
    today = now().astimezone(ZoneInfo("Africa/Nairobi")).date()
    own = api(world.john, f"wallets/{world.johns.pk}/merchant-statement", day=today.isoformat())

    answer = grace.get(page("takings", theirs, world.johns.pk))

    (table,) = answer.context["panels"]
    assert len(table.rows) == own["payment_count"] == 1 and own["net"] == "20.00" and "20.00" in str(table.rows[0][6])
    assert "Nobody paid" in grace.get(page("takings", theirs, world.johns.pk) + "?day=2026-01-02").text
    assert "Enter a valid date" in grace.get(page("takings", theirs, world.johns.pk) + "?day=soon").text
    ahead = grace.get(page("takings", theirs, world.johns.pk) + f"?day={today + timedelta(days=2)}")
    assert ahead.status_code == 200 and "Net" not in ahead.text
    assert page("takings", theirs, world.johns.pk) in grace.get(page("statements", theirs, world.johns.pk)).text


def test_prices_rates_and_a_quote_are_those_of_the_app(grace: Client, world: World, viewing: Viewing) -> None:
    pages = pages_of(viewing, world)
    fees, rates = api(world.wanjiku, "fees")["data"], api(world.wanjiku, "fx/rates", currency="KES")["data"]

    prices, quote = grace.get(pages["prices"]), grace.get(pages["quote"])

    listed, of_kes = prices.context["panels"]
    assert [row["words"] for row in fees] == [str(row[2]).strip() for row in listed.rows] and fees
    assert [row["mid"] for row in rates] == [row[1] for row in of_kes.rows] and rates
    every = grace.get(pages["prices"], {"currency": "all"}).context["panels"][1]
    assert len(every.rows) == len(api(world.wanjiku, "fx/rates")["data"]) > len(of_kes.rows)
    assert "50.00" in quote.text and "USD" in quote.text
    refused = grace.get(pages["prices"], {"currency": "shells"})
    assert refused.status_code == 400 and "validation_failed" in refused.text


def test_what_was_exchanged_leads_to_its_quote(grace: Client, world: World, viewing: Viewing) -> None:
    lift_freeze(world.frozen.freezes.get(), actor=None, reason="found")
    order = ConversionOrder(wallet_id=world.wallet.pk, amount=Money(1_300_00, "KES"), to_currency="USD", quote=None)
    done = convert(order, actor=somebody(world.wallet), idempotency_key=key(), post=post_one).or_raise()

    text = grace.get(page("transaction", viewing, done.transaction)).text

    said = api(world.wanjiku, f"transactions/{done.transaction}")
    assert said["exchange"]["amount_to"] in text and said["exchange"]["fx_rate"] in text
    assert page("quote", viewing, said["quote_id"]) in text
    assert page("transaction", viewing, done.transaction) in grace.get(page("quote", viewing, said["quote_id"])).text


# --- Of nobody else -----------------------------------------------------------------------------------------------


def test_nothing_of_anybody_else_is_reached(grace: Client, world: World, viewing: Viewing) -> None:
    other = new_wallet(full_name="Amina Yusuf")
    fund(other, 5_000)
    theirs = posted_as(transfer(other, world.johns, 1_000))

    for url in (
        page("history", viewing, world.johns.pk), page("history", viewing, uuid4()),
        page("transaction", viewing, theirs.pk), page("transaction", viewing, uuid4()),
    ):  # fmt: skip
        answer = grace.get(url)
        assert answer.status_code == 404, url
        assert "Amina" not in answer.text and "10.00" not in answer.text
        assert "You are seeing what Wanjiku sees" in answer.text


def test_a_colleagues_view_is_none(staff: dict[str, User], world: World, viewing: Viewing) -> None:
    for role in (Role.SENIOR_SUPPORT, Role.COMPLIANCE, Role.ADMINISTRATOR):
        client = client_of(staff[role])
        for url in pages_of(viewing, world).values():
            answer = client.get(url)
            assert answer.status_code == 404
            assert "Wanjiku" not in answer.text
        asked = client.post(reverse("admin:viewings_viewing_end", args=[viewing.pk]))
        assert "a colleague" in asked.text
    assert not ViewingEnd.objects.filter(viewing=viewing).exists()


@pytest.mark.parametrize(
    "role", sorted(set(Role.values) - {"support", "senior_support", "compliance", "administrator"})
)
def test_who_does_not_serve_customers_views_as_none(staff: dict[str, User], world: World, role: str) -> None:
    client = client_of(staff[role])

    assert client.get(reverse("admin:viewings_viewing_start")).status_code == 403
    asked = {"customer": str(world.wanjiku.pk), "why": "asked", "note": "curious"}
    assert client.post(reverse("admin:viewings_viewing_start"), asked).status_code == 403
    assert (
        "View as customer" not in client.get(reverse("admin:customers_customer_change", args=[world.wanjiku.pk])).text
    )
    assert not Viewing.objects.filter(customer=world.wanjiku).exists()


def test_of_who_is_suspended_there_is_nothing_to_see(
    grace: Client, staff: dict[str, User], world: World, viewing: Viewing
) -> None:
    pages = pages_of(viewing, world)
    suspend_customer(world.wanjiku, actor=staff[Role.COMPLIANCE], reason="documents")

    for url in pages.values():
        answer = grace.get(url)
        assert answer.status_code == 403, url
        assert "customer_suspended" in answer.text and "8,700.00" not in answer.text
    again = grace.post(
        reverse("admin:viewings_viewing_start"), {"customer": str(world.wanjiku.pk), "why": "asked", "note": "x"}
    )
    assert "Their app shows only that the account is on hold" in again.text
    assert Viewing.objects.filter(customer=world.wanjiku).count() == 1


# --- Personal data, banner, trail ---------------------------------------------------------------------------------


def test_phone_and_address_are_masked_unless_revealed(
    grace: Client, world: World, viewing: Viewing, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = grace.get(page("home", viewing)).text
    monkeypatch.setattr(masking, "_asked", [lambda request, people: people == {str(world.wanjiku.pk)}])
    clear = grace.get(page("home", viewing)).text

    assert "+254712345678" not in masked and "wanjiku@example.com" not in masked and "+2547•••678" in masked
    assert "+254712345678" in clear and "wanjiku@example.com" in clear


def test_numbers_in_notes_are_masked_too(grace: Client, staff: dict[str, User], world: World) -> None:
    viewing = begin(grace, world.wanjiku, note="she calls from +254712345678")

    for client, url in (
        (grace, page("home", viewing)),
        (client_of(staff[Role.AUDITOR]), reverse("admin:viewings_viewing_change", args=[viewing.pk])),
    ):
        text = client.get(url).text
        assert "+254712345678" not in text and "she calls from +2547•••678" in text


def test_each_page_says_what_it_is_for_how_long_and_how_to_end_it(
    grace: Client, world: World, viewing: Viewing
) -> None:
    for url in pages_of(viewing, world).values():
        answer = grace.get(url)
        text = answer.text
        for said in ("You are seeing what Wanjiku sees", "read-only", "ticket 4711", "End now", 'data-left="8'):
            assert said in text, (url, said)
        assert 0 < int(answer["Refresh"]) <= 901
        assert "no-store" in answer["Cache-Control"]
        assert "script-src 'self'" in answer["Content-Security-Policy"]


def test_the_trail_names_the_customer_at_each_page(
    grace: Client, staff: dict[str, User], world: World, viewing: Viewing
) -> None:
    for name, url in pages_of(viewing, world).items():
        grace.get(url)
        look = AuditRecord.objects.latest("pk")
        assert (look.subject_type, look.subject_id) == ("customers.customer", str(world.wanjiku.pk))
        assert (look.actor, look.look, look.door) == (staff[Role.SUPPORT].principal, True, "admin")
        assert look.after["page"] == f"viewings_{name}" and look.after["viewing"] == str(viewing.pk)

    began = AuditRecord.objects.get(action="start_viewing")
    assert began.subject_id == str(world.wanjiku.pk) and "4711" in began.reason
    assert began.after["viewing"] == str(viewing.pk)


def test_a_page_takes_as_many_statements_for_much_as_for_little(
    grace: Client, world: World, viewing: Viewing, count: Count
) -> None:
    pages = pages_of(viewing, world)
    few = {name: count(grace, url) for name, url in pages.items()}

    asked_for(world.wallet, world.johns)
    for n in range(6):
        world.promised(1_00)
        world.send()
        world.send(90_000_00)
        Reveal.objects.create(
            agent=viewing.agent, customer=world.wanjiku, because="other", reason="x", at=now() - timedelta(hours=n + 1),
            until=now() - timedelta(minutes=n + 1),
        )  # fmt: skip

    assert {name: count(grace, url) for name, url in pages.items()} == few
    assert max(few.values()) <= 40


def test_who_watches_over_views_finds_them(
    staff: dict[str, User], grace: Client, world: World, viewing: Viewing
) -> None:
    begin(grace, world.johns.customer, why="fault", note="app crashes")
    auditor = client_of(staff[Role.AUDITOR])
    listed = reverse("admin:viewings_viewing_changelist")

    assert auditor.get(listed).text.count("Support Person") >= 2
    for query, there, not_there in (
        ("?why=fault", "John Otieno", "Wanjiku Kamau"),
        ("?ended=another", "Wanjiku Kamau", "John Otieno"),
        ("?ended=no", "John Otieno", "Wanjiku Kamau"),
        ("?q=%2B254712345678", "Wanjiku Kamau", "John Otieno"),
        (f"?q={agent_code(viewing.agent_id)}&why=asked", "Wanjiku Kamau", "John Otieno"),
    ):
        text = auditor.get(listed + query).text
        assert there in text and not_there not in text, query
    assert not list(auditor.get(f"{listed}?q=S-000000").context["cl"].result_list)
    one = auditor.get(reverse("admin:viewings_viewing_change", args=[viewing.pk])).text
    assert "ticket 4711" in one and "You asked us to look." in one and "the agent began another" in one
