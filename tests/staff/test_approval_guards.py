"""What the database itself keeps of approvals: two people, one decision, in time, no rewriting. Tried with raw SQL."""

from contextlib import nullcontext

import pytest
from django.db import DatabaseError, connection, transaction

from core.roles import connected_as_owner
from staff.approvals import approve
from staff.models import Approval
from tests.factories import fresh

pytestmark = pytest.mark.django_db(transaction=True)

DECIDE = "UPDATE staff_approval SET state = '{}', decided_at = now(), checker_id = {}, comment = {} WHERE id = %(open)s"
OPEN = {
    "approved by who asked": DECIDE.format("approved", "maker_id", "''"),
    "rejected by who asked": DECIDE.format("rejected", "maker_id", "'no'"),
    "approved by nobody": DECIDE.format("approved", "NULL", "''"),
    "rejected without a word": DECIDE.format("rejected", "%(checker)s", "''"),
    "rejected with blanks": DECIDE.format("rejected", "%(checker)s", "'  '"),
    "withdrawn by somebody else": DECIDE.format("withdrawn", "%(checker)s", "''"),
    "decided at no time": "UPDATE staff_approval SET state = 'approved', checker_id = %(checker)s WHERE id = %(open)s",
    "decided and still open": "UPDATE staff_approval SET decided_at = now() WHERE id = %(open)s",
    "approved too late": "UPDATE staff_approval SET state = 'approved', decided_at = expires_at,"
    " checker_id = %(checker)s WHERE id = %(open)s",
    "expired too early": "UPDATE staff_approval SET state = 'expired', decided_at = now() WHERE id = %(open)s",
    "assigned to who asked": "UPDATE staff_approval SET assigned_to_id = maker_id WHERE id = %(open)s",
    "other parameters": 'UPDATE staff_approval SET params = \'{"word": "money"}\' WHERE id = %(open)s',
    "another preview": "UPDATE staff_approval SET preview = '{}', digest = '' WHERE id = %(open)s",
    "another operation": "UPDATE staff_approval SET operation = 'adjustment' WHERE id = %(open)s",
    "another maker": "UPDATE staff_approval SET maker_id = %(checker)s WHERE id = %(open)s",
    "another reason": "UPDATE staff_approval SET reason = 'because' WHERE id = %(open)s",
    "more time": "UPDATE staff_approval SET expires_at = expires_at + interval '1 y' WHERE id = %(open)s",
    "other parameters with the decision": "UPDATE staff_approval SET params = '{}', state = 'approved',"
    " decided_at = now(), checker_id = %(checker)s WHERE id = %(open)s",
}
OVER = {
    "another decision": "UPDATE staff_approval SET state = 'rejected', comment = 'no' WHERE id = %(done)s",
    "open again": "UPDATE staff_approval SET state = 'open', decided_at = NULL, checker_id = NULL WHERE id = %(done)s",
    "another checker": "UPDATE staff_approval SET checker_id = %(other)s WHERE id = %(done)s",
    "another comment": "UPDATE staff_approval SET comment = 'x' WHERE id = %(done)s",
    "another result": "UPDATE staff_approval SET result = NULL WHERE id = %(done)s",
    "another assignment": "UPDATE staff_approval SET assigned_to_id = %(other)s WHERE id = %(done)s",
    "deleted": "DELETE FROM staff_approval WHERE id = %(done)s",
    "deleted while open": "DELETE FROM staff_approval WHERE id = %(open)s",
    "truncated": "TRUNCATE staff_approval CASCADE",
    "its maker deleted": "DELETE FROM staff_user WHERE id = (SELECT maker_id FROM staff_approval WHERE id = %(done)s)",
}
COLUMNS = (
    "operation, title, subject_type, subject_id, subject_title, about, params, preview, digest, reason, created_at,"
    " expires_at, comment"
)
BORN = f"INSERT INTO staff_approval (id, slot, maker_id, state, checker_id, decided_at, {COLUMNS})" + (
    f" SELECT gen_random_uuid(), {{}}, {COLUMNS} FROM staff_approval WHERE id = %(open)s"
)
BIRTHS = {
    "born approved": BORN.format("'other', maker_id, 'approved', %(checker)s, now()"),
    "born withdrawn": BORN.format("'other', maker_id, 'withdrawn', NULL, now()"),
    "the same twice": BORN.format("slot, %(checker)s, 'open', NULL::bigint, NULL::timestamptz"),
    "without end": "created_at".join(BORN.rsplit("expires_at", 1)).format("'other', maker_id, 'open', NULL, NULL"),
}
ATTACKS = OPEN | OVER | BIRTHS
# A guard, a CHECK, a unique index, a foreign key or a missing right; not a mistake in the attack itself.
GUARDS = {"TK001", "TK011", "TK015", "23514", "23505", "23503", "42501"}


@pytest.fixture
def rows(ask, samuel, diane):
    """One that waits and one that was approved."""
    done = ask("done")
    approve(done.pk, actor=samuel)
    return {"open": ask("open").pk, "done": done.pk, "checker": samuel.pk, "other": diane.pk}


@pytest.mark.parametrize("role", [nullcontext, connected_as_owner], ids=["app role", "owner"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_two_people_decided_is_not_forged(rows, role, attack):
    before = [fresh(Approval(pk=rows[name])).__dict__ for name in ("open", "done")]

    with role(), pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ATTACKS[attack], rows)

    assert refused.value.__cause__.sqlstate in GUARDS, refused.value
    after = [fresh(Approval(pk=rows[name])).__dict__ for name in ("open", "done")]
    assert [one | {"_state": None} for one in before] == [one | {"_state": None} for one in after]
    assert Approval.objects.count() == 2


def test_what_may_be_done_is_done(rows):
    """The control: the same statements without the fault pass."""
    with connection.cursor() as cursor:
        cursor.execute(BORN.format("'other', maker_id, 'open', NULL::bigint, NULL::timestamptz"), rows)
        assert cursor.rowcount == 1
        cursor.execute("UPDATE staff_approval SET assigned_to_id = %(other)s WHERE id = %(open)s", rows)
        assert cursor.rowcount == 1
        cursor.execute(DECIDE.format("rejected", "%(checker)s", "'no'"), rows)
        assert cursor.rowcount == 1
