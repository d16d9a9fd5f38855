"""The database refuses whoever would make a standing order say something else than what happened."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from core.roles import connected_as_owner
from schedules.models import StandingOrder
from schedules.services import cancel_order
from tests.books import fund
from tests.schedules.conftest import morning, principal, run_at, today

pytestmark = pytest.mark.django_db(transaction=True)
AGAIN = (
    "INSERT INTO schedules_orderrun SELECT (jsonb_populate_record(r, jsonb_build_object("
    "'id', gen_random_uuid(), 'transaction_id', NULL, 'state', 'due', 'done_at', NULL{0}))).*"
    " FROM schedules_orderrun r WHERE id = %(paid)s"
)
NEXT_DAY = ", 'due_on', due_on + 9"
EVENT = (
    "INSERT INTO schedules_orderevent (id, order_id, kind, actor, note, facts, request_id, at)"
    " VALUES (gen_random_uuid(), %(id)s, '{0}', 'staff:1', '', '{{}}', '', now());"
)
ATTACKS = [
    "DELETE FROM schedules_standingorder",
    "TRUNCATE schedules_standingorder CASCADE",
    "DELETE FROM schedules_orderrun",
    "UPDATE schedules_orderversion SET amount = amount + 1",
    "DELETE FROM schedules_orderversion",
    "UPDATE schedules_orderevent SET note = 'x'",
    "DELETE FROM schedules_orderevent",
    "UPDATE schedules_weekend SET weekdays = '5'",
    "DELETE FROM schedules_holidayrule",
    "DELETE FROM schedules_holiday",
    "UPDATE schedules_standingorder SET payee_id = wallet_id WHERE id = %(id)s",
    "UPDATE schedules_standingorder SET customer_id = %(stranger)s WHERE id = %(id)s",
    "UPDATE schedules_standingorder SET every = 7 WHERE id = %(id)s",
    # A state without its event; unheard of; what is closed stays so.
    "UPDATE schedules_standingorder SET state = 'paused', paused_by = 'x' WHERE id = %(id)s",
    EVENT.format("ended") + "UPDATE schedules_standingorder SET state = 'gone', closed_at = now() WHERE id = %(id)s",
    EVENT.format("resumed")
    + "UPDATE schedules_standingorder SET state = 'active', closed_at = NULL WHERE id = %(closed)s",
    "UPDATE schedules_standingorder SET next_on = current_date WHERE id = %(closed)s",
    # Dates that have a run come again; a version that nobody wrote.
    "UPDATE schedules_standingorder SET last_on = last_on - 1 WHERE id = %(id)s",
    "UPDATE schedules_standingorder SET last_on = NULL WHERE id = %(id)s",
    "UPDATE schedules_standingorder SET next_on = last_on WHERE id = %(id)s",
    "UPDATE schedules_standingorder SET version = version + 2 WHERE id = %(id)s",
    # A second run of the date; one that is born paid, or with another's version.
    AGAIN.format(""),
    AGAIN.format(NEXT_DAY + ", 'tries', 2"),
    AGAIN.format(NEXT_DAY + ", 'version_id', %(version)s::text"),
    AGAIN.format(NEXT_DAY + ", 'state', 'completed', 'done_at', now(), 'transaction_id', transaction_id"),
    # What is done stays so; paid by nothing, by something else.
    "UPDATE schedules_orderrun SET state = 'due', done_at = NULL, transaction_id = NULL WHERE id = %(paid)s",
    "UPDATE schedules_orderrun SET refusal_code = 'x' WHERE id = %(paid)s",
    "UPDATE schedules_orderrun SET due_on = due_on + 1 WHERE id = %(waits)s",
    "UPDATE schedules_orderrun SET state = 'completed', done_at = now(), refusal_code = '' WHERE id = %(waits)s",
    "UPDATE schedules_orderrun SET state = 'completed', done_at = now(), refusal_code = '',"
    " transaction_id = (SELECT id FROM transactions_transaction WHERE kind = 'top_up' LIMIT 1) WHERE id = %(waits)s",
    "UPDATE schedules_orderrun SET state = 'skipped', done_at = now() WHERE id = %(waits)s",
    "UPDATE schedules_orderrun SET tries = tries + 2 WHERE id = %(waits)s",
]  # fmt: skip


@pytest.fixture
def rows(order: Callable[..., StandingOrder], aline: Any, eric: Any) -> dict[str, Any]:
    """One whose first date was paid and whose second waits for money; one that was cancelled."""
    fund(aline, 1_000)
    daily, closed, first = order(), order(), today() + timedelta(days=1)
    cancel_order(closed.pk, actor=principal(aline))
    run_at(morning(first))
    run_at(morning(first + timedelta(days=1)))
    paid, waits = daily.runs.order_by("due_on")
    return {
        "id": daily.pk, "closed": closed.pk, "paid": paid.pk, "waits": waits.pk, "stranger": eric.customer_id,
        "version": closed.versions.get().pk,
    }  # fmt: skip


def test_every_attack_is_refused_to_the_owner_too(rows: dict[str, Any]) -> None:
    survived, codes = [], set()
    with connected_as_owner():
        for attack in ATTACKS:
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(attack, rows)
            except DatabaseError as refused:
                codes.add(getattr(refused.__cause__, "sqlstate", "")[:2])
            else:
                survived.append(attack)

    assert survived == []
    assert codes == {"TK", "23"}  # our guards and constraints, and no mistake of the attack's


def test_what_is_no_attack_is_let_through(rows: dict[str, Any]) -> None:
    """The control: the same columns, as the services write them."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE schedules_orderrun SET attempts = 1, taken_until = now() WHERE id = %(waits)s", rows)
        cursor.execute("UPDATE schedules_orderrun SET state = 'stopped', done_at = now() WHERE id = %(waits)s", rows)
        cursor.execute("UPDATE schedules_standingorder SET next_at = now() WHERE id = %(id)s", rows)


def test_what_waits_may_be_skipped_by_a_step_of_its_own(rows: dict[str, Any]) -> None:
    """The control of the attack that has no event."""
    skip = EVENT.format("skipped").replace("(id, order_id,", "(id, run_id, order_id,")
    skip = skip.replace("(gen_random_uuid(),", "(gen_random_uuid(), %(waits)s,")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            skip + "UPDATE schedules_orderrun SET state = 'skipped', done_at = now() WHERE id = %(waits)s", rows
        )
