"""Revaluing positions: what they are worth beyond their cost, posted by two people, taken back by the next one."""

from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection
from django.urls import reverse

from ledger.models import Account, Journal
from staff.approvals import approve, request_approval
from staff.errors import ApprovalNeeded, ApprovalStale, OwnRequest
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import client_of, member
from tests.books import assert_books_balance, fund, key
from tests.factories import new_wallet
from tests.fx.conftest import cbk, load, today
from tests.transactions.test_conversions import conversion, lines, quoted
from transactions import positions
from transactions.errors import (
    NothingToRevalue,
    RevaluationDayClosed,
    RevaluationDayOpen,
    RevaluationDone,
    RevaluationRateUnclear,
)
from transactions.models import Revaluation, RevaluationLine, Transaction
from transactions.movements import Movement
from transactions.posting import post_one
from transactions.services import revaluations
from transactions.services.revaluations import plan_revaluation, post_revaluation
from transactions.verify import verify
from wallets.models import Wallet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("market")]
NAME = "revaluation"


@pytest.fixture
def finance(db: None) -> User:
    return member(Role.FINANCE)


@pytest.fixture
def checker(db: None) -> User:
    return member(Role.FINANCE_CHECKER)


@pytest.fixture(autouse=True)
def days_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Today and the days after it are over: entries cannot be made of an earlier day."""
    real = revaluations.utc_now
    monkeypatch.setattr(revaluations, "utc_now", lambda: real() + timedelta(days=9))


@pytest.fixture
def exchanged(market: None, kes: Wallet, usd: Wallet) -> None:
    """KES 13,000.00 against USD 99.60: we owe the market dollars that were worth 130.52 each."""
    post_one(conversion(quoted(kes), kes, usd)).or_raise()


def revalued(finance: User, checker: User, day: date, rate: str = "", because: str = "month end") -> Revaluation:
    params = {"day": day} | ({"rates": {"KES": rate}, "because": because} if rate else {})
    asked = request_approval(NAME, params, maker=finance, reason="closing the month")
    approve(asked.pk, actor=checker)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")  # what a commit would check
    return Revaluation.objects.latest("made_at")


def balances() -> tuple[int, int]:
    """Of the revaluation account (a debit is a gain) and of income."""
    found = dict(Account.objects.filter(code__contains=":fx_").values_list("code", "posted"))
    return found.get("equity:fx_revaluation:USD", 0), found.get("income:fx_unrealised:USD", 0)


@pytest.mark.usefixtures("exchanged")
def test_what_a_position_is_worth_beyond_its_cost_is_posted_in_the_reporting_currency(
    finance: User, checker: User
) -> None:
    done = revalued(finance, checker, today())

    (line,) = done.lines.all()
    assert (line.base, line.quote, line.held, line.cost) == ("USD", "KES", -99_60, -13_000_00)
    assert (line.value, line.unrealised) == (-12_948_00, 52_00)  # at 130.00, the mid of that day
    assert line.result == 52_00 // 130
    assert lines(line.movement_id) == {"equity:fx_revaluation:USD": 40, "income:fx_unrealised:USD": -40}
    assert Journal.objects.get(pk=line.movement_id).effective_at.date() == today()
    assert done.rates == [{"base": "USD", "quote": "KES", "rate": "130", "source": f"cbk USD/KES of {today()}"}]
    assert (done.approval.maker, done.approval.checker, balances()) == (finance, checker, (40, 40))
    assert_books_balance()


@pytest.mark.usefixtures("exchanged")
def test_the_next_one_takes_back_the_one_before_so_that_the_account_says_the_latest(
    finance: User, checker: User
) -> None:
    first = revalued(finance, checker, today()).lines.get()

    lost = revalued(finance, checker, today() + timedelta(days=1), "140").lines.get()

    assert lost.undoes == first
    assert lines(lost.undo_id) == {"equity:fx_revaluation:USD": -40, "income:fx_unrealised:USD": 40}
    assert lost.unrealised == -9960 * 140 + 13_000_00
    assert lost.result == Fraction(lost.unrealised, 140).__floor__() < 0
    assert lines(lost.movement_id) == {
        "equity:fx_revaluation:USD": lost.result, "income:fx_unrealised:USD": -lost.result,
    }  # fmt: skip
    assert balances() == (lost.result, lost.result)
    assert_books_balance()


@pytest.mark.usefixtures("exchanged")
def test_what_was_closed_since_is_only_taken_back(kes: Wallet, usd: Wallet, finance: User, checker: User) -> None:
    revalued(finance, checker, today())
    fund(usd, 100_00)
    back = quoted(usd, "KES", 99_60)
    post_one(conversion(back, usd, kes)).or_raise()
    line = revalued(finance, checker, today() + timedelta(days=1)).lines.get()

    assert (line.held, line.result, line.movement, balances()) == (0, 0, None, (0, 0))
    with pytest.raises(NothingToRevalue):
        plan_revaluation(today() + timedelta(days=2), {})
    assert_books_balance()


@pytest.mark.usefixtures("exchanged")
def test_a_result_is_reported_across_other_currencies_too(kes: Wallet, finance: User, checker: User) -> None:
    """Shillings against naira: the result is in naira, and posted in dollars."""
    ngn = new_wallet(kes.customer, "NGN")
    post_one(conversion(quoted(kes, "NGN", 1_000_00), kes, ngn)).or_raise()

    done = revalued(finance, checker, today())

    assert [(one["base"], one["quote"]) for one in done.rates] == [("USD", "KES"), ("USD", "NGN")]
    pair = next(one for one in positions.results() if (one.base, one.quote) == ("KES", "NGN"))
    line = done.lines.get(base="KES")
    assert line.value == 1_000_00 * 1500 // 130 and line.cost == pair.cost
    assert line.result == line.unrealised // 1500
    assert balances() == (40 + line.result,) * 2
    assert_books_balance()


@pytest.mark.usefixtures("exchanged")
def test_days_that_cannot_be_revalued_are_refused_and_nothing_is_posted(
    finance: User, checker: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = today()
    with pytest.raises(NothingToRevalue):
        plan_revaluation(day - timedelta(days=1), {})
    with pytest.raises(RevaluationDayOpen):
        plan_revaluation(day + timedelta(days=9), {})
    before = Transaction.objects.count()
    revalued(finance, checker, day)
    for again in (day, day - timedelta(days=1)):
        with pytest.raises(RevaluationDone):
            plan_revaluation(again, {})
    assert Transaction.objects.count() == before + 1
    monkeypatch.setattr(revaluations, "closed_through", lambda: day + timedelta(days=1))
    with pytest.raises(RevaluationDayClosed):
        plan_revaluation(day + timedelta(days=1), {})


@pytest.mark.usefixtures("exchanged")
def test_a_chosen_rate_says_why_and_is_of_a_currency_that_counts(finance: User, checker: User) -> None:
    for rates, because in (({"KES": "131"}, ""), ({"KES": "0.000"}, "x"), ({"KES": "1e3"}, "x"), ({"RWF": "9"}, "x"),
                           ({"KES": "9999999999999999"}, "x"), ({"KES": "0.000000000001"}, "x")):  # fmt: skip
        with pytest.raises(RevaluationRateUnclear):
            request_approval(NAME, {"day": today(), "rates": rates, "because": because}, maker=finance, reason="r")

    done = revalued(finance, checker, today(), "131.25", "the auction of that evening")

    assert done.rates == [{"base": "USD", "quote": "KES", "rate": "131.25", "source": "chosen"}]
    assert ["Why another rate", "the auction of that evening"] in done.approval.preview["facts"]


@pytest.mark.usefixtures("exchanged")
def test_two_people_post_it_what_was_shown_or_nothing(finance: User, checker: User) -> None:
    asked = request_approval(NAME, {"day": today()}, maker=finance, reason="month end")
    shown = [(leg["account"], leg["side"], leg["amount_minor"]) for leg in asked.preview["legs"]]
    assert shown == [("equity:fx_revaluation:USD", "debit", 40), ("income:fx_unrealised:USD", "credit", 40)]
    with pytest.raises(OwnRequest):
        approve(asked.pk, actor=finance)
    with pytest.raises(ApprovalNeeded):
        post_revaluation(plan_revaluation(today(), {}), approval=asked, actor=finance, checker=finance)
    load("cbk", cbk(f"{today():%d/%m/%Y},US DOLLAR,131,130.5,131.5"))  # the bank corrects itself
    with pytest.raises(ApprovalStale):
        approve(asked.pk, actor=checker)
    assert not Revaluation.objects.exists() and balances() == (0, 0)


@pytest.mark.usefixtures("exchanged")
def test_the_books_say_so_when_a_revaluation_is_forged_and_the_database_refuses_it(
    finance: User, checker: User
) -> None:
    """The control of this file: an adjustment of its accounts by hand, which belongs to no revaluation."""
    revalued(finance, checker, today())
    forged = Movement(
        kind="adjustment", amount=5, currency="USD", caller=finance.principal, key=key(),
        debit="equity:fx_revaluation:USD", credit="income:fx_unrealised:USD",
    )  # fmt: skip
    post_one(forged).or_raise()

    found = {finding.name.split()[0] for finding in verify().findings}
    assert found == {"transaction", "equity:fx_revaluation:USD", "income:fx_unrealised:USD"}
    with pytest.raises(DatabaseError, match="nobody has approved it"), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.usefixtures("exchanged")
@pytest.mark.parametrize("spoilt", [{"result": 39}, {"value": 0}, {"approved": False}])
def test_a_line_that_says_something_else_than_its_journal_is_refused(
    finance: User, checker: User, spoilt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "approved" in spoilt:
        monkeypatch.setattr("staff.approvals.close", lambda row, *args, **said: None)
    else:
        monkeypatch.setattr(
            RevaluationLine.objects, "bulk_create", _spoilt(RevaluationLine.objects.bulk_create, spoilt)
        )

    with pytest.raises(DatabaseError, match="revaluation"):
        revalued(finance, checker, today())


def _spoilt(real: Callable[..., Any], fields: dict[str, Any]) -> Callable[..., Any]:
    def create(rows: Any) -> Any:
        rows = list(rows)
        for row in rows:
            for name, value in fields.items():
                setattr(row, name, value)
        return real(rows)

    return create


@pytest.mark.usefixtures("exchanged")
def test_the_command_shows_it_asks_for_it_and_says_when_it_is_done(finance: User, checker: User) -> None:
    said = StringIO()
    call_command("revalue", day=today(), stdout=said)
    assert "Unrealised in all: USD 0.40" in said.getvalue() and not Approval.objects.exists()
    with pytest.raises(CommandError, match="revaluation_rate_unclear"):
        call_command("revalue", day=today(), rate=["KES=130"], stdout=said)

    call_command("revalue", day=today(), maker=finance.username, reason="month end", stdout=said)

    approve(Approval.objects.get().pk, actor=checker)
    call_command("revalue", day=today(), stdout=said)
    assert "is posted already" in said.getvalue() and Revaluation.objects.count() == 1


@pytest.mark.usefixtures("exchanged")
def test_the_back_office_shows_what_it_would_do_asks_and_tells_what_was_posted(finance: User, checker: User) -> None:
    client, dialog = client_of(finance), reverse("admin:transactions_revaluation_revalue")
    monday = today()
    filled = {"day": str(monday), "rates": "USD/KES 150", "reason": "month end"}
    assert "Say why another rate" in client.post(dialog, filled).text
    asked_twice = client.post(dialog, filled | {"because": "the auction"}).text
    assert "15.3 % off the mid of that day, 130" in asked_twice and "USD/KES: unrealised" in asked_twice
    assert "Write it as USD/KES" in client.post(dialog, filled | {"rates": "KES 150"}).text

    assert client.post(dialog, {"day": str(monday), "reason": "month end"}).status_code == 302
    approve(Approval.objects.get().pk, actor=checker)

    done = Revaluation.objects.get()
    page = client.get(reverse("admin:transactions_revaluation_change", args=[done.pk])).text
    for shown in ("USD/KES", "-12,948.00", "52.00", "0.40", "cbk USD/KES of", str(done.lines.get().movement_id)):
        assert shown in page, shown
    assert "0.40" in client.get(reverse("admin:transactions_revaluation_changelist")).text
    now_and_posted = client.get(reverse("admin:fx_positions")).text
    assert f"Posted, {done.day:%-d %b %Y}" in now_and_posted and "0.40" in now_and_posted
