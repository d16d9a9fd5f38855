"""Paying: in chunks or all at once, through refusals, killed workers and second tries; each item once."""

import csv
import io
import signal
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils.timezone import now

from core import failures
from core.models import FailedJob
from customers.models import TierLimit
from customers.services import suspend_customer
from ledger import books
from notifications.models import Notification
from payouts import running
from payouts.models import Batch, BatchState, Item
from payouts.services import cancel
from staff.models import User
from staff.roles import Role
from tests.books import assert_books_balance, fund, key, posted
from tests.factories import fresh, new_wallet
from tests.payouts.conftest import Person, lines, person
from tests.racing import in_another_process
from transactions import tariff
from transactions.models import FeeRule, FeeWaiver, Transaction
from wallets.services import freeze_wallet


@pytest.fixture
def owner(db: None) -> Person:
    """An individual, who approves alone."""
    return person(1_000_00, full_name="Grace Achieng")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK", 2)


def approved(owner: Person, items: list[dict[str, Any]], **options: Any) -> str:
    made = owner.make(items, key=key(), **options)
    assert made.json()["status"] == "validated", made.content
    assert owner.post(f"/{made.json()['payout_id']}/approve", key=key()).status_code == 200
    return str(made.json()["payout_id"])


def results(owner: Person, payout: str) -> list[str]:
    """As the file says, at any time."""
    content = owner.get(f"/{payout}/results").content.decode("utf-8-sig")
    return [row["status"] for row in csv.DictReader(io.StringIO(content))]


def lease_over() -> None:
    """As soon as nobody holds the row."""
    Batch.objects.filter(state=BatchState.POSTING).update(due_at=now())


def dying(real: Any, number: int) -> Any:
    """``real``, which dies after its call of that number, once."""
    calls = []

    def step(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        calls.append(1)
        if len(calls) == number:
            raise Killed
        return result

    return step


class Killed(BaseException):
    """What `kill -9` looks like from inside: nothing catches it, open database transactions roll back."""


# After which call of which step: in chunks of their own the second, so that something has been paid by then.
IN_CHUNKS = {"_take": 1, "_mine": 2, "_next": 2, "post": 2, "_pay": 2, "_keep": 2, "_complete": 1}
AT_ONCE = {"_take": 1, "_mine": 1, "_lock_accounts": 1, "_next": 2, "post": 2, "_pay": 3, "_keep": 1, "_complete": 1}


@pytest.mark.parametrize(("mode", "steps"), [("continue", IN_CHUNKS), ("all_or_nothing", AT_ONCE)])
def test_killed_after_any_step_everybody_is_paid_once(
    owner: Person, staff_of: Any, monkeypatch: pytest.MonkeyPatch, mode: str, steps: dict[str, int]
) -> None:
    staff = staff_of(5)
    reached = 0
    for name, number in steps.items():
        before = [posted(wallet) for wallet in staff]
        fund(owner.wallet, 5_00)  # type: ignore[arg-type]
        payout = approved(owner, lines(staff, 1_00), mode=mode, again=True)
        with monkeypatch.context() as patch:
            patch.setattr(running, name, dying(getattr(running, name), number))
            for _ in range(2):
                try:
                    running.run_due()
                except Killed:
                    reached += 1
                    lease_over()

        batch = fresh(Batch(pk=payout))
        assert (batch.state, batch.posted, batch.refused, batch.left) == ("completed", 5, 0, 0), name
        assert [posted(wallet) for wallet in staff] == [amount + 1_00 for amount in before], name
        assert Item.objects.filter(batch=payout, state="paid", tries=1).count() == 5
    assert reached == len(steps)
    assert Transaction.objects.filter(kind="payout", state="completed").count() == 5 * len(steps)
    assert_books_balance()


@pytest.mark.parametrize(("mode", "paid_by_then"), [("continue", 2), ("all_or_nothing", 0)])
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_leaves_whole_chunks_and_another_goes_on(
    staff_of: Any, mode: str, paid_by_then: int
) -> None:
    """A process of its own, and a signal that nothing can catch, between posting the second chunk and its commit."""
    owner, staff = person(1_000_00), staff_of(5)
    payout = approved(owner, lines(staff, 1_00), mode=mode)
    worker = in_another_process("tests.payouts.worker", 2, "_pay", 2)
    assert worker.stdout and worker.stdout.readline() == "here\n"
    assert running.run_due() == 0 and running.run(Batch.objects.get(pk=payout).pk) is False  # it is the other's

    worker.send_signal(signal.SIGKILL)

    assert worker.wait(60) == -signal.SIGKILL
    lease_over()
    batch = fresh(Batch(pk=payout))
    assert (batch.state, batch.posted, batch.runs) == ("posting", paid_by_then, 1)
    assert sum(posted(wallet) for wallet in staff) == paid_by_then * 1_00
    assert running.run_due() == 1
    batch = fresh(Batch(pk=payout))
    assert (batch.state, batch.posted, batch.refused, batch.runs) == ("completed", 5, 0, 2)
    assert [posted(wallet) for wallet in staff] == [1_00] * 5
    assert Transaction.objects.filter(kind="payout").count() == 5
    assert_books_balance()


def test_refused_items_stop_no_others_and_are_tried_again_alone(owner: Person, staff_of: Any) -> None:
    staff = staff_of(4)
    payout = approved(owner, lines(staff, 300_00))
    suspend_customer(staff[1].customer, actor=None, reason="lost papers")

    running.run_due()

    body = owner.get(f"/{payout}").json()
    assert body["status"] == "completed" and body["progress"]["paid"] == 3 and body["progress"]["refused"] == 1
    (refused,) = owner.get(f"/{payout}/items", status="refused").json()["data"]
    assert (refused["line"], refused["refusal_code"]) == (2, "recipient_unavailable") and refused["receipt"]
    told = Notification.objects.get(customer=owner.customer, kind="payout_done")
    assert told.title == "Your payout: 3 of 4 paid, 1 refused"

    type(staff[1].customer).objects.filter(pk=staff[1].customer_id).update(state="active")
    once = key()
    again = owner.post(f"/{payout}/retry", key=once)
    assert again.status_code == 200 and again.json()["progress"]["left"] == 1
    running.run_due()
    assert [posted(wallet) for wallet in staff] == [300_00, 0, 300_00, 300_00]  # 100 are left: too little
    assert Item.objects.get(batch=payout, line=2).refusal_code == "insufficient_funds"
    fund(owner.wallet, 200_00)  # type: ignore[arg-type]
    assert owner.post(f"/{payout}/retry", key=once).content == again.content  # the key was answered before
    running.run_due()
    assert posted(staff[1]) == 0
    owner.post(f"/{payout}/retry", key=key())
    running.run_due()

    assert [posted(wallet) for wallet in staff] == [300_00] * 4
    assert owner.post(f"/{payout}/retry", key=key()).json()["code"] == "nothing_to_retry"
    assert Item.objects.get(batch=payout, line=2).tries == 3
    assert_books_balance()


def test_all_or_nothing_locks_every_account_that_it_posts_to_before_the_first(
    owner: Person, staff_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the account of the fees and waits for a wallet of the file would otherwise wait for each other."""
    FeeRule.objects.create(kind="payout", currency="KES", flat=1_00, bps=0, effective_from=date(2026, 1, 1))
    tariff.forget()
    payout = approved(owner, lines(staff_of(5), 1_00), mode="all_or_nothing")
    locked: list[set[str]] = []
    real = books.lock
    monkeypatch.setattr(books, "lock", lambda work, codes: (locked.append(set(codes)), real(work, codes))[1])

    running.run_due()

    assert fresh(Batch(pk=payout)).posted_fees == 5_00
    first, afresh, *chunks = locked  # twice, for nobody has paid such a fee before
    assert len(chunks) == 3 and "income:fees:payout:KES" in first
    assert first == afresh == set.union(*chunks)
    assert_books_balance()


def test_what_it_costs_is_told_as_of_the_check_and_taken_as_of_the_day(owner: Person, staff_of: Any) -> None:
    payout = approved(owner, lines(staff_of(2), 10_00))
    FeeRule.objects.create(kind="payout", currency="KES", flat=1_00, bps=0, effective_from=date(2026, 1, 1))
    tariff.forget()

    running.run_due()

    body = owner.get(f"/{payout}").json()
    assert (body["summary"]["fees"], body["progress"]["fees"]) == ("0.00", "2.00")
    assert {row["fee"] for row in owner.get(f"/{payout}/items").json()["data"]} == {"1.00"}
    assert_books_balance()


def test_what_it_would_cost_is_what_it_costs_whoever_bears_it(owner: Person, staff_of: Any) -> None:
    FeeRule.objects.create(
        kind="payout", currency="KES", flat=5_00, bps=125, least=7_77, most=40_01, payee_bps=3_333,
        effective_from=date(2026, 1, 1),
    )  # fmt: skip
    FeeRule.objects.create(
        kind="payout", currency="KES", flat=9_99, tier=1, to_country_id="KE", effective_from=date(2026, 1, 1)
    )
    FeeWaiver.objects.create(
        customer=owner.customer, kind="payout", currency="KES", bps=2_500, effective_from=date(2026, 1, 1),
        last_day=date(2999, 1, 1), reason="for a month", granted_by="staff:1",
    )  # fmt: skip
    tariff.forget()
    fund(owner.wallet, 90_000_00)  # type: ignore[arg-type]
    amounts = ["2", "3.33", "150", "999.99", "5000", "70000"]
    items = [{"to": str(wallet.pk), "amount": amount} for wallet, amount in zip(staff_of(6), amounts, strict=True)]
    payout = approved(owner, items)
    checked = owner.get(f"/{payout}").json()
    assert [(one["line"], one["code"]) for one in checked["warnings"]] == [(1, "amount_below_fee")]

    running.run_due()

    told = owner.get(f"/{payout}/items").json()["data"]
    assert [row["refusal_code"] for row in told] == ["amount_below_fee", *[None] * 5]
    assert owner.get(f"/{payout}").json()["progress"]["fees"] == checked["summary"]["fees"] > "0"
    assert_books_balance()


def test_short_of_money_midway_the_rest_is_refused(owner: Person, staff_of: Any) -> None:
    payout = approved(owner, lines(staff_of(5), 250_00))

    running.run_due()

    items = Item.objects.filter(batch=payout).values_list("state", "refusal_code")
    assert list(items) == [("paid", "")] * 4 + [("refused", "insufficient_funds")]
    assert posted(owner.wallet) == 0  # type: ignore[arg-type]
    assert_books_balance()


def test_all_or_nothing_pays_nobody_and_names_the_line(owner: Person, staff_of: Any) -> None:
    staff = staff_of(5)
    payout = approved(owner, lines(staff, 250_00), mode="all_or_nothing")

    running.run_due()

    body = owner.get(f"/{payout}").json()
    assert body["status"] == "failed" and body["stopped_by"]["line"] == 5
    assert body["stopped_by"]["code"] == "insufficient_funds"
    assert not Transaction.objects.filter(kind="payout").exists() and posted(owner.wallet) == 1_000_00  # type: ignore[arg-type]
    assert Notification.objects.filter(customer=owner.customer, kind="payout_failed").exists()

    fund(owner.wallet, 250_00)  # type: ignore[arg-type]
    assert owner.post(f"/{payout}/retry", key=key()).status_code == 200
    running.run_due()
    assert owner.get(f"/{payout}").json()["progress"]["paid"] == 5
    assert_books_balance()


def test_what_holds_of_a_payer_holds_of_each_item(owner: Person, staff_of: Any) -> None:
    staff = staff_of(3)
    payout = approved(owner, lines(staff, 10_00))
    freeze_wallet(owner.wallet, mode="both", reason="stolen phone", actor=None)  # type: ignore[arg-type]

    running.run_due()

    assert set(Item.objects.filter(batch=payout).values_list("refusal_code", flat=True)) == {"wallet_frozen"}
    assert_books_balance()


def test_limits_count_for_each_item(db: None) -> None:
    small = person(9_000_00, tier=0)
    TierLimit.objects.create(
        country_id="KE", currency="KES", tier=0, per_movement=600_00, per_day=1_100_00, per_month=None, balance=None,
        effective_from=date(2026, 1, 1), source="test",
    )  # fmt: skip
    tariff.forget()
    amounts = ["500", "700", "500", "500", "100"]
    payout = approved(small, [{"to": str(new_wallet().pk), "amount": amount} for amount in amounts])
    warned = [(one["line"], one["code"]) for one in small.get(f"/{payout}").json()["warnings"]]
    assert warned == [(None, "limit_exceeded"), (2, "limit_exceeded")]

    running.run_due()

    told = Item.objects.filter(batch=payout).order_by("line").values_list("refusal_code", flat=True)
    assert list(told) == ["", "limit_exceeded", "", "limit_exceeded", ""]
    assert_books_balance()


def test_nothing_is_paid_before_its_day(owner: Person, staff_of: Any) -> None:
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    payout = approved(owner, lines(staff_of(2), 1_00), execute_on=day.isoformat())

    assert running.run_due() == 0
    due = fresh(Batch(pk=payout)).due_at
    assert (due.hour, due.date()) == (21, day - timedelta(days=1))  # midnight in Nairobi
    cancelled = owner.post(f"/{payout}/cancel")

    assert cancelled.json()["status"] == "cancelled"
    Batch.objects.filter(pk=payout).update(due_at=now())
    assert running.run_due() == 0
    assert_books_balance()


def test_operations_stop_one_midway_and_the_same_file_still_counts(
    owner: Person, staff_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = User.objects.create_user("otieno", None, Role.OPERATIONS, full_name="Otieno")
    items = lines(staff_of(4), 1_00)
    payout = approved(owner, items)
    taken = running._take(Batch.objects.get(pk=payout).pk)
    assert taken and running._pay_chunk(taken.pk, taken.runs)
    assert results(owner, payout) == ["paid", "paid", "waiting", "waiting"]

    assert owner.post(f"/{payout}/cancel").json()["code"] == "payout_not_open"
    cancel(taken.pk, actor=operations, note="a court asked")

    assert not running._pay_chunk(taken.pk, taken.runs)
    body = owner.get(f"/{payout}").json()
    assert body["status"] == "cancelled" and body["progress"]["paid"] == 2 and body["progress"]["left"] == 2
    assert results(owner, payout) == ["paid", "paid", "unpaid", "unpaid"]
    assert owner.make(items, key=key()).json()["code"] == "payout_exists"
    assert_books_balance()


def test_three_failures_in_a_row_wait_for_a_person_who_starts_it_again(
    owner: Person, staff_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    payout = approved(owner, lines(staff_of(3), 1_00))
    with monkeypatch.context() as patch:

        def away(*args: Any) -> Any:
            raise OperationalError("away")

        patch.setattr(running, "post", away)
        for _ in range(3):
            Batch.objects.update(due_at=now())
            assert running.run_due() == 1
        Batch.objects.update(due_at=now())
        assert running.run_due() == 0

    job = FailedJob.objects.get(kind="payout", subject_id=payout)
    assert failures.kinds()["payout"].now(job) == "posting, 3 of 3 left"
    failures.retry(job.pk, actor=None, reason="it is back")
    assert running.run_due() == 1
    assert fresh(Batch(pk=payout)).state == "completed"
    assert_books_balance()


def keep_tariff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read now, and not again while statements are counted."""
    monkeypatch.setattr(tariff, "KEPT_SECONDS", 3_600)
    tariff.current()


def test_a_chunk_takes_the_same_statements_however_many_items_it_has(
    owner: Person, staff_of: Any, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    monkeypatch.setattr(running, "CHUNK", 1_000)
    keep_tariff(monkeypatch)
    taken = []
    for count in (1, 7):
        payout = approved(owner, lines(staff_of(count), 1_00))
        batch = running._take(Batch.objects.get(pk=payout).pk)
        assert batch
        statements.clear()
        running._pay_chunk(batch.pk, batch.runs)
        taken.append(len(statements))
        while running._pay_chunk(batch.pk, batch.runs):
            pass

    assert taken[0] == taken[1] > 10, taken


def test_checking_a_file_takes_the_same_statements_however_many_items_it_has(
    owner: Person, staff_of: Any, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_tariff(monkeypatch)
    counted = []
    for count in (2, 9):
        items = lines(staff_of(count), 1_00)
        owner.get("")
        statements.clear()
        owner.make(items, key=key())
        counted.append(len(statements))

    assert counted[0] == counted[1] > 10, counted
