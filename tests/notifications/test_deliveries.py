"""From a notification to a mailbox: once, or given up after three attempts."""

import smtplib
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.core.mail.backends import locmem
from django.db.models.functions import Now

from notifications import services
from notifications.models import Delivery, Notification
from notifications.services import Notice, deliver, deliver_due, notify_many
from notifications.tasks import sweep_deliveries
from tests.factories import CustomerFactory
from tests.fakes.rail_work import in_threads

pytestmark = pytest.mark.django_db
FACTS = {"amount": "RWF 1,500", "fee": "", "counterparty": "Eric H.", "receipt": "7K2M9QXW4R"}


def tell(customer, kind="money_received", event=None, **facts):
    notify_many([Notice(event or uuid4(), customer.pk, None, kind, FACTS | facts)])
    return Delivery.objects.latest("pk")


def due_now():
    Delivery.objects.update(due_at=Now())


@pytest.fixture
def broken_mail(monkeypatch):
    """The mail server refuses; ``broken_mail.undo()`` mends it."""

    def refuse(self, messages):
        raise smtplib.SMTPRecipientsRefused({messages[0].to[0]: (550, b"no such user")})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locmem.EmailBackend, "send_messages", refuse)
        yield patch


def test_a_notification_is_mailed_once():
    delivery = tell(CustomerFactory(full_name="Aline O'Neill", email="aline@example.com"))

    sweep_deliveries()
    sweep_deliveries()

    (message,) = mail.outbox
    assert (message.subject, message.to) == ("You received RWF 1,500", ["aline@example.com"])
    assert message.body.startswith("Hello Aline O'Neill,\n\nEric H. sent you RWF 1,500. Receipt 7K2M9QXW4R.\n")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.error) == (Delivery.State.SENT, 1, "")
    assert delivery.sent_at is not None


def test_telling_twice_writes_and_mails_once():
    customer, event = CustomerFactory(), uuid4()

    for _ in range(2):
        tell(customer, event=event)
    deliver_due()

    assert Notification.objects.count() == Delivery.objects.count() == len(mail.outbox) == 1


def test_a_name_cannot_forge_a_header():
    tell(CustomerFactory(), amount="RWF 1\r\nBcc: everybody@example.com")

    deliver_due()

    assert mail.outbox[0].subject == "You received RWF 1 Bcc: everybody@example.com"


def test_one_delivery_can_be_carried_by_itself():
    first, second = tell(CustomerFactory()), tell(CustomerFactory())

    deliver(second.pk)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (Delivery.State.PENDING, Delivery.State.SENT)


def test_a_refusal_is_tried_three_times_less_and_less_often_then_given_up(broken_mail, caplog):
    delivery = tell(CustomerFactory())
    waits = []
    for _ in range(5):
        deliver_due()
        delivery.refresh_from_db()
        waits.append(delivery.due_at - Delivery.objects.annotate(now=Now()).get().now)
        due_now()

    assert (delivery.state, delivery.attempts) == (Delivery.State.FAILED, 3)
    assert delivery.error == "SMTPRecipientsRefused"  # without the address
    assert timedelta(seconds=40) < waits[0] < timedelta(seconds=80) < waits[1] < timedelta(seconds=310)
    assert any(record.levelname == "ERROR" and "given up" in record.message for record in caplog.records)
    assert mail.outbox == []


def test_what_failed_once_is_sent_when_the_server_is_back(broken_mail):
    delivery = tell(CustomerFactory())
    deliver_due()
    broken_mail.undo()
    deliver_due()
    assert mail.outbox == []  # not due yet

    due_now()
    deliver_due()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.error) == (Delivery.State.SENT, 2, "")
    assert len(mail.outbox) == 1


def test_one_that_fails_holds_up_no_other(monkeypatch):
    bad, good = tell(CustomerFactory(email="bad@example.com")), tell(CustomerFactory(email="good@example.com"))
    send = locmem.EmailBackend.send_messages

    def picky(self, messages):
        if messages[0].to == ["bad@example.com"]:
            raise smtplib.SMTPServerDisconnected
        return send(self, messages)

    monkeypatch.setattr(locmem.EmailBackend, "send_messages", picky)
    deliver_due()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == (Delivery.State.PENDING, Delivery.State.SENT)


class Killed(BaseException):
    """What `kill -9` looks like from inside."""


def test_a_mail_that_kills_its_worker_is_given_up_after_three(transactional_db, monkeypatch):
    delivery = tell(CustomerFactory())

    def kill(*args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(locmem.EmailBackend, "send_messages", kill)
        for _ in range(3):
            with pytest.raises(Killed):
                deliver_due()
            deliver_due()  # the lease lasts: nobody else takes it up
            due_now()
    deliver_due()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (Delivery.State.FAILED, 3)
    assert delivery.error == "the worker was lost while sending"
    assert mail.outbox == []


def test_many_workers_at_once_mail_each_once(transactional_db):
    for _ in range(60):
        tell(CustomerFactory())

    in_threads(5, deliver_due)

    assert len(mail.outbox) == 60
    assert len({message.to[0] for message in mail.outbox}) == 60
    assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}


def test_a_claim_costs_the_same_for_one_and_for_many(django_assert_num_queries):
    for _ in range(10):
        tell(CustomerFactory())

    with django_assert_num_queries(4):  # a savepoint and its release, the rows, one update
        assert len(services.claim(20)) == 10
