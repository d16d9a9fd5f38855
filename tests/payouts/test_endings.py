"""How payouts end: not approved in time, called off, given back later; and what each side is told."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.roles import connected_as_owner
from notifications.models import Notification
from payouts import running, services
from payouts.models import Batch, BatchEvent, BatchState, Item
from payouts.services import cancel, expire_payouts
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of
from tests.books import assert_books_balance, key, posted
from tests.factories import fresh
from tests.payouts.conftest import Person, lines, person
from transactions.models import Transaction
from transactions.services.reversals import reverse_transaction


def made(payer: Person, items: list[dict[str, Any]], **options: Any) -> str:
    answer = payer.make(items, key=key(), **options)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["payout_id"])


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """By the clock that decides whether it can still be approved."""
    monkeypatch.setattr(services.timezone, "now", lambda: now() + timedelta(days=days))


def told(someone: Person, kind: str) -> list[Notification]:
    return list(Notification.objects.filter(customer=someone.customer, kind=kind).order_by("pk"))


# --- Not approved in time --------------------------------------------------------------------------------------------


def test_what_nobody_approves_in_time_is_closed_and_both_sides_are_told_once(
    business: Person, approver: Person, staff_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = lines(staff_of(2))
    payout, wrong = made(business, items, label="March"), made(business, [*items, {"to": "nobody", "amount": "1"}])
    until = datetime.fromisoformat(business.get(f"/{payout}").json()["expires_at"])
    assert now() + timedelta(days=13) < until < now() + timedelta(days=15)
    assert expire_payouts() == 0

    later(monkeypatch, 15)
    late = approver.post(f"/{payout}/approve", key=key())  # before the clock comes by

    assert (late.status_code, late.json()["code"], late.json()["state"]) == (409, "payout_not_open", "expired")
    assert (expire_payouts(), expire_payouts()) == (2, 0)
    assert {fresh(Batch(pk=one)).state for one in (payout, wrong)} == {BatchState.EXPIRED}
    (payer_told,), (approver_told,) = told(business, "payout_expired"), told(approver, "payout_withdrawn")
    assert "KES 200.00 was not approved in time" in payer_told.title and "“March”" in payer_told.body
    assert "Kazi Ltd’s payout “March” of 2 items was not approved in time." in approver_told.body
    assert approver.post(f"/{payout}/approve", key=key()).json()["code"] == "payout_not_open"
    body = approver.get(f"/{payout}").json()
    assert (body["status"], body["expires_at"], body["progress"]["left"]) == ("expired", None, 2)
    assert [row["status"] for row in approver.get(f"/{payout}/items").json()["data"]] == ["unpaid"] * 2
    assert approver.get(f"/{wrong}").status_code == 404 and business.get(f"/{wrong}").json()["progress"]["left"] == 0
    assert BatchEvent.objects.filter(to_state="expired", actor="job:payout_expiry").count() == 2
    assert business.make(items, key=key()).status_code == 201  # it may be sent in again
    assert running.run_due() == 0
    assert_books_balance()


def test_one_with_a_day_of_its_own_can_be_approved_until_that_day_is_over(
    business: Person, approver: Person, staff_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = (now() + timedelta(days=40)).date()
    payout = made(business, lines(staff_of(1)), execute_on=day.isoformat())

    assert fresh(Batch(pk=payout)).expires_at == datetime(
        *(day + timedelta(days=1)).timetuple()[:3], tzinfo=ZoneInfo("Africa/Nairobi")
    )
    later(monkeypatch, 39)
    assert expire_payouts() == 0
    assert approver.post(f"/{payout}/approve", key=key()).status_code == 200
    assert expire_payouts() == 0


@pytest.mark.parametrize(("days", "taken"), [(-1, False), (0, True), (366, True), (367, False)])
def test_a_day_is_between_today_in_the_country_of_the_payer_and_a_year_ahead(
    staff_of: Any, monkeypatch: pytest.MonkeyPatch, days: int, taken: bool
) -> None:
    late = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # in Nairobi it is Sunday the 29th
    monkeypatch.setattr(services.timezone, "now", lambda: late)
    day = date(2026, 3, 29) + timedelta(days=days)

    answer = person(1_000_00).make(lines(staff_of(1)), key=key(), execute_on=day.isoformat())

    assert (answer.status_code, answer.json().get("code")) == (
        (201, None) if taken else (400, "invalid_execution_date")
    )


def test_one_that_fails_holds_up_no_other(business: Person, staff_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (made(business, lines(staff_of(1))) for _ in range(2))
    later(monkeypatch, 15)
    real = services.note_step

    def broken(batch: Batch, *args: Any, **kwargs: Any) -> Any:
        if str(batch.pk) == first:
            raise ValueError("its label")
        return real(batch, *args, **kwargs)

    monkeypatch.setattr(services, "note_step", broken)
    with pytest.raises(ValueError, match="its label"):
        expire_payouts()

    assert [fresh(Batch(pk=one)).state for one in (first, second)] == ["validated", "expired"]


EXPIRED = (
    "INSERT INTO payouts_batchevent (id, batch_id, from_state, to_state, actor, note, facts, request_id, at)"
    " VALUES (gen_random_uuid(), %(id)s, 'validated', 'expired', 'x', '', '{}', '', now());"
    "UPDATE payouts_batch SET state = 'expired', finished_at = %(at)s WHERE id = %(id)s"
)
LATE = (
    "INSERT INTO payouts_batchevent (id, batch_id, from_state, to_state, actor, note, facts, request_id, at)"
    " VALUES (gen_random_uuid(), %(id)s, 'validated', 'approved', 'x', '', '{}', '', now());"
    "UPDATE payouts_batch SET state = 'approved', approved_by_id = made_by_id, approved_at = %(at)s, due_at = now()"
    " WHERE id = %(id)s"
)


@pytest.mark.django_db(transaction=True)
def test_the_database_keeps_the_time_of_a_payout(staff_of: Any) -> None:
    payout = made(person(1_000_00), lines(staff_of(1)))
    changed = "UPDATE payouts_batch SET expires_at = %(at)s WHERE id = %(id)s"
    with connected_as_owner(), connection.cursor() as cursor:
        for statement, days, why in [
            (EXPIRED, 1, "payout_in_time"), (LATE, 15, "payout_in_time"), (changed, 99, "never changes"),
        ]:  # fmt: skip
            with pytest.raises(DatabaseError, match=why), transaction.atomic():
                cursor.execute(statement, {"id": payout, "at": now() + timedelta(days=days)})
        for statement, days in [(EXPIRED, 15), (LATE, 1)]:  # what is right goes through
            with transaction.atomic():
                cursor.execute(statement, {"id": payout, "at": now() + timedelta(days=days)})
                transaction.set_rollback(True)


def test_the_day_of_a_payout_begins_where_a_clock_leaps_over_midnight(business: Person, staff_of: Any) -> None:
    batch = fresh(Batch(pk=made(business, lines(staff_of(1)))))
    batch.customer.country.timezone = "Africa/Cairo"
    batch.execute_on = date(2026, 4, 24)  # from 00:00 to 01:00

    assert services._day_begins(batch).astimezone(ZoneInfo("UTC")).isoformat() == "2026-04-23T22:00:00+00:00"


# --- Called off ------------------------------------------------------------------------------------------------------


def test_lines_to_put_right_can_be_called_off_and_the_approver_never_sees_them(
    business: Person, approver: Person, staff_of: Any
) -> None:
    wrong = made(business, [*lines(staff_of(1)), {"to": "nobody", "amount": "1"}])

    answer = business.post(f"/{wrong}/cancel")

    assert (answer.status_code, answer.json()["status"], answer.json()["progress"]["left"]) == (200, "cancelled", 0)
    assert business.post(f"/{wrong}/cancel").status_code == 200
    assert approver.get(f"/{wrong}").status_code == 404 and not told(approver, "payout_withdrawn")
    page = client_of(User.objects.create_user("otieno", None, Role.OPERATIONS)).get(
        reverse("admin:payouts_batch_change", args=[wrong])
    )
    assert "Lines to put right: 1" in page.text and "How far it is" not in page.text


def test_the_other_side_reads_why_it_was_called_off(business: Person, approver: Person, staff_of: Any) -> None:
    staff = staff_of(3)
    by_owner, by_approver, by_us = (made(business, lines([one]), label=f"of {n}") for n, one in enumerate(staff))

    business.post(f"/{by_owner}/cancel", {"reason": "They have left us."})
    approver.post(f"/{by_approver}/cancel", {"reason": "I know none of them."})
    cancel(
        Batch.objects.get(pk=by_us).pk, actor=User.objects.create_user("otieno", None, Role.OPERATIONS), note="court"
    )

    first, last = told(approver, "payout_withdrawn")
    assert "“of 0”" in first.body and first.body.endswith("has been cancelled. The reason given: They have left us.")
    assert "“of 2”" in last.body and "court" not in last.body
    assert [one.body.partition("reason given: ")[2] for one in told(business, "payout_cancelled")] == [
        "I know none of them.", "",
    ]  # fmt: skip


def test_it_can_be_called_off_until_the_first_item_is_paid(staff_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK", 1)
    owner = person(1_000_00)
    for paid in (0, 1):
        payout = made(owner, lines(staff_of(2), 1_00))
        owner.post(f"/{payout}/approve", key=key())
        batch = running._take(Batch.objects.get(pk=payout).pk)
        assert batch
        for _ in range(paid):
            running._pay_chunk(batch.pk, batch.runs)

        answer = owner.post(f"/{payout}/cancel")

        assert answer.status_code == (409 if paid else 200), paid
        assert running._pay_chunk(batch.pk, batch.runs) is bool(paid)
    assert_books_balance()


# --- What came of each item ------------------------------------------------------------------------------------------


def test_of_all_or_nothing_the_line_that_stopped_it_says_why_and_nobody_waits_any_more(staff_of: Any) -> None:
    owner = person(3_00)
    payout = made(owner, lines(staff_of(4), 1_00), mode="all_or_nothing")
    owner.post(f"/{payout}/approve", key=key())
    assert {row["status"] for row in owner.get(f"/{payout}/items").json()["data"]} == {"waiting"}

    running.run_due()

    rows = owner.get(f"/{payout}/items", status="unpaid").json()["data"]
    assert [(row["line"], row["refusal_code"]) for row in rows] == [
        (1, None), (2, None), (3, None), (4, "insufficient_funds"),
    ]  # fmt: skip
    assert owner.get(f"/{payout}/items", status="waiting").json()["data"] == []
    results = list(csv.DictReader(io.StringIO(owner.get(f"/{payout}/results").content.decode("utf-8-sig"))))
    assert [(row["status"], row["code"]) for row in results][-1] == ("unpaid", "insufficient_funds")
    owner.post(f"/{payout}/retry", key=key())
    assert {row["status"] for row in owner.get(f"/{payout}/items").json()["data"]} == {"waiting"}


def test_what_is_given_back_of_an_item_is_told_with_it_and_on_the_page(staff_of: Any) -> None:
    owner, staff = person(1_000_00), staff_of(3)
    payout = made(owner, lines(staff, 10_00))
    owner.post(f"/{payout}/approve", key=key())
    running.run_due()
    senior = User.objects.create_user("njeri", None, Role.SENIOR_SUPPORT)
    paid = Transaction.objects.get(pk=Item.objects.get(batch=payout, line=2).transaction_id)
    reverse_transaction(paid.pk, amount=4_00, reason_code="wrong_recipient", actor=senior, idempotency_key=key())

    body = owner.get(f"/{payout}").json()
    rows = owner.get(f"/{payout}/items").json()["data"]
    results = list(csv.DictReader(io.StringIO(owner.get(f"/{payout}/results").content.decode("utf-8-sig"))))
    page = client_of(senior).get(reverse("admin:payouts_batch_change", args=[payout])).text

    assert [row["returned"] for row in rows] == ["0.00", "4.00", "0.00"]
    assert [(row["status"], row["returned"]) for row in results] == [("paid", ""), ("paid", "4.00"), ("paid", "")]
    assert body["progress"] == {"paid": 3, "refused": 0, "left": 0, "amount": "30.00", "fees": "0.00"}
    assert "Given back since, of 1" in page and "4.00</span> given back" in page
    assert owner.post(f"/{payout}/retry", key=key()).json()["code"] == "nothing_to_retry"
    assert (posted(staff[1]), posted(owner.wallet)) == (6_00, 974_00)  # type: ignore[arg-type]
    assert_books_balance()


def test_everybody_refused_is_no_file_that_was_paid(staff_of: Any) -> None:
    """Sent in again or tried again: one of the two pays."""
    owner, items = person(), lines(staff_of(2), 1_00)
    first = made(owner, items)
    owner.post(f"/{first}/approve", key=key())
    running.run_due()
    assert owner.get(f"/{first}").json()["progress"]["refused"] == 2

    second = made(owner, items)

    again = owner.post(f"/{first}/retry", key=key())
    assert (again.status_code, again.json()["code"]) == (409, "payout_exists")
    assert fresh(Batch(pk=first)).state == BatchState.COMPLETED and second != first


def test_pages_of_a_payout_say_until_when_it_can_be_approved(business: Person, staff_of: Any) -> None:
    payout = made(business, lines(staff_of(1)))
    operations: Client = client_of(User.objects.create_user("otieno", None, Role.OPERATIONS))

    page = operations.get(reverse("admin:payouts_batch_change", args=[payout])).text

    assert "It can be approved until" in page
