"""A merchant's day: what its payments, refunds, reversals and fees came to is what they made of its balance."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import AccountType, Session
from notifications.models import Notification
from notifications.services import deliver_due
from staff.approvals import approve, request_approval
from staff.roles import Role
from statements.errors import StatementFormatNotOffered
from statements.merchants import takings, takings_after
from statements.models import Every, Statement
from statements.selectors import is_proven
from statements.services import choose, make_due, state
from tekana.demo_clock import Clock, clock_set_to
from tests.admin.conftest import client_of, member
from tests.books import assert_books_balance, fund, key, posted, transfer
from tests.factories import new_wallet, signed_in
from tests.holding import capture, held
from tests.statements.conftest import at
from tests.statements.test_statement import body_of, rows_of
from transactions import tariff
from transactions.models import FeeRule, Kind, Transaction
from transactions.posting import post_one
from transactions.services.payments import PaymentOrder, pay
from transactions.services.refunds import refund_payment
from transactions.services.reversals import reverse_transaction
from transactions.services.waivers import waive_fee
from wallets.models import Wallet
from wallets.parties import Address

FORMULA = "=1+1"


class Market:
    """``shop`` bears 2 % of what ``john`` pays it; it is 26 February in Nairobi, ten in the morning."""

    def __init__(self) -> None:
        for kind, parts in {Kind.PAYMENT: {"bps": 200, "payee_bps": 10_000}, Kind.TRANSFER: {"flat": 10_00}}.items():
            FeeRule.objects.create(kind=kind, currency="KES", effective_from=date(2026, 1, 1), **{"flat": 0} | parts)
        tariff.forget()
        self.shop = new_wallet(full_name="Wanjiku Traders", tier=2, account_type=AccountType.SME)
        self.john = new_wallet(full_name="John Otieno", tier=2)
        fund(self.john, 20_000_00)
        fund(self.shop, 1_000_00)

    def paid(self, amount: int, order: str | None) -> Transaction:
        asked = PaymentOrder(
            from_wallet_id=self.john.pk, to=Address("wallet", str(self.shop.pk)), amount=Money(amount, "KES"),
            order_reference=order,
        )  # fmt: skip
        made = pay(asked, actor=principal(self.john), idempotency_key=key(), post=post_one).or_raise()
        return Transaction.objects.get(pk=made.transaction)

    def refunded(self, payment: Transaction, amount: int) -> None:
        actor = principal(self.shop)
        refund_payment(payment.pk, amount=amount, actor=actor, idempotency_key=key()).or_raise()


def principal(wallet: Wallet) -> CustomerPrincipal:
    return CustomerPrincipal(wallet.customer_id, Session.objects.create(customer_id=wallet.customer_id).pk)


def live_two_days(market: Market, clock: Clock) -> None:
    """The second begins at half past midnight in Nairobi, when in UTC it is still the first."""
    crates = market.paid(1_000_00, "B-2")
    fish = market.paid(500_00, "A-17")
    market.refunded(crates, 250_00)
    market.paid(3_00, None)
    market.paid(4_00, FORMULA)
    post_one(transfer(market.shop, market.john, 100_00)).or_raise()  # none of the merchant's business here
    post_one(transfer(market.john, market.shop, 70_00)).or_raise()
    reverse_transaction(fish.pk, amount=100_00, reason_code="fraud", note="", actor=None, idempotency_key=key())
    waive_fee(
        fish.pk, amount=1_00, of_payee=True, reason="a promise", actor=member(Role.FINANCE_CHECKER),
        idempotency_key=key(), checker=member(Role.FINANCE),
    )  # fmt: skip
    clock.set(at(26, 21, 30))
    market.refunded(crates, 750_00)


@pytest.fixture
def clock(transactional_db: None) -> Iterator[Clock]:
    with clock_set_to(at(26, 7)) as clock:
        yield clock
    tariff.forget()


@pytest.fixture
def market(clock: Clock) -> Market:
    market = Market()
    live_two_days(market, clock)
    clock.set(at(28, 9))
    return market


@pytest.fixture
def ask(client: Client, market: Market) -> Any:
    def asked(query: str, path: str = "merchant-statement", wallet: Wallet = market.shop, **who: Any) -> Any:
        headers = who.get("who") or signed_in(market.shop.customer)
        return client.get(f"/v1/wallets/{wallet.pk}/{path}?{query}", headers=headers)

    return asked


def minor(text: str) -> int:
    return Money.parse(text, "KES").amount_minor


def test_the_day_agrees_with_the_statement_of_the_account(ask: Any, market: Market) -> None:
    for day in ("2026-02-26", "2026-02-27"):
        found = ask(f"day={day}").json()
        account = {line["number"]: line for line in ask(f"from={day}&to={day}&limit=200", "statement").json()["data"]}

        sums = {name: minor(found[name]) for name in ("payments", "refunds", "reversals", "fees", "net")}
        assert sums["net"] == sums["payments"] - sums["refunds"] - sums["reversals"] - sums["fees"]
        assert sums["net"] == sum(minor(line["net"]) for line in found["data"])
        for line in found["data"]:
            entry = account.pop(line["number"])
            way = 1 if entry["direction"] == "in" else -1
            assert minor(line["net"]) == way * minor(entry["amount"]) == minor(line["gross"]) - minor(line["fee"])
            assert (line["receipt"], line["timestamp"]) == (entry["receipt"], entry["timestamp"])
            if line["kind"] != "fee_waiver":
                assert (line["kind"], line["fee"]) == (entry["kind"], entry["fee"])
        # whatever else moved had nothing to do with payments to the shop
        assert {line["kind"] for line in account.values()} <= {"top_up", "transfer"}
    assert_books_balance()


def test_sums_counts_and_lines_by_order(ask: Any, market: Market) -> None:
    first, second = ask("day=2026-02-26").json(), ask("day=2026-02-27").json()

    assert [first[name] for name in ("payments", "refunds", "reversals", "fees", "net")] == [
        "1507.00", "250.00", "100.00", "24.14", "1132.86",
    ]  # fmt: skip
    assert [first[f"{kind}_count"] for kind in ("payment", "refund", "reversal")] == [4, 1, 1]
    assert (first["timezone"], first["is_final"], first["currency"]) == ("Africa/Nairobi", True, "KES")
    shown = [[line[name] for name in ("order_reference", "kind", "gross", "fee", "net")] for line in first["data"]]
    assert [tuple(line) for line in shown] == [
        (FORMULA, "payment", "4.00", "0.08", "3.92"),
        ("A-17", "payment", "500.00", "10.00", "490.00"),
        ("A-17", "reversal", "-100.00", "0.00", "-100.00"),
        ("A-17", "fee_waiver", "0.00", "-1.00", "1.00"),
        ("B-2", "payment", "1000.00", "20.00", "980.00"),
        ("B-2", "refund", "-250.00", "-5.00", "-245.00"),
        (None, "payment", "3.00", "0.06", "2.94"),
    ]  # fmt: skip
    assert {(line["order_reference"], line["state"], line["refunded"]) for line in first["data"]} == {
        (FORMULA, "completed", "0.00"), ("A-17", "partially_reversed", "100.00"),
        ("B-2", "partially_reversed", "250.00"), (None, "completed", "0.00"),
    }  # fmt: skip
    (late,) = second["data"]  # of the payment of the day before; half past midnight is the next day
    assert (late["order_reference"], late["net"], late["state"], late["refunded"]) == (
        "B-2", "-735.00", "reversed", "1000.00",
    )  # fmt: skip
    assert late["payment_id"] == first["data"][4]["transaction_id"] and late["kind"] == "refund"
    assert (second["payment_count"], second["refund_count"], second["net"]) == (0, 1, "-735.00")
    empty = ask("day=2026-02-20").json()
    assert (empty["data"], empty["net"], empty["payment_count"]) == ([], "0.00", 0)


def test_what_was_captured_names_its_hold_in_the_statement_and_its_order_in_the_day(
    clock: Clock, client: Client
) -> None:
    market = Market()
    hold = held(market.john, market.shop, 60_00)
    post_one(capture(hold, 20_00, order_reference="C-3")).or_raise()
    back, headers = f"/v1/wallets/{market.shop.pk}", signed_in(market.shop.customer)

    lines = client.get(f"{back}/statement?from=2026-02-26&to=2026-02-26", headers=headers).json()["data"]
    rows = rows_of(client.get(f"{back}/statement?from=2026-02-26&to=2026-02-26&format=csv", headers=headers))
    (taken,) = client.get(f"{back}/merchant-statement?day=2026-02-26", headers=headers).json()["data"]

    assert [line["hold_id"] for line in lines] == [None, str(hold)]
    assert [row["hold_id"] for row in rows] == ["", "", str(hold), ""]
    assert (taken["order_reference"], taken["gross"], taken["fee"], taken["net"]) == ("C-3", "20.00", "0.40", "19.60")


def test_pages_come_to_the_same_lines(ask: Any) -> None:
    whole = ask("day=2026-02-26").json()

    found, following = [], ""
    while following is not None:
        page = ask("day=2026-02-26&limit=2" + (f"&cursor={following}" if following else "")).json()
        assert page["net"] == whole["net"]
        found += page["data"]
        following = page["next"]

    assert found == whole["data"] and whole["next"] is None


def test_csv_has_the_same_lines_a_total_and_no_formula(ask: Any) -> None:
    whole = ask("day=2026-02-26").json()

    answer = ask("day=2026-02-26&format=csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "tekana-statement-kes-2026-02-26-2026-02-26.merchant.csv" in answer["Content-Disposition"]
    *rows, total = rows_of(answer)

    for row, line in zip(rows, whole["data"], strict=True):
        for name in ("kind", "receipt", "payment_receipt", "timestamp", "gross", "fee", "net", "refunded", "state"):
            assert row[name] == line[name], name
        assert row["transaction_id"] == line["transaction_id"]
    assert [row["order_reference"] for row in rows] == [f"'{FORMULA}", "A-17", "A-17", "A-17", "B-2", "B-2", ""]
    assert (rows[0]["date"], rows[0]["time"][:5]) == ("2026-02-26", "10:00")  # of Nairobi
    assert (total["record"], total["number"], total["gross"], total["fee"], total["net"], total["refunded"]) == (
        "total", "7", "1157.00", "24.14", "1132.86", "350.00",
    )  # fmt: skip


def test_what_cannot_be_stated_is_refused_with_a_code(ask: Any, market: Market, client: Client) -> None:
    for query, refused in {
        "day=2026-03-01": "statement_in_future",
        "day=yesterday": "validation_failed",
        "": "validation_failed",
        "day=2026-02-26&format=pdf": "validation_failed",
        "day=2026-02-26&to=2026-02-27": "validation_failed",
        "day=2026-02-26&cursor=x": "validation_failed",
    }.items():
        answer = ask(query)
        assert (answer.status_code, answer.json()["code"]) == (400, refused), query
    assert ask("day=2026-02-28").json()["is_final"] is False
    somebody_elses = ask("day=2026-02-26", wallet=market.john)
    assert (somebody_elses.status_code, somebody_elses.json()["code"]) == (404, "wallet_not_found")
    person = ask("day=2026-02-26", wallet=market.john, who=signed_in(market.john.customer))
    assert (person.status_code, person.json()["code"]) == (400, "merchant_statement_not_offered")
    assert client.get(f"/v1/wallets/{market.shop.pk}/merchant-statement?day=2026-02-26").status_code == 401
    with pytest.raises(StatementFormatNotOffered):
        choose(market.john, every="daily", file_format="merchant", language="en", actor=market.john.customer)


def test_each_morning_by_e_mail_once_as_the_customer_gets_it(clock: Clock, client: Client) -> None:
    market = Market()
    choose(market.shop, every=Every.DAILY, file_format="merchant", language="en", actor=market.shop.customer)
    live_two_days(market, clock)  # now it is half past midnight
    made = [make_due(), make_due()]
    deliver_due()

    assert made == [1, 0]
    statement = Statement.objects.get()
    assert (str(statement.from_day), str(statement.to_day)) == ("2026-02-26", "2026-02-26")
    assert statement.format == "merchant" and is_proven(statement)
    (letter,) = (one for one in mail.outbox if "Statement" in one.subject)
    assert letter.to == [market.shop.customer.email]
    assert "your customers paid KES 1,507.00 (4); given back KES 350.00, fees KES 24.14, net" in letter.body
    (name, content, media_type), = letter.attachments  # fmt: skip
    assert (name, media_type) == ("tekana-statement-1-kes-2026-02-26-2026-02-26.merchant.csv", "text/csv")
    url = f"/v1/wallets/{market.shop.pk}/"
    headers = signed_in(market.shop.customer)
    asked = body_of(client.get(f"{url}merchant-statement?day=2026-02-26&format=csv", headers=headers)).decode()
    again = body_of(client.get(f"{url}statements/1?format=merchant", headers=headers)).decode()
    assert content == asked == again
    assert list(csv.DictReader(io.StringIO(content)))[-1]["net"] == "1132.86"
    assert Notification.objects.filter(kind="statement_ready").count() == 1
    assert posted(market.shop) == 1_000_00 + 1_132_86 - 110_00 + 70_00 - 735_00
    assert_books_balance()


def test_staff_make_it_and_it_is_on_record(market: Market) -> None:
    support = client_of(member(Role.SUPPORT))
    make = reverse("admin:statements_make", args=[market.shop.pk])
    days = "from=2026-02-26&to=2026-02-26"

    page = support.get(f"{make}?{days}").text
    made = support.post(f"{reverse('admin:statements_file', args=[market.shop.pk])}?{days}&format=merchant")

    for said in ("Payments by order", "Paid by customers", "1,507.00", "350.00", "24.14", "1,132.86"):
        assert said in page, said
    assert b"1132.86" in body_of(made)
    assert AuditRecord.objects.get(action="make_statement").after["format"] == "merchant"
    persons = support.get(f"{reverse('admin:statements_make', args=[market.john.pk])}?{days}").text
    assert "Payments by order" not in persons and "Paid by customers" not in persons


def test_what_the_shop_did_not_have_any_more_is_not_in_its_day(clock: Clock) -> None:
    """It is a receivable: of 1,000.00 that support takes back 200.00 are there."""
    market = Market()
    payment = market.paid(1_000_00, "A-17")
    post_one(transfer(market.shop, market.john, posted(market.shop) - 200_00 - 10_00)).or_raise()
    asked = {
        "transaction": payment.pk, "amount_minor": 1_000_00, "reason_code": "wrong_recipient", "owed_minor": 780_00,
    }  # fmt: skip
    approval = request_approval("receivable", asked, maker=member(Role.SUPPORT), reason="ticket 31")
    approve(approval.pk, actor=member(Role.FINANCE_CHECKER))

    day = date(2026, 2, 26)
    stated = state(market.shop, day, day)
    total = takings(market.shop, stated.figures)

    assert posted(market.shop) == 0
    assert (total.payments, total.reversals, total.fees, total.net) == (1_000_00, 220_00, 0, 780_00)
    (line,) = (one for one in takings_after(market.shop, stated.figures, None, 9) if one.kind == "reversal")
    assert (line.gross, line.fee, line.net, line.refunded) == (-220_00, -20_00, -200_00, 1_000_00)
    assert_books_balance()
