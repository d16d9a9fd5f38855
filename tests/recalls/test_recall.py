"""A recall holds what is left at once; consent returns it, refusal or the deadline lets it go; never below zero."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from core.errors import AmountNotPositive, IllegalTransition
from core.models import AuditRecord
from core.transitions import advance
from ledger.models import HoldEvent, Journal
from ledger.selectors import legs_of
from notifications.models import Notification
from recalls import services
from recalls.errors import (
    RecallClosed,
    RecallExists,
    RecallNoteMissing,
    RecallNotFound,
    RecallOpen,
    UnknownRecallReason,
)
from recalls.models import Recall, RecallEvent, RecallReason, RecallState
from recalls.services import consent, expire_recalls, refuse, withdraw
from staff.approvals import approve, request_approval
from staff.errors import ApprovalNeeded
from staff.models import User
from staff.roles import Role
from tests.books import assert_books_balance, available, fund, key, posted, transfer
from tests.factories import fresh
from transactions import tariff
from transactions.errors import NotReversible, RecipientShort, ReversalExceedsOriginal, TransactionNotFound
from transactions.models import FeeRule, ReversalReason, State, Transaction
from transactions.movements import Movement
from transactions.posting import post_one
from transactions.services.reversals import preview_reversal, reverse_transaction
from transactions.services.waivers import waive_fee
from wallets.errors import WalletFrozen
from wallets.parties import Address
from wallets.services import close_wallet, freeze_wallet


def told(customer: Any) -> list[str]:
    kinds = Notification.objects.filter(customer=customer, kind__startswith="recall").order_by("id")
    return list(kinds.values_list("kind", flat=True))


def late(monkeypatch: pytest.MonkeyPatch, recall: Recall) -> None:
    """It is later than the recall's deadline."""
    monkeypatch.setattr(services, "now", lambda: recall.deadline_at + timedelta(seconds=1))


def test_what_is_there_is_held_at_once_and_both_are_told(claim, aline, eric, grace, sent):
    recall = claim()

    assert (recall.claimed, recall.held, recall.state) == (1_000, 1_000, "open")
    assert (posted(eric), available(eric)) == (1_000, 0)
    hold = HoldEvent.objects.get(hold=recall.pk)
    assert (hold.kind, hold.amount, hold.expires_at) == ("placed", 1_000, recall.deadline_at)
    assert recall.deadline_at - recall.opened_at == timedelta(days=7)
    (event,) = recall.events.all()
    assert (event.from_state, event.to_state, event.actor, event.note) == ("", "open", grace.principal, recall.note)
    record = AuditRecord.objects.get(action="open_recall", subject_id=str(sent.pk))
    assert (record.actor, record.after["held_minor"]) == (grace.principal, 1_000)
    assert (told(aline.customer), told(eric.customer)) == (["recall_opened"], ["recall_asked"])
    asked = Notification.objects.get(kind="recall_asked")
    assert asked.transaction == sent.pk
    assert asked.title == "Aline M. asks for RWF 1,000 back"
    assert "Mukamana" not in asked.body and "digit" not in asked.body
    assert_books_balance()


def test_of_what_was_spent_nothing_is_held(claim, eric, spend):
    spend(700).or_raise()
    recall = claim()

    assert (recall.claimed, recall.held) == (1_000, 300)
    assert available(eric) == 0
    assert spend(1).error.code == "insufficient_funds"
    assert_books_balance()


def test_no_more_is_held_than_is_claimed(claim, eric):
    fund(eric, 9_000)

    assert claim(amount=400).held == 400
    assert available(eric) == 9_600
    assert_books_balance()


def test_where_nothing_is_left_there_is_no_recall(claim, eric, spend):
    spend(1_000).or_raise()

    with pytest.raises(RecipientShort) as refused:
        claim()

    assert refused.value.facts["shortfall_minor"] == 1_000
    assert not Recall.objects.exists() and not HoldEvent.objects.exists() and not RecallEvent.objects.exists()
    assert told(eric.customer) == []


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"amount": 1_001}, ReversalExceedsOriginal),
        ({"amount": 0}, AmountNotPositive),
        ({"amount": -5}, AmountNotPositive),
        ({"reason_code": "no_such"}, UnknownRecallReason),
        ({"note": "  "}, RecallNoteMissing),
        ({"transaction": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10"}, TransactionNotFound),
    ],
)
def test_what_makes_no_sense_is_refused_and_holds_nothing(claim, eric, asked, refusal):
    with pytest.raises(refusal):
        claim(**asked)

    assert available(eric) == 1_000
    assert not Recall.objects.exists()


def test_only_completed_transfers_and_payments_are_claimed_back(claim, aline, eric, grace):
    top_up = fund(aline, 10)
    refused = post_one(transfer(aline, eric, 10_000_000))
    gone = post_one(transfer(aline, eric, 100)).or_raise()
    reverse_transaction(gone.transaction, reason_code="fraud", actor=grace, note="x", idempotency_key="k" * 20)

    for wrong in (top_up.transaction, refused.transaction):
        with pytest.raises(NotReversible):
            claim(transaction=wrong, amount=1)
    with pytest.raises(NotReversible):
        claim(transaction=gone.transaction, amount=1)
    RecallReason.objects.filter(pk="duplicate").update(is_active=False)
    with pytest.raises(UnknownRecallReason):
        claim(reason_code="duplicate")
    assert not Recall.objects.exists()


def test_consent_gives_back_what_is_held_by_a_mirrored_linked_journal(claim, aline, eric, sent, spend):
    spend(700).or_raise()
    recall = claim()
    before = posted(aline)

    answered = consent(recall.pk, actor=f"customer:{eric.customer_id}")

    assert (answered.state, answered.returned) == ("consented", 300)
    reversal = fresh(answered).reversal
    assert (reversal.reverses_id, reversal.amount, reversal.state) == (sent.pk, 300, "completed")
    assert reversal.reason_code == "wrong_recipient"
    journal = Journal.objects.get(pk=reversal.pk)
    assert (journal.reverses_id, journal.reverses_all) == (sent.pk, False)
    assert sorted((leg.side, leg.amount) for leg in legs_of(reversal.pk)) == [(-1, 300), (1, 300)]
    assert (posted(aline), posted(eric), available(eric)) == (before + 300, 0, 0)
    assert fresh(sent).state == State.PARTIALLY_REVERSED
    kinds = HoldEvent.objects.filter(hold=recall.pk).order_by("seq").values_list("kind", "amount", "remaining_after")
    assert list(kinds) == [("placed", 300, 300), ("captured", 300, 0)]
    assert told(aline.customer) == ["recall_opened", "recall_consented"]
    assert "RWF 300 of the RWF 1,000" in Notification.objects.get(kind="recall_consented").body
    assert told(eric.customer) == ["recall_asked", "recall_answered"]
    assert_books_balance()


def test_a_whole_consent_reverses_the_whole(claim, eric, sent):
    consent(claim().pk, actor=f"customer:{eric.customer_id}")

    assert fresh(sent).state == State.REVERSED
    assert Journal.objects.get(reverses_id=sent.pk).reverses_all
    assert_books_balance()


def test_what_is_being_recalled_is_not_reversed_on_top(claim, eric, grace, sent):
    """The same money would be gone for a while and held, too."""
    fund(eric, 5_000)
    recall = claim(amount=400)
    asked = {"amount": 100, "reason_code": "fraud", "note": "x", "idempotency_key": "k" * 20}

    for how in ({"actor": grace}, {"actor": grace, "checker": grace}, {"actor": None}):
        with pytest.raises(RecallOpen, match="RWF 400 of it is held") as refused:
            reverse_transaction(sent.pk, **asked, **how)
    params = {"transaction": sent.pk, "amount_minor": 100, "reason_code": "fraud"}
    with pytest.raises(RecallOpen):
        request_approval("reversal", params, maker=grace, reason="x")
    assert isinstance(preview_reversal(sent.pk, reason_code="fraud", actor=grace).refusal, RecallOpen)

    assert refused.value.facts["recall_id"] == str(recall.pk)
    assert (posted(eric), available(eric), fresh(sent).reversed_amount) == (6_000, 5_600, 0)
    withdraw(recall.pk, actor=grace, note="she reverses it")
    reverse_transaction(sent.pk, actor=grace, **asked)
    assert fresh(sent).reversed_amount == 100
    assert_books_balance()


def test_a_reversal_that_waits_is_refused_once_a_recall_is_open(claim, eric, grace, sent):
    params = {"transaction": sent.pk, "amount_minor": 100, "reason_code": "fraud"}
    approval = request_approval("reversal", params, maker=grace, reason="x")
    claim()

    with pytest.raises(RecallOpen):
        approve(approval.pk, actor=User.objects.create_user("diane", None, Role.ADMINISTRATOR))

    assert (fresh(approval).state, fresh(sent).reversed_amount) == ("open", 0)


@pytest.fixture
def _as_it_was(settings: Any) -> None:
    """Before an open recall stood in the way of reversals; such cases may still be open."""
    settings.REVERSAL_OBSTACLES = []


@pytest.mark.usefixtures("_as_it_was")
def test_what_staff_gave_back_meanwhile_is_not_given_back_twice(claim, eric, grace, sent):
    fund(eric, 5_000)
    recall = claim()
    reverse_transaction(
        sent.pk, amount=800, reason_code="wrong_recipient", actor=grace, note="x", idempotency_key="k" * 20
    )

    answered = consent(recall.pk, actor=f"customer:{eric.customer_id}")

    assert answered.returned == 200
    assert posted(eric) == 5_000 == available(eric)
    assert fresh(sent).state == State.REVERSED
    kinds = HoldEvent.objects.filter(hold=recall.pk).order_by("seq").values_list("kind", "amount")
    assert list(kinds) == [("placed", 1_000), ("captured", 200), ("voided", 800)]
    assert_books_balance()


@pytest.mark.usefixtures("_as_it_was")
def test_where_nothing_is_left_to_give_back_consent_lets_the_hold_go(claim, eric, grace, sent):
    fund(eric, 5_000)
    recall = claim()
    reverse_transaction(sent.pk, reason_code="fraud", actor=grace, note="x", idempotency_key="k" * 20)

    answered = consent(recall.pk, actor=f"customer:{eric.customer_id}")

    assert (answered.state, answered.returned, answered.reversal_id) == ("consented", 0, None)
    assert available(eric) == 5_000
    assert "Nothing more was left" in Notification.objects.get(kind="recall_answered").body
    assert_books_balance()


@pytest.mark.parametrize("to", ["refused", "withdrawn"])
def test_refused_or_withdrawn_the_money_is_the_recipients_again(claim, aline, eric, grace, to):
    recall = claim()
    close = refuse if to == "refused" else withdraw

    closed = close(recall.pk, actor=grace, note="He called: it was for the rent.")

    assert (closed.state, closed.returned, closed.closed_by) == (to, 0, grace.principal)
    assert (posted(eric), available(eric)) == (1_000, 1_000)
    last = closed.events.last()
    assert (last.from_state, last.to_state, last.note) == ("open", to, "He called: it was for the rent.")
    assert AuditRecord.objects.filter(subject_id=str(recall.pk), after=to, actor=grace.principal).count() == 1
    assert told(aline.customer) == ["recall_opened", f"recall_{to}"]
    assert told(eric.customer) == ["recall_asked", "recall_released"]
    assert_books_balance()


def test_unanswered_it_ends_at_its_deadline_by_itself(claim, aline, eric, monkeypatch):
    recall = claim(reason_code="fraud")
    assert recall.deadline_at - recall.opened_at == timedelta(days=3)

    assert expire_recalls() == 0
    late(monkeypatch, recall)
    assert expire_recalls() == 1
    assert expire_recalls() == 0

    closed = fresh(recall)
    assert (closed.state, closed.closed_by) == ("expired", "system")
    assert HoldEvent.objects.filter(hold=recall.pk).last().kind == "expired"
    assert available(eric) == 1_000
    assert told(aline.customer)[-1] == "recall_expired"
    assert_books_balance()


def test_a_recall_that_cannot_be_closed_holds_up_no_other(claim, aline, eric, monkeypatch):
    stuck, other = claim(), claim(transaction=post_one(transfer(aline, eric, 300)).transaction)
    late(monkeypatch, max(stuck, other, key=lambda recall: recall.deadline_at))
    closed = services._closed

    def failing(recall: Any, *args: Any, **kwargs: Any) -> Recall:
        if recall == stuck.pk:
            raise ValueError("a row that nobody foresaw")
        return closed(recall, *args, **kwargs)

    monkeypatch.setattr(services, "_closed", failing)
    with pytest.raises(ValueError, match="nobody foresaw"):
        expire_recalls()

    assert (fresh(stuck).state, fresh(other).state) == ("open", "expired")


def test_who_answers_too_late_is_told_so_and_the_recall_is_closed_at_that_moment(claim, eric, monkeypatch):
    recall = claim()
    late(monkeypatch, recall)

    with pytest.raises(RecallClosed) as refused:
        consent(recall.pk, actor=f"customer:{eric.customer_id}")

    assert refused.value.facts == {"state": "expired"}
    assert fresh(recall).state == "expired"
    assert available(eric) == 1_000
    assert_books_balance()


def test_the_same_answer_again_is_no_error_and_another_is(claim, eric, grace):
    recall = claim()
    me = f"customer:{eric.customer_id}"

    first, again = consent(recall.pk, actor=me), consent(recall.pk, actor=me)

    assert (again.pk, again.returned, again.closed_at) == (first.pk, first.returned, first.closed_at)
    for close in (refuse, withdraw):
        with pytest.raises(RecallClosed):
            close(recall.pk, actor=grace, note="no")
    assert RecallEvent.objects.filter(recall=recall).count() == 2
    assert posted(eric) == 0
    with pytest.raises(IllegalTransition):
        advance(fresh(recall).expire, actor=None)


def test_a_payment_is_claimed_back_once_unless_the_first_was_withdrawn(claim, grace):
    first = claim()
    with pytest.raises(RecallExists):
        claim()
    withdraw(first.pk, actor=grace, note="the wrong payment")
    second = claim(amount=400)
    refuse(second.pk, actor=grace, note="no")

    with pytest.raises(RecallExists):
        claim()
    assert Recall.objects.count() == 2
    assert_books_balance()


def test_freezes_do_not_stop_it_and_a_closed_wallet_does(claim, aline, eric, grace, sent):
    freeze_wallet(eric, mode="both", reason="x", actor=None)
    recall = claim()
    post_one(transfer(aline, eric, posted(aline)))  # refused: he may not receive
    third = Movement(
        kind="cash_out", amount=3_500, currency="RWF", caller="job:t", key="k" * 20, rail="sandbox", settled=True,
        payer=Address("wallet", str(aline.pk)), destination={"bank_id": "x"},
    )  # fmt: skip
    post_one(third).or_raise()
    close_wallet(aline, actor=None)

    from wallets.errors import WalletClosed

    with pytest.raises(WalletClosed):
        consent(recall.pk, actor=f"customer:{eric.customer_id}")

    assert fresh(recall).state == "open"
    assert HoldEvent.objects.filter(hold=recall.pk).count() == 1
    assert not Transaction.objects.filter(reverses=sent).exists()
    refuse(recall.pk, actor=f"customer:{eric.customer_id}")
    assert_books_balance()


@pytest.mark.parametrize("cause", ["fraud", "ordered"])
def test_out_of_a_wallet_that_two_let_go_its_owner_gives_nothing_back_alone(claim, eric, sent, cause):
    recall = claim()
    freeze_wallet(eric, mode="both", reason="x", actor=None, cause=cause)

    with pytest.raises(WalletFrozen):
        consent(recall.pk, actor=f"customer:{eric.customer_id}")

    assert fresh(recall).state == "open"
    assert not Transaction.objects.filter(reverses=sent).exists()
    refuse(recall.pk, actor=f"customer:{eric.customer_id}")
    assert_books_balance()


def test_staff_answer_for_the_recipient_within_what_their_role_gives_back(claim, eric):
    recall = claim()
    maker = User.objects.create_user("otis", None, Role.FINANCE)

    with pytest.raises(RecallNoteMissing):
        consent(recall.pk, actor=maker)
    with pytest.raises(ApprovalNeeded):
        consent(recall.pk, actor=maker, note="He wrote to us.")
    assert fresh(recall).state == "open"
    assert_books_balance()


def test_what_is_nowhere_cannot_be_answered(db):
    for act in (consent, refuse):
        with pytest.raises(RecallNotFound):
            act("01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", actor="customer:x")


def test_a_hold_is_checked_again_by_what_reads_no_state(claim, eric, spend):
    """The recipient's balance for the app and the rules: what is held is not there."""
    recall = claim()

    assert spend(1_000).error.code == "insufficient_funds"
    refuse(recall.pk, actor=f"customer:{eric.customer_id}")
    spend(1_000).or_raise()
    assert RecallState(fresh(recall).state) == RecallState.REFUSED
    assert now() < recall.deadline_at
    assert_books_balance()


# --- Where the recipient bore a fee ----------------------------------------------------------------------------------
@pytest.fixture
def charged(aline, eric):
    """1,000 sent: 60 more from Aline, 40 off what Eric got."""
    FeeRule.objects.create(kind="transfer", currency="RWF", effective_from=date.today(), flat=100, payee_bps=4_000)
    tariff.forget()
    fund(aline, 1_060)
    yield Transaction.objects.get(pk=post_one(transfer(aline, eric, 1_000)).or_raise().transaction)
    tariff.forget()


def recalled(charged: Transaction, amount: int | None = None) -> Recall:
    asked = {"reason_code": "wrong_recipient", "note": "One digit was wrong.", "actor": None}
    return services.open_recall(charged.pk, amount=amount, **asked)


def by_policy(refunds_fee: bool, fee_by_share: bool) -> None:
    flags = {"refunds_fee": refunds_fee, "fee_by_share": fee_by_share}
    reason = RecallReason.objects.get(pk="wrong_recipient").reversal_reason_id
    ReversalReason.objects.filter(pk=reason).update(**flags)


@pytest.mark.parametrize(
    ("refunds_fee", "fee_by_share", "returned", "left_at_aline"),
    [(True, False, 1_000, 1_060), (True, True, 1_000, 1_060), (False, False, 960, 960)],
)
def test_the_recipient_gives_what_they_got_and_the_fees_go_as_the_reason_says(
    charged, aline, eric, refunds_fee, fee_by_share, returned, left_at_aline
):
    by_policy(refunds_fee, fee_by_share)
    fund(eric, 500)

    recall = recalled(charged)
    assert (recall.claimed, recall.held, available(eric)) == (1_000, 960, 500)
    recall = consent(recall.pk, actor=eric.customer.principal)

    assert (recall.returned, posted(aline), posted(eric)) == (returned, left_at_aline, 500)
    assert HoldEvent.objects.get(hold=recall.pk, kind="captured").amount == 960
    assert_books_balance()


@pytest.mark.parametrize(
    ("fee_by_share", "spent", "claimed", "held", "returned"),
    [
        (False, 0, 990, 960, 990),  # all that they got: their fee is not theirs to give
        (False, 0, 900, 900, 900),
        (True, 0, 500, 480, 500),
        (True, 480, None, 480, 500),
        (False, 480, None, 480, 480),
    ],
)
def test_of_a_part_no_more_is_taken_than_is_held(
    charged, aline, eric, spend, fee_by_share, spent, claimed, held, returned
):
    by_policy(True, fee_by_share)
    FeeRule.objects.create(kind="transfer", currency="RWF", effective_from=date.today(), tier=eric.customer.tier)
    tariff.forget()
    if spent:
        spend(spent).or_raise()
    before = posted(aline)

    recall = recalled(charged, claimed)
    assert recall.held == held
    recall = consent(recall.pk, actor=eric.customer.principal)

    fees = charged.fee // 2 if fee_by_share else 0
    assert (recall.returned, posted(aline)) == (returned, before + returned + fees)
    assert posted(eric) == 960 - spent - held
    assert_books_balance()


def test_what_was_waived_of_the_recipients_fee_they_got_too(charged, aline, eric):
    by_policy(True, False)
    waive_fee(charged.pk, amount=40, of_payee=True, reason="late", actor=member_of("senior"), idempotency_key=key())

    recall = consent(recalled(charged).pk, actor=eric.customer.principal)

    assert (recall.held, recall.returned, posted(eric), posted(aline)) == (1_000, 1_000, 0, 1_060)
    assert_books_balance()


def member_of(name: str) -> User:
    return User.objects.create_user(name, "a long enough sentence", Role.SENIOR_SUPPORT, full_name=name)
