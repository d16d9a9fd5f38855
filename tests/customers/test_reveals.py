"""Revealing a customer's personal data: for a while, with a reason, on record, only so often."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.utils import DatabaseError, IntegrityError
from django.utils.timezone import now

from core.models import AuditRecord
from customers import reveals
from customers.errors import CaseIsForCompliance, MayNotReveal, RevealQuotaUsed
from customers.models import Customer, Reveal
from customers.reveals import allowance_of, live_reveals, reveal, reveals_of
from staff.models import User
from staff.roles import PERMISSIONS, Role
from tests.factories import CustomerFactory
from tests.racing import at_once
from viewings.accesses import accesses_of

WHY = {"because": "identify", "reason": "she calls about a payment"}


def agent(role: str = Role.SUPPORT, username: str = "grace") -> User:
    return User.objects.create_user(username, "correct horse battery staple", role, full_name="Grace Person")


@pytest.fixture
def mary(db: None) -> Customer:
    return CustomerFactory.create()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(reveals.A_DAY, Role.SUPPORT, 2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets time pass for reveals."""
    passed = [timedelta(0)]
    monkeypatch.setattr("customers.reveals.now", lambda: now() + passed[0])

    def later(**by: float) -> None:
        passed[0] += timedelta(**by)

    return later


def test_a_reveal_is_a_row_and_an_act_on_record(mary: Customer) -> None:
    grace = agent()

    row = reveal(mary, actor=grace, **WHY)

    assert (row.agent, row.customer, row.because, row.reason) == (grace, mary, "identify", WHY["reason"])
    assert row.until - row.at == timedelta(minutes=10)
    record = AuditRecord.objects.get(action="reveal")
    assert (record.actor, record.subject_id, record.reason) == (grace.principal, str(mary.pk), WHY["reason"])
    assert record.after == {"because": "identify", "until": row.until.isoformat(), "number": 1}
    assert list(reveals_of(mary.pk)) == [row]
    assert mary.phone_number not in str(AuditRecord.objects.values_list("before", "after", "reason"))


def test_while_it_is_seen_another_one_counts_nothing_and_afterwards_it_is_masked_again(
    mary: Customer, few: None, clock: Any
) -> None:
    grace = agent()
    first = reveal(mary, actor=grace, **WHY)

    clock(minutes=9, seconds=59)
    assert reveal(mary, actor=grace, because="contact", reason="again") == first
    assert allowance_of(grace).used == 1 and AuditRecord.objects.filter(action="reveal").count() == 1
    assert live_reveals(grace, [mary.pk]).exists()

    clock(seconds=1)
    assert not live_reveals(grace, [mary.pk]).exists()
    assert reveal(mary, actor=grace, **WHY) != first
    assert allowance_of(grace).left == 0


def test_what_is_revealed_to_one_is_masked_for_a_colleague(mary: Customer) -> None:
    reveal(mary, actor=agent(), **WHY)

    assert not live_reveals(agent(Role.COMPLIANCE, "amina"), [mary.pk]).exists()


def test_above_the_quota_it_is_refused_with_when_the_next_is_free(mary: Customer, few: None, clock: Any) -> None:
    grace = agent()
    first = reveal(mary, actor=grace, **WHY)
    clock(hours=5)
    reveal(CustomerFactory.create(), actor=grace, **WHY)
    stranger = CustomerFactory.create()

    with pytest.raises(RevealQuotaUsed, match=r"That is 2\. The next one is free at") as refused:
        reveal(stranger, actor=grace, **WHY)

    assert allowance_of(grace).next_at == first.at + timedelta(hours=24)
    assert 18 * 3600 < refused.value.facts["retry_after"] <= 19 * 3600 + 1
    assert not stranger.reveals.exists()
    record = AuditRecord.objects.get(action="reveal_refused")
    assert (record.subject_id, record.after) == (str(stranger.pk), {"code": "reveal_quota_used", "quota": 2})

    clock(hours=19)  # the first is a day old, the second is not
    assert allowance_of(grace) == (2, 1, None)
    reveal(stranger, actor=grace, **WHY)
    with pytest.raises(RevealQuotaUsed):
        reveal(CustomerFactory.create(), actor=grace, **WHY)


def test_a_quota_is_everybodys_own_and_goes_by_the_role_of_the_moment(mary: Customer, few: None) -> None:
    grace, other = agent(), CustomerFactory.create()
    reveal(mary, actor=grace, **WHY)
    reveal(other, actor=grace, **WHY)
    assert reveal(mary, actor=agent(username="kato"), **WHY).agent.username == "kato"

    User.objects.filter(pk=grace.pk).update(role=Role.SENIOR_SUPPORT)
    assert reveal(CustomerFactory.create(), actor=grace, **WHY)
    User.objects.filter(pk=grace.pk).update(role=Role.FINANCE)
    with pytest.raises(MayNotReveal):
        reveal(mary, actor=grace, **WHY)
    User.objects.filter(pk=grace.pk).update(role=Role.SUPPORT, is_active=False)
    with pytest.raises(MayNotReveal):
        reveal(mary, actor=grace, **WHY)


@pytest.mark.parametrize("role", sorted(set(reveals.A_DAY) - {Role.COMPLIANCE}))
def test_nobody_hides_from_the_customer_behind_a_case_of_compliance(mary: Customer, role: str) -> None:
    grace = agent(role)

    with pytest.raises(CaseIsForCompliance):
        reveal(mary, actor=grace, because="case", reason="a case")

    assert not mary.reveals.exists() and allowance_of(grace).used == 0
    reveal(mary, actor=grace, **WHY)
    with pytest.raises(CaseIsForCompliance):  # while it is shown, too
        reveal(mary, actor=grace, because="case", reason="a case")
    assert [one.kind for one in accesses_of(mary.pk, None, 10)] == ["reveal"]


def test_for_a_case_of_compliance_the_customer_is_not_told(mary: Customer) -> None:
    row = reveal(mary, actor=agent(Role.COMPLIANCE), because="case", reason="case 7")

    assert list(reveals_of(mary.pk)) == [row] and accesses_of(mary.pk, None, 10) == []


def test_each_role_that_may_has_a_quota_and_no_other(db: None) -> None:
    assert {role for role in Role if "customers.reveal" in PERMISSIONS[role]} == set(reveals.A_DAY)
    assert min(reveals.A_DAY.values()) > 0


def test_a_quota_that_shrank_counts_from_what_was_used(mary: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    grace = agent()
    rows = [reveal(CustomerFactory.create(), actor=grace, **WHY) for _ in range(3)]

    monkeypatch.setitem(reveals.A_DAY, Role.SUPPORT, 2)

    assert allowance_of(grace) == (2, 3, rows[1].at + timedelta(hours=24))
    with pytest.raises(RevealQuotaUsed):
        reveal(mary, actor=grace, **WHY)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_pass_than_are_left(few: None) -> None:
    """Eight threads, eight customers, two left; without the lock on the agent all of them count the same rows."""
    grace, customers = agent(), [CustomerFactory.create() for _ in range(8)]

    def one(customer: Customer) -> str:
        try:
            reveal(customer, actor=grace, **WHY)
        except RevealQuotaUsed as refusal:
            return refusal.code
        return "revealed"

    outcomes = at_once([lambda customer=customer: one(customer) for customer in customers])  # type: ignore[misc]

    assert sorted(outcomes) == ["reveal_quota_used"] * 6 + ["revealed"] * 2
    assert Reveal.objects.count() == 2
    assert AuditRecord.objects.filter(action="reveal_refused").count() == 6


@pytest.mark.django_db(transaction=True)
def test_the_same_customer_many_times_at_once_counts_once(few: None) -> None:
    grace, mary = agent(), CustomerFactory.create()

    rows = at_once([lambda: reveal(mary, actor=grace, **WHY)] * 6)

    assert len({row.pk for row in rows}) == 1 == Reveal.objects.count()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE customers_reveal SET until = until + interval '1 day'",
        "UPDATE customers_reveal SET at = at - interval '1 day'",
        "DELETE FROM customers_reveal",
    ],
)
def test_nobody_rewrites_who_has_seen_whom(mary: Customer, change: str) -> None:
    reveal(mary, actor=agent(), **WHY)

    with pytest.raises(DatabaseError, match=r"append-only|permission denied"), connection.cursor() as cursor:
        cursor.execute(change)


@pytest.mark.parametrize("wrong", [{"reason": ""}, {"until": now() - timedelta(days=1)}])
def test_the_database_wants_a_reason_and_an_end(mary: Customer, wrong: dict[str, Any]) -> None:
    at = now()
    row = {"agent": agent(), "customer": mary, "because": "other", "reason": "x", "at": at}

    with pytest.raises(IntegrityError):
        Reveal.objects.create(**row | {"until": at + timedelta(minutes=1)} | wrong)


def test_the_book_for_support_says_the_quotas_that_count() -> None:
    lines = (Path(__file__).parents[2] / "docs/support.md").read_text().splitlines()
    written = next(
        at for at, line in enumerate(lines) if line.startswith("| Support | Senior support | Compliance | Ope")
    )
    cells = [[cell.strip() for cell in lines[at].strip("|").split("|")] for at in (written, written + 2)]

    assert dict(zip(*cells, strict=True)) == {Role(role).label: str(most) for role, most in reveals.A_DAY.items()}
