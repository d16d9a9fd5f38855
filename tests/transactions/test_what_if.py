"""A price tried on what was comes to what it would have come to: the same arithmetic as posting, whatever the price,
and whatever became of the worker meanwhile."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.admin.lists import first_id_at
from core.ids import uuid7
from core.models import AuditRecord, FailedJob
from staff.models import User
from tests.books import assert_books_balance, fund, key, transfer
from tests.factories import new_wallet
from tests.holding import capture, held
from tests.transactions.test_conversions import conversion, quoted
from transactions import tariff, what_if
from transactions.errors import PriceTrialNotFound, PriceUnclear, TooManyPriceTrials
from transactions.models import FeeRule, FeeWaiver, Kind, PriceTrial, Transaction
from transactions.movements import Movement
from transactions.posting import post, post_one
from transactions.services import price_trials
from transactions.services.price_trials import request_trial, run_trial, sweep_trials, trying
from transactions.tariff import Band, Fee
from transactions.what_if import Trial, WhatIf, before
from wallets.models import Wallet
from wallets.parties import Address

AMOUNTS = [7, 99, 100, 101, 100, 1_500, 25_000]
PRICES = [
    Fee(10, 150, date.min),
    Fee(0, 100, date.min, least=5, most=40),
    Fee(3, 0, date.min, bands=(Band(100, 20, 0), Band(1_000, 0, 90)), round_to=5, rounding="up"),
    Fee(3, 33, date.min, bands=(Band(100, 1, 20), Band(1_000, 7, 9)), marginal=True, round_to=10),
]


@pytest.fixture(autouse=True)
def _fresh_tariff() -> Iterator[None]:
    tariff.forget()
    yield
    tariff.forget()


def tried(kind: str, fee: Fee, currency: str = "RWF", days: int = 30) -> WhatIf:
    """As a worker does it, all at once."""
    until = timezone.now() + timedelta(seconds=1)
    since = until - timedelta(days=days)
    trial, at = Trial(kind, currency, fee, since), before(since)
    while (reached := trial.chunk(at, first_id_at(until))) is not None:
        at = reached
    return trial.found


def price(kind: str, currency: str = "RWF", **fields: Any) -> Fee:
    """From yesterday on, and as what it would be tried as."""
    FeeRule.objects.create(kind=kind, currency=currency, effective_from=date.today() - timedelta(days=1), **fields)
    tariff.forget()
    return next(Fee(*rule[2:]) for rule in tariff.fee_rows() if rule[-1] == FeeRule.objects.latest("pk").pk)


@pytest.fixture
def moved(db: None, aline: Wallet, eric: Wallet) -> None:
    price("transfer", flat=4)
    fund(aline, 100_000)
    outcomes = post([transfer(aline, eric, amount) for amount in AMOUNTS])
    assert all(one.error is None for one in outcomes)
    post_one(transfer(aline, eric, 10_000_000))  # refused: counts for nothing


# --- What it comes to ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fee", PRICES)
def test_it_comes_to_what_each_movement_would_have_cost(moved: None, fee: Fee) -> None:
    found = tried("transfer", fee)

    assert (found.all.count, found.all.actual) == (len(AMOUNTS), 4 * len(AMOUNTS))
    assert found.met.would_be == found.all.would_be == sum(fee.on(amount) for amount in AMOUNTS)
    changes = [fee.on(amount) - 4 for amount in AMOUNTS]
    assert (found.dearer, found.same, found.cheaper) == (
        sum(one > 0 for one in changes), sum(one == 0 for one in changes), sum(one < 0 for one in changes),
    )  # fmt: skip
    assert sum(one.would_be for one in found.by_size.values()) == found.all.would_be
    assert not FeeRule.objects.filter(flat=fee.flat, bps=fee.bps).exists()


def test_a_price_for_others_or_of_another_kind_changes_nothing(moved: None, aline: Wallet) -> None:
    nobody = Fee(99, 0, date.min, tier=aline.customer.tier + 1)

    for kind, fee in (("transfer", nobody), ("cash_out", Fee(99, 0, date.min))):
        found = tried(kind, fee)
        assert found.met.count == 0 and found.all.actual == found.all.would_be


def test_a_rule_of_somebodys_own_goes_before_it(moved: None, aline: Wallet) -> None:
    FeeRule.objects.create(
        kind="transfer", currency="RWF", effective_from=date.today() - timedelta(days=40), flat=1,
        tier=aline.customer.tier,
    )  # fmt: skip

    assert tried("transfer", Fee(9, 0, date.min)).met.count == 0


def test_what_would_not_have_arrived_would_have_been_refused(moved: None) -> None:
    found = tried("transfer", Fee(100, 0, date.min, payee_bps=tariff.WHOLE_BPS))

    assert found.refused == sum(amount <= 100 for amount in AMOUNTS)
    assert found.met.would_be == 100 * sum(amount > 100 for amount in AMOUNTS)


def test_what_customers_were_granted_is_taken_off_what_would_have_been(moved: None, aline: Wallet) -> None:
    day = date.today()
    FeeWaiver.objects.create(
        customer_id=aline.customer_id, bps=2_500, effective_from=day - timedelta(days=1),
        last_day=day + timedelta(days=1), reason="late", granted_by="staff:1",
    )  # fmt: skip

    found = tried("transfer", Fee(10, 0, date.min))

    assert found.met.would_be == 7 * len(AMOUNTS)


@pytest.mark.parametrize(
    "fields",
    [
        {"flat": 7, "bps": 150, "payee_bps": 3_300},
        {"bps": 90, "least": 25, "most": 60},
        {"flat": 10, "bands": [[300, 40, 0], [700, 5, 0]], "bands_are": "whole"},
        {"flat": 3, "bands": [[300, 0, 100]], "bands_are": "marginal", "round_to": 5, "rounding": "up"},
    ],
)
def test_the_price_that_was_in_force_would_have_brought_what_it_brought(
    db: None, aline: Wallet, eric: Wallet, fields: dict[str, Any]
) -> None:
    """Payments at once and holds taken in parts, with a waiver: the books are the other side of the comparison."""
    fee = price("payment", **fields)
    FeeWaiver.objects.create(
        customer_id=aline.customer_id, bps=1_000, effective_from=date.today() - timedelta(days=1),
        last_day=date.today() + timedelta(days=1), reason="late", granted_by="staff:1",
    )  # fmt: skip
    fund(aline, 20_000)
    tariff.forget()
    for promised, parts in ((1_000, [250, 400, 350]), (900, [100, 100]), (500, [500])):
        hold = held(aline, eric, promised)
        for part in parts:
            post_one(capture(hold, part)).or_raise()
    paid = {"payer": Address("wallet", str(aline.pk)), "payee": Address("wallet", str(eric.pk))}
    for amount in (299, 300, 699, 700):
        asked = {"kind": Kind.PAYMENT, "amount": amount, "currency": "RWF", "caller": "job:test", "key": key()}
        post_one(Movement(**asked, **paid)).or_raise()

    found = tried("payment", fee)

    rows = Transaction.objects.filter(kind=Kind.PAYMENT, state="completed")
    earned = sum(one.fee + one.payee_fee for one in rows)
    assert found.met.count == len(rows) == 10
    assert found.all.would_be == found.all.actual == earned > 0
    assert found.same == 10, "each by itself, not only their sum"
    assert_books_balance()


def test_a_capture_costs_what_the_hold_costs_with_it_less_what_it_cost_without(
    db: None, aline: Wallet, eric: Wallet
) -> None:
    """Alone each would bear the least again: the negative control."""
    fund(aline, 20_000)
    hold = held(aline, eric, 1_000)
    for part in (400, 300, 300):
        post_one(capture(hold, part)).or_raise()

    found = tried("payment", Fee(0, 0, date.min, least=50))

    assert (found.met.would_be, found.dearer, found.same) == (50, 1, 2)


@pytest.mark.usefixtures("market")
def test_what_a_quote_was_taken_for_is_priced_by_all_that_left_the_wallet(kes: Wallet, usd: Wallet) -> None:
    fee = price("conversion", "KES", flat=5_00, bps=25)
    post_one(conversion(quoted(kes), kes, usd)).or_raise()

    found = tried("conversion", fee, "KES")

    assert found.all.would_be == found.all.actual == fee.on(13_000_00)
    assert tried("conversion", Fee(0, 100, date.min), "KES").met.would_be == 130_00


# --- The queue -------------------------------------------------------------------------------------------------------
ASKED = {"kind": "transfer", "currency": "RWF", "flat": 7, "bps": 0}


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user(
        "finance", "a long enough sentence", "finance", full_name="F", email="f@example.com"
    )


def ask(person: User, **asked: Any) -> PriceTrial:
    trial = request_trial(ASKED | asked, days=7, actor=person, key=uuid7())
    PriceTrial.objects.filter(pk=trial.pk).update(until=timezone.now() + timedelta(seconds=1))
    return trial


def done(trial: PriceTrial) -> WhatIf:
    trial = PriceTrial.objects.get(pk=trial.pk)
    assert (trial.state, trial.percent, trial.error) == ("done", 100, "")
    return WhatIf.of(trial.found)


def test_a_worker_finds_the_same_chunk_by_chunk(moved: None, person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tried("transfer", Fee(7, 0, date.min))
    monkeypatch.setattr(what_if, "CHUNK", 2)

    trial = ask(person)
    assert run_trial(trial.pk) and not run_trial(trial.pk)

    assert done(trial) == whole
    assert AuditRecord.objects.get(action="try_price").subject_id == str(trial.pk)


def test_one_that_is_killed_goes_on_from_where_it_got_to(
    moved: None, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if, "CHUNK", 2)
    trial, real, chunks = ask(person), what_if.Trial.chunk, []

    def dies(self: Any, *args: Any) -> Any:
        chunks.append(args)
        if len(chunks) == 3:
            raise OSError("away")
        return real(self, *args)

    monkeypatch.setattr(what_if.Trial, "chunk", dies)
    run_trial(trial.pk)
    left = PriceTrial.objects.get(pk=trial.pk)
    assert left.state == "queued" and left.through and left.found["all"]["count"] > 0 and "OSError" in left.error
    assert not run_trial(trial.pk)  # a little later, not at once
    PriceTrial.objects.update(due_at=timezone.now())

    assert sweep_trials() and not sweep_trials()
    assert done(trial).all.count == len(AMOUNTS)


def test_whoever_comes_back_too_late_writes_nothing(moved: None, person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what_if, "CHUNK", 2)
    trial, real = ask(person), what_if.Trial.chunk

    def overtaken(self: Any, *args: Any) -> Any:
        PriceTrial.objects.update(lease=uuid7())
        return real(self, *args)

    monkeypatch.setattr(what_if.Trial, "chunk", overtaken)
    run_trial(trial.pk)

    left = PriceTrial.objects.get(pk=trial.pk)
    assert (left.state, left.found, left.through) == ("running", None, None)


def test_after_a_turn_it_lets_others_have_theirs(moved: None, person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what_if, "CHUNK", 2)
    clock = iter(range(0, 10_000, 15))
    monkeypatch.setattr(price_trials, "monotonic", lambda: next(clock))
    first, second = ask(person), ask(person, flat=9)

    turns = 0
    while run_trial(first.pk) or run_trial(second.pk):
        turns += 1

    assert turns > 2
    assert (done(first).met.would_be, done(second).met.would_be) == (7 * len(AMOUNTS), 9 * len(AMOUNTS))


def test_what_fails_time_and_again_is_left_to_people_who_may_start_it_again(
    moved: None, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = ask(person)
    with monkeypatch.context() as broken:
        broken.setattr(what_if.Trial, "chunk", lambda *args: 1 // 0)
        for _ in range(price_trials.ATTEMPTS):
            assert run_trial(trial.pk)
            PriceTrial.objects.update(due_at=timezone.now())
    row = PriceTrial.objects.get(pk=trial.pk)
    job = FailedJob.objects.get(kind="price_trial")
    assert row.state == "failed" and "Given up" in row.error and job.subject_id == str(trial.pk)
    assert trying.now(job) == "failed"

    trying.retry(job)
    run_trial(trial.pk)

    assert done(trial).all.count == len(AMOUNTS)


def test_a_worker_that_is_lost_each_time_is_given_up_too(person: User) -> None:
    trial = ask(person)
    PriceTrial.objects.update(attempts=price_trials.ATTEMPTS, state="running", due_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert not run_trial(trial.pk)
    assert PriceTrial.objects.get().state == "failed" and FailedJob.objects.get().error == "worker_lost"


def test_the_same_key_asks_once_and_nobody_asks_for_too_many(person: User) -> None:
    name = uuid7()
    first = request_trial(ASKED, days=30, actor=person, key=name)
    assert request_trial(ASKED, days=30, actor=person, key=name) == first
    somebody = User.objects.create_user(
        "other", "a long enough sentence", "finance", full_name="O", email="o@example.com"
    )
    with pytest.raises(PriceTrialNotFound):
        request_trial(ASKED, days=30, actor=somebody, key=name)
    with pytest.raises(PriceUnclear):
        request_trial(ASKED | {"least": 5, "most": 4}, days=30, actor=person, key=uuid7())
    for _ in range(price_trials.MOST_WAITING - 1):
        ask(person)
    with pytest.raises(TooManyPriceTrials):
        ask(person)


def test_nothing_at_all_is_an_answer_too(person: User) -> None:
    new_wallet()
    trial = ask(person)
    run_trial(trial.pk)

    found = done(trial)
    assert (found.all.count, found.by_size) == (0, {})
