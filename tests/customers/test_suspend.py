from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction

from core.errors import IllegalTransition, TekanaError
from core.models import AuditRecord
from customers import services
from customers.models import Customer, Session
from customers.services import reactivate_customer, suspend_customer
from tests.factories import PASSWORD, CustomerFactory


def test_a_state_is_left_only_once(mary):
    assert suspend_customer(mary, actor=None, reason="x").state == "suspended"

    with pytest.raises(IllegalTransition):
        suspend_customer(mary, actor=None, reason="x")
    assert reactivate_customer(mary, actor=None, reason="y").state == "active"
    with pytest.raises(IllegalTransition):
        reactivate_customer(mary, actor=None, reason="y")
    assert AuditRecord.objects.count() == 2


def test_the_state_is_no_field_to_assign(mary):
    with pytest.raises(AttributeError):
        mary.state = "suspended"


def test_two_at_once_suspend_once(transactional_db):
    mary = CustomerFactory()
    barrier = Barrier(4)

    def suspend(_):
        barrier.wait()
        try:
            return suspend_customer(mary, actor=None, reason="x").state
        except IllegalTransition as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(suspend, range(4)))

    assert answers == ["illegal_transition"] * 3 + ["suspended"]
    assert AuditRecord.objects.filter(action="suspend").count() == 1


def test_a_sign_in_that_races_a_suspension_leaves_no_live_session(transactional_db):
    """The sign-in waits for the lock, then sees the new state: there is no order in which a session survives."""
    mary = CustomerFactory(email="mary@example.com")

    def sign_in():
        try:
            return services.sign_in("mary@example.com", PASSWORD)
        except TekanaError as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            suspend_customer(mary, actor=None, reason="x")
            racing = pool.submit(sign_in)
            with pytest.raises(TimeoutError):
                racing.result(timeout=0.5)  # it waits
        assert racing.result(timeout=5) == "customer_suspended"

    assert Customer.objects.get().state == "suspended"
    assert not Session.objects.filter(revoked_at=None).exists()
