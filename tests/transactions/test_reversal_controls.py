"""How far one person goes alone in giving money back: of one transaction, of one day, past a freeze, past a no."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from core.errors import TekanaError
from staff.approvals import Preview, approve, reject, request_approval
from staff.errors import ApprovalNeeded
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import member
from tests.books import assert_books_balance, fund, posted, transfer
from tests.factories import fresh
from transactions import authority
from transactions.models import Kind, Transaction
from transactions.movements import Movement
from transactions.posting import post_one
from transactions.services import reversals
from transactions.services.reversals import approval_of, reverse_transaction, why_second_person
from transactions.verify import GIVING_BACK, verify
from wallets.models import Freeze, Wallet
from wallets.services import freeze_wallet, lift_freeze


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Support gives back 300 of one transaction alone, and 500 in 24 hours; senior support twice as much."""
    monkeypatch.setitem(authority.REVERSES_ALONE[Role.SUPPORT], "RWF", 300)
    monkeypatch.setitem(authority.REVERSES_ALONE[Role.SENIOR_SUPPORT], "RWF", 600)
    monkeypatch.setitem(authority.REVERSES_ALONE_A_DAY[Role.SUPPORT], "RWF", 500)
    monkeypatch.setitem(authority.REVERSES_ALONE_A_DAY[Role.SENIOR_SUPPORT], "RWF", 1_000)


@pytest.fixture
def grace(db: None) -> User:
    return member(Role.SUPPORT, "grace")


@pytest.fixture
def samuel(db: None) -> User:
    """Of support, too."""
    return member(Role.SUPPORT, "samuel")


@pytest.fixture
def amina(db: None) -> User:
    """Senior support: decides what support asks for."""
    return member(Role.SENIOR_SUPPORT, "amina")


@pytest.fixture
def sent(aline: Wallet, eric: Wallet) -> Transaction:
    fund(aline, 10_000)
    return paid(aline, eric)


def paid(payer: Wallet, payee: Wallet, amount: int = 1_000) -> Transaction:
    return Transaction.objects.get(pk=post_one(transfer(payer, payee, amount)).or_raise().transaction)


def back(sent: Transaction, amount: int, actor: User, **more: Any) -> Any:
    key = f"reverse-{sent.pk}-{actor.pk}-{amount}"
    return reverse_transaction(
        sent.pk, **{"amount": amount, "reason_code": "duplicate", "note": "x", "actor": actor,
                    "idempotency_key": key} | more
    )  # fmt: skip


def asked(sent: Transaction, maker: User, amount: int = 400) -> Approval:
    params = {"transaction": sent.pk, "amount_minor": amount, "reason_code": "duplicate"}
    return request_approval("reversal", params, maker=maker, reason="ticket 9")


# --- Of one transaction ----------------------------------------------------------------------------------------------


def test_what_colleagues_gave_back_alone_counts_too(sent: Transaction, grace: User, samuel: User, amina: User) -> None:
    back(sent, 200, grace)

    with pytest.raises(ApprovalNeeded, match="RWF 200 of it was given back alone before"):
        back(sent, 200, samuel)
    back(sent, 100, samuel)
    back(sent, 300, amina)  # of senior support: up to 600, what support gave back included
    with pytest.raises(ApprovalNeeded):
        back(sent, 1, amina)

    assert fresh(sent).reversed_amount == 600
    assert_books_balance()


def test_what_a_second_person_approved_does_not_count(sent: Transaction, grace: User, amina: User) -> None:
    approve(asked(sent, grace).pk, actor=amina)

    back(sent, 300, grace)

    assert fresh(sent).reversed_amount == 700


def test_the_same_key_again_is_no_second_part(sent: Transaction, grace: User) -> None:
    first, again = back(sent, 300, grace), back(sent, 300, grace)

    assert again.replayed and again.transaction == first.transaction
    assert fresh(sent).reversed_amount == 300


# --- Under a borrowed name -------------------------------------------------------------------------------------------


def forged(sent: Transaction, caller: User, amount: int, key: str) -> Transaction:
    """Posted past the service, under a key that somebody chose."""
    movement = Movement(
        kind=Kind.REVERSAL, amount=amount, currency="RWF", caller=caller.principal, key=key, reverses=sent.pk,
        reason_code="duplicate",
    )  # fmt: skip
    return Transaction.objects.get(pk=post_one(movement).or_raise().transaction)


def wrong() -> list[tuple[str, str]]:
    return [(one.number, one.wrong) for one in verify().findings]


def test_nobody_borrows_the_name_of_an_approval(
    sent: Transaction, aline: Wallet, eric: Wallet, grace: User, amina: User
) -> None:
    approved, other = asked(sent, grace, 400), paid(aline, eric)
    approve(approved.pk, actor=amina)

    for key in ("approval-zzzz-1234567890", f"approval-{approved.pk}", f"approval-{asked(other, grace, 400).pk}"):
        with pytest.raises(ApprovalNeeded):
            back(other, 200, grace, idempotency_key=key)

    assert fresh(other).reversed_amount == 0


@pytest.mark.parametrize("key", ["approval-zzzz-1234567890", "approval-{approved}"])
def test_a_reversal_under_such_a_name_counts_as_alone_and_the_proof_finds_it(
    sent: Transaction, aline: Wallet, eric: Wallet, grace: User, samuel: User, amina: User, key: str
) -> None:
    approved, other = asked(paid(aline, eric), samuel, 400), paid(aline, eric)
    approve(approved.pk, actor=amina)
    really = Transaction.objects.get(pk=fresh(approved).result["id"])
    assert approval_of(really) == approved and wrong() == []  # the negative control

    borrowed = forged(other, grace, 200, key.format(approved=approved.pk))

    assert approval_of(borrowed) is None
    assert why_second_person(fresh(other), 200, grace).endswith("RWF 200 of it was given back alone before.")
    back(sent, 300, grace)
    assert "you have given back RWF 500" in why_second_person(paid(aline, eric), 1, grace)  # of the day, too
    assert wrong() == [("I1", "says that a second person approved it, and nobody did")]


def test_a_colleagues_key_is_not_ones_own(sent: Transaction, grace: User, amina: User) -> None:
    back(sent, 300, grace, idempotency_key="reverse-1234567890")

    with pytest.raises(ApprovalNeeded, match="RWF 300 of it was given back alone before"):
        back(sent, 600, amina, idempotency_key="reverse-1234567890")

    assert fresh(sent).reversed_amount == 300


def test_the_proof_finds_more_than_any_role_gives_back_alone(
    aline: Wallet, eric: Wallet, grace: User, amina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = authority.MOST_ALONE["RWF"]
    monkeypatch.setitem(authority.REVERSES_ALONE[Role.SENIOR_SUPPORT], "RWF", most)
    monkeypatch.setitem(authority.REVERSES_ALONE_A_DAY[Role.SENIOR_SUPPORT], "RWF", most)
    fund(aline, 3 * most)
    sent, large = paid(aline, eric, most + 1), paid(aline, eric, most + 1)
    back(sent, most, amina)
    approve(asked(large, grace, most + 1).pk, actor=amina)
    assert wrong() == []  # the negative control: up to the sum alone, and above it by two

    forged(sent, grace, 1, "reverse-past-the-door")

    assert wrong() == [("I1", f"{most + 1} of it was given back without a second person")]


# --- After a no ------------------------------------------------------------------------------------------------------


def test_after_a_rejection_nobody_gives_it_back_alone_in_parts(
    sent: Transaction, grace: User, samuel: User, amina: User
) -> None:
    reject(asked(sent, grace).pk, comment="The shop has proof of delivery.", actor=amina)

    for who in (grace, samuel, amina):
        with pytest.raises(ApprovalNeeded, match="rejected"):
            back(sent, 1, who)
    again = asked(sent, samuel, 100)

    assert posted(sent.payee) == 1_000
    weighed = dict(Preview.kept(again).context)
    (said,) = [value for label, value in weighed.items() if label.startswith("Rejected on")]
    assert "The shop has proof of delivery." in said and "Amina Person" in said and "Reverse RWF 400" in said
    approve(again.pk, actor=amina)  # asked anew, a second person may say yes
    assert fresh(sent).reversed_amount == 100
    with pytest.raises(ApprovalNeeded):
        back(sent, 1, grace)


def test_a_rejection_about_one_payment_says_nothing_about_others(
    sent: Transaction, aline: Wallet, eric: Wallet, grace: User, amina: User
) -> None:
    other = paid(aline, eric)
    reject(asked(sent, grace).pk, comment="no", actor=amina)

    back(other, 300, grace)

    assert fresh(other).reversed_amount == 300


# --- Of one day ------------------------------------------------------------------------------------------------------


def test_a_person_gives_back_so_much_alone_in_a_day(
    sent: Transaction, aline: Wallet, eric: Wallet, grace: User, samuel: User, amina: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    others = [paid(aline, eric) for _ in range(3)]
    back(sent, 300, grace)
    back(others[0], 200, grace)

    with pytest.raises(ApprovalNeeded, match="at most RWF 500 alone in 24 hours; you have given back RWF 500"):
        back(others[1], 1, grace)
    back(others[1], 300, samuel)  # a colleague has a day of their own
    approve(asked(others[2], grace).pk, actor=amina)  # what is approved is nobody's alone
    assert fresh(others[2]).reversed_amount == 400

    monkeypatch.setattr(reversals, "DAY", timedelta(0))  # it is over
    assert why_second_person(others[0], 1, grace) == ""
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_not_pass_the_day_together(aline: Wallet, eric: Wallet) -> None:
    grace = member(Role.SUPPORT, "grace")
    fund(aline, 10_000)
    payments = [paid(aline, eric) for _ in range(4)]
    barrier = Barrier(4)

    def give_back(sent: Transaction) -> str:
        barrier.wait()
        try:
            back(sent, 300, grace)
            return "done"
        except TekanaError as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(give_back, payments))

    assert answers == ["approval_needed"] * 3 + ["done"]
    assert_books_balance()


def test_each_role_that_gives_back_alone_has_both_sums_in_every_currency() -> None:
    assert set(authority.REVERSES_ALONE) == set(authority.REVERSES_ALONE_A_DAY)
    for role, sums in authority.REVERSES_ALONE.items():
        day = authority.REVERSES_ALONE_A_DAY[role]
        assert set(sums) == set(day)
        assert all(sums[currency] <= day[currency] for currency in sums)


# --- Past a freeze ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Freeze.Cause.FRAUD, Freeze.Cause.ORDERED])
@pytest.mark.parametrize("mode", Freeze.Mode.values)
def test_nobody_empties_a_wallet_alone_that_takes_two_to_let_go(
    sent: Transaction, eric: Wallet, grace: User, amina: User, cause: str, mode: str
) -> None:
    freeze = freeze_wallet(eric, mode=mode, cause=cause, reason="order 12/2026", actor=None)

    for who in (grace, amina):
        with pytest.raises(ApprovalNeeded, match="wallet is frozen: "):
            back(sent, 1, who)
    approval = asked(sent, grace)

    assert posted(eric) == 1_000
    weighed = dict(Preview.kept(approval).context)
    assert weighed["It is frozen"] == f"{freeze.get_cause_display()}: order 12/2026"
    approve(approval.pk, actor=amina)
    assert fresh(sent).reversed_amount == 400

    lift_freeze(freeze, actor=None, reason="over")
    back(sent, 300, grace)
    assert_books_balance()


def test_other_freezes_and_those_of_the_payer_are_no_obstacle(
    sent: Transaction, aline: Wallet, eric: Wallet, grace: User
) -> None:
    freeze_wallet(eric, mode="both", cause="lost", reason="stolen phone", actor=None)
    freeze_wallet(aline, mode="both", cause="fraud", reason="she was robbed", actor=None)

    back(sent, 300, grace)

    assert fresh(sent).reversed_amount == 300


def test_the_proof_knows_every_operation_that_gives_money_back() -> None:
    posts_none = {"recall_step"}  # opens, refuses or withdraws a recall: no reversal comes of it

    assert set(reversals.giving_back()) == set(GIVING_BACK) | posts_none
