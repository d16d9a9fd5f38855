"""Giving the fee of one transaction back, and sparing a customer their fees for a time: who may, how much, once."""

from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from django.db import DatabaseError, connection
from django.db import transaction as db_transaction

from core.errors import TekanaError
from core.models import AuditRecord
from ledger.selectors import coverage, legs_of
from staff.approvals import approve, request_approval
from staff.errors import ApprovalNeeded
from staff.models import User
from staff.roles import Role
from tests.books import assert_books_balance, fund, key, posted, transfer
from tests.holding import capture, held
from tests.racing import at_once
from transactions import tariff
from transactions.authority import WAIVES_ALONE
from transactions.errors import MoreThanFee, NoFeeLeft, PriceUnclear, WaiverUnclear
from transactions.models import Event, FeeRule, FeeWaiver, Kind, ReversalReason, Transaction, WaivedFee
from transactions.posting import post_one
from transactions.price_approvals import fee_return, fee_waiver, fees
from transactions.services.relay import notices_of
from transactions.services.reversals import reverse_transaction
from transactions.services.waivers import fee_left, waive_fee, waived_alone
from transactions.tariff import WHOLE_BPS


def member(role: str) -> User:
    about = {"full_name": role, "email": f"{role}@example.com"}
    return User.objects.create_user(role, "a long enough sentence", role, **about)


@pytest.fixture
def agent(db):
    return member(Role.SUPPORT)


@pytest.fixture
def senior(db):
    return member(Role.SENIOR_SUPPORT)


@pytest.fixture
def sent(db, aline, eric):
    """1,000 at a fee of 60 for the payer and 40 for the payee."""
    FeeRule.objects.create(kind="transfer", currency="RWF", effective_from=date.today(), flat=100, payee_bps=4_000)
    tariff.forget()
    fund(aline, 5_000)
    yield Transaction.objects.get(pk=post_one(transfer(aline, eric, 1_000)).or_raise().transaction)
    tariff.forget()


def waive(sent, agent, amount, **more):
    return waive_fee(sent.pk, amount=amount, reason="late", actor=agent, idempotency_key=more.pop("key", key()), **more)


def test_a_fee_that_is_waived_goes_back_to_who_paid_it_by_a_journal_of_its_own(sent, agent, aline, eric):
    waived = waive(sent, agent, 60)
    waive(sent, agent, 15, of_payee=True)

    assert (posted(aline), posted(eric)) == (4_000, 975)
    assert next(one.fees for one in coverage("RWF")) == 25
    assert [(leg.side, leg.amount, leg.code.partition(":")[0]) for leg in legs_of(waived.transaction)] == [
        (1, 60, "income"), (-1, 60, "liability"),
    ]  # fmt: skip
    assert (fee_left(sent, of_payee=False), fee_left(sent, of_payee=True)) == (0, 25)
    link = WaivedFee.objects.get(transaction=sent, of_payee=False)
    assert (link.movement_id, link.amount) == (waived.transaction, 60)
    record = AuditRecord.objects.filter(action="waive_fee").earliest("pk")
    assert (record.subject_id, record.reason, record.after["amount_minor"]) == (str(sent.pk), "late", 60)
    event = Event.objects.select_related("transaction__payee__customer").get(pk=waived.transaction)
    assert [notice.kind for notice in notices_of(event)] == ["fee_waived"]
    assert_books_balance()


def test_what_was_waived_does_not_go_back_again(sent, agent, aline, eric):
    waive(sent, agent, 45)
    fund(eric, 100)

    back = {"reason_code": "duplicate", "actor": None}
    reverse_transaction(sent.pk, amount=1_000, **back, idempotency_key=key())

    assert (posted(aline), posted(eric)) == (5_000, 100)
    assert fee_left(Transaction.objects.get(pk=sent.pk), of_payee=False) == 0
    with pytest.raises(NoFeeLeft):
        waive(sent, agent, 1)
    assert_books_balance()


def test_no_more_is_waived_than_is_left(sent, agent):
    with pytest.raises(MoreThanFee) as refused:
        waive(sent, agent, 61)
    assert refused.value.facts["left_minor"] == 60
    waive(sent, agent, 60)
    with pytest.raises(NoFeeLeft):
        waive(sent, agent, 1)
    assert WaivedFee.objects.count() == 1


def test_the_fee_of_a_hold_is_that_of_its_captures_and_is_waived_there_alone(aline, eric, agent):
    FeeRule.objects.create(
        kind=Kind.PAYMENT, currency="RWF", flat=40, bps=0, effective_from=datetime.now(UTC).date() - timedelta(days=1)
    )
    tariff.forget()
    fund(aline, 2_000)
    hold = held(aline, eric, 1_000)
    taken = post_one(capture(hold)).or_raise().transaction
    promised, payment = (Transaction.objects.get(pk=one) for one in (hold, taken))

    assert (promised.state, promised.fee, payment.fee) == ("completed", 40, 40)
    with pytest.raises(NoFeeLeft):
        waive_fee(hold, amount=40, reason="goodwill", actor=agent, idempotency_key=key())
    waive_fee(payment.pk, amount=40, reason="goodwill", actor=agent, idempotency_key=key())

    assert (posted(aline), posted(eric)) == (1_000, 1_000)
    assert_books_balance()


def test_the_same_key_waives_once(sent, agent, aline):
    name = key()
    first = waive(sent, agent, 60, key=name)
    again = waive(sent, agent, 60, key=name)

    assert again.replayed and again.transaction == first.transaction
    assert posted(aline) == 4_000 and WaivedFee.objects.count() == 1


def test_above_what_a_role_waives_alone_a_second_person_decides(sent, agent, senior, aline, monkeypatch):
    monkeypatch.setitem(WAIVES_ALONE[Role.SUPPORT], "RWF", 50)
    waive(sent, agent, 40)
    with pytest.raises(ApprovalNeeded):
        waive(sent, agent, 11)
    params = {"transaction": sent.pk, "amount_minor": 20, "of_payee": False}
    asked = request_approval(fee_return.name, params, maker=agent, reason="twice late")
    assert posted(aline) == 3_980 and ["Waived", "RWF 20"] in asked.preview["facts"]

    approve(asked.pk, actor=senior)

    assert posted(aline) == 4_000
    waived = WaivedFee.objects.latest("pk")
    assert waived.amount == 20 and waived.movement.caller == agent.principal
    waive(sent, agent, 10, of_payee=True)  # what a second person approved does not count against it
    assert_books_balance()


def test_without_its_row_an_adjustment_that_gives_a_fee_back_is_refused(sent, agent, monkeypatch):
    monkeypatch.setattr(WaivedFee.objects, "create", lambda **fields: None)
    with db_transaction.atomic(), connection.cursor() as cursor:
        waive(sent, agent, 10)
        with pytest.raises(DatabaseError, match="nobody has approved it"):
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        db_transaction.set_rollback(True)


def test_a_row_that_says_more_than_was_paid_is_refused(sent, agent):
    waived = waive(sent, agent, 60)
    top_up = Transaction.objects.filter(kind=Kind.TOP_UP).first()
    with db_transaction.atomic(), connection.cursor() as cursor:
        WaivedFee.objects.create(transaction=sent, movement=top_up, of_payee=False, amount=60)
        with pytest.raises(DatabaseError, match="says something else"):
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        db_transaction.set_rollback(True)
    assert waived.transaction


# --- For a time ------------------------------------------------------------------------------------------------------
def asked_for(wallet, **changes):
    today = datetime.now(UTC).date()
    return {
        "customer": wallet.customer_id, "kind": "", "currency": "", "bps": WHOLE_BPS,
        "effective_from": today, "last_day": today + timedelta(days=30),
    } | changes  # fmt: skip


def test_a_customer_is_spared_when_a_second_person_approves(sent, agent, senior, aline, eric):
    waiting = request_approval(fee_waiver.name, asked_for(aline), maker=agent, reason="outage")
    assert post_one(transfer(aline, eric, 100)).or_raise().fee == 60
    assert any(label.startswith("Fees they paid") for label, _ in waiting.preview["context"])

    approve(waiting.pk, actor=senior)
    tariff.forget()

    paid = post_one(transfer(aline, eric, 100)).or_raise()
    assert (paid.fee, paid.payee_fee) == (0, 40)
    row = FeeWaiver.objects.get()
    assert (row.reason, row.granted_by) == ("outage", agent.principal)
    subjects = AuditRecord.objects.filter(action="grant_fee_waiver").values_list("subject_type", flat=True)
    assert set(subjects) == {"transactions.feewaiver", "customers.customer"}
    assert_books_balance()


# --- Beside reversals ------------------------------------------------------------------------------------------------
def back(sent, amount, reason):
    reverse_transaction(sent.pk, amount=amount, reason_code=reason, actor=None, idempotency_key=key())


@pytest.fixture
def shared(db):
    return ReversalReason.objects.create(code="shared", title="Shared", refunds_fee=True, fee_by_share=True).pk


@pytest.mark.parametrize(("of_payee", "gone", "left"), [(False, 18, 42), (True, 12, 28)])
def test_after_a_part_went_back_its_share_of_the_fee_is_not_waived_again(
    sent, agent, shared, aline, eric, of_payee, gone, left
):
    back(sent, 300, shared)
    paid = sent.payee_fee if of_payee else sent.fee
    assert fee_left(again(sent), of_payee=of_payee) == paid - gone == left
    with pytest.raises(MoreThanFee):
        waive(sent, agent, left + 1, of_payee=of_payee)

    waive(sent, agent, left, of_payee=of_payee)
    back(sent, 700, shared)

    assert (posted(aline), posted(eric)) == (5_000, 0)  # all of it is undone, and both fees went back once
    assert income() == 0
    assert_books_balance()


def test_what_we_keep_is_what_was_paid_less_what_was_waived_and_what_went_back(sent, agent, shared, aline, eric):
    others = [Transaction.objects.get(pk=post_one(transfer(aline, eric, 500)).or_raise().transaction) for _ in "ab"]
    waive(sent, agent, 25)
    waive(others[0], agent, 13, of_payee=True)
    back(sent, 400, shared)
    back(others[1], 500, "duplicate")

    rows = [again(one) for one in (sent, *others)]
    left = sum(fee_left(row, of_payee=of_payee) for row in rows for of_payee in (False, True))

    assert [(row.fee, row.payee_fee) for row in rows] == [(60, 40)] * 3
    assert income() == left == 300 - 25 - 13 - 24 - 16 - 100
    assert_books_balance()


def again(sent):
    return Transaction.objects.get(pk=sent.pk)


def income():
    return next((one.fees for one in coverage("RWF")), 0)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_waive_the_same_fee_at_once_one_does_and_never_beside_a_reversal(sent, agent, senior, aline, eric):
    ends = []

    def ended(act):
        try:
            act()
        except TekanaError as refused:
            ends.append(refused.code)

    at_once([partial(ended, partial(waive, sent, who, 60)) for who in (agent, senior)])
    to_payee = partial(waive, sent, agent, 40, of_payee=True)
    at_once([partial(ended, to_payee), partial(ended, partial(back, sent, 1_000, "duplicate"))])

    assert "no_fee_left" in ends
    row = again(sent)
    assert (fee_left(row, of_payee=False), WaivedFee.objects.filter(of_payee=False).count()) == (0, 1)
    assert posted(aline) + posted(eric) + income() == 5_000
    assert row.state != "reversed" or (posted(aline), income()) == (5_000, 0)
    assert_books_balance()


def test_how_much_was_waived_alone_takes_one_look_however_often_it_was(sent, agent, aline, eric, statements):
    def looks():
        many = WaivedFee.objects.count()
        statements.clear()
        assert waived_alone(WaivedFee.objects.filter(movement__currency="RWF")) == 10 * many
        return len(statements)

    waive(sent, agent, 10)
    once = looks()
    for _ in range(3):
        waive(sent, agent, 10)
    assert looks() == once == 1


@pytest.mark.parametrize("changes", [{"bps": 10_001}, {"last_day": "2020-01-01"}])
def test_a_waiver_that_says_nothing_clear_is_refused(agent, aline, changes):
    with pytest.raises(WaiverUnclear):
        request_approval(fee_waiver.name, asked_for(aline, **changes), maker=agent, reason="x")


# --- What is a price -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "terms",
    [
        {"bands": [[100, 1, 0]]}, {"bands": [[100, 1, 0], [50, 2, 0]], "bands_are": "whole"},
        {"least": 10, "most": 5}, {"least": 15, "round_to": 10}, {"round_to": -1},
        {"kind": "cash_out", "payee_bps": 10_000}, {"kind": "cash_out", "to_country": "KE"},
        {"kind": "top_up", "from_country": "KE"}, {"partner": "sandbox"}, {"last_day": "2020-01-01"},
        {"kind": "conversion", "bands": [[100, 1, 0]], "bands_are": "whole"},
    ],
)  # fmt: skip
def test_what_is_no_price_is_refused_before_anybody_is_asked(db, terms):
    asked = {"kind": "transfer", "currency": "RWF", "flat": 0, "bps": 0, "effective_from": date.today()}
    with pytest.raises(PriceUnclear):
        fees.clean(asked | terms)
