"""Telling customers, and carrying what was told to their mailboxes.

The text of a notification is made once, when it is written. Each channel beyond the app has a `Delivery`: a row that
says when to try next. An attempt is counted and committed before the mail leaves, so that one which kills its worker is
given up after three; only an error or a lost worker brings another attempt.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import F
from django.db.models.functions import Now
from django.template import Context
from django.template.loader import get_template
from django.utils.module_loading import import_string

from core import failures
from core.bell import ring
from core.errors import JobCannotBeRetried
from core.ids import uuid7
from core.models import FailedJob
from notifications.models import Delivery, Notification

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
CLAIM = 20
# Longer than a claim's mails can take at EMAIL_TIMEOUT each: nobody else takes them up meanwhile.
LEASE = timedelta(minutes=5)
ROUND_SECONDS = 8


@dataclass(frozen=True, slots=True)
class Notice:
    """One customer is to be told of one event; ``kind`` names the text, `templates/notifications/<kind>.txt`."""

    event: UUID
    customer: UUID
    transaction: UUID | None
    kind: str
    facts: Mapping[str, str]


class Attachment(NamedTuple):
    """A file that goes with an e-mail."""

    name: str
    content: bytes
    media_type: str


def notify_many(notices: Sequence[Notice]) -> None:
    """Write each notification and its e-mail delivery, in the caller's database transaction, in one statement.

    Idempotent by event and customer: who was told is not told again.
    """
    rows = []
    for notice in notices:
        try:
            rows.append((uuid7(), notice.event, notice.customer, notice.transaction, notice.kind, *text_of(notice)))
        except Exception:  # a broken text must not hold up everybody else's
            logger.exception("a notification could not be written", extra={"transaction": notice.transaction})
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH told AS (
                INSERT INTO notifications_notification
                    (id, event, customer_id, transaction, kind, title, body, created_at)
                SELECT *, statement_timestamp()
                FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[])
                ON CONFLICT (event, customer_id) DO NOTHING
                RETURNING id
            )
            INSERT INTO notifications_delivery (notification_id, channel, state, attempts, due_at, error)
            SELECT id, 'email', 'pending', 0, statement_timestamp(), '' FROM told
            """,
            [list(column) for column in zip(*rows, strict=True)],  # arrays, to psycopg
        )


def text_of(notice: Notice) -> tuple[str, str]:
    """Title and body: the first line and the rest of the kind's template, as plain text on one line each."""
    facts = {name: " ".join(value.split()) for name, value in notice.facts.items()}
    title, _, body = rendered(notice.kind, facts).strip().partition("\n")
    return " ".join(title.split())[:120], " ".join(body.split())[:500]


def rendered(name: str, facts: Mapping[str, str]) -> str:
    """Plain text: nothing is escaped for HTML."""
    template = get_template(f"notifications/{name}.txt").template  # type: ignore[attr-defined]
    return str(template.render(Context(facts, autoescape=False)))


def mark_read(customer_id: UUID, notification_id: UUID | None = None) -> int:
    """Note that the customer has read one of their notifications, or all; how many were new to them."""
    unread = Notification.objects.filter(customer_id=customer_id, read_at=None)
    if notification_id is not None:
        unread = unread.filter(pk=notification_id)
    return unread.update(read_at=Now())


def deliver(delivery_id: int) -> None:
    """Carry one delivery, if it is due."""
    send_claimed(claim(1, delivery_id))


def deliver_due() -> int:
    """Carry what is due, claim by claim, until nothing is left or the round is over; how many were tried."""
    over_at, tried = monotonic() + ROUND_SECONDS, 0
    while monotonic() < over_at and (claimed := claim(CLAIM)):
        send_claimed(claimed)
        tried += len(claimed)
    return tried


def claim(limit: int, delivery_id: int | None = None) -> list[Delivery]:
    """Take up due deliveries for `LEASE`: their attempt is counted and committed before anything is sent.

    Locks: the rows, skipping those that another worker is taking up.
    """
    with db_transaction.atomic():
        due = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state=Delivery.State.PENDING, due_at__lte=Now()
        )
        if delivery_id is not None:
            due = due.filter(pk=delivery_id)
        found = list(due.select_related("notification__customer").order_by("due_at", "pk")[:limit])
        # What was tried before may be what killed its worker: it goes alone, and takes no other with it three times.
        found = found[:1] if found and found[0].attempts else [row for row in found if not row.attempts]
        spent = [row for row in found if row.attempts >= MAX_ATTEMPTS]
        claimed = [row for row in found if row.attempts < MAX_ATTEMPTS]
        give_up(spent, "the worker was lost while sending")
        Delivery.objects.filter(pk__in=[row.pk for row in claimed]).update(
            attempts=F("attempts") + 1, due_at=Now() + LEASE
        )
    for row in claimed:
        row.attempts += 1
    return claimed


def send_claimed(claimed: Sequence[Delivery]) -> None:
    """Send each over one connection; one that fails is tried again later and holds up no other."""
    if not claimed:
        return
    mailbox = mail.get_connection()
    for row in claimed:
        # The attempt is the fencing number: a worker that comes back after its lease changes nothing.
        mine = Delivery.objects.filter(pk=row.pk, attempts=row.attempts, state=Delivery.State.PENDING)
        try:
            mailbox.open()
            message_of(row, mailbox).send()
        except Exception as exc:
            error = type(exc).__name__  # not its text, which may name the address
            logger.warning("e-mail not sent: %s", error, extra={"count": row.attempts})
            with suppress(Exception):
                mailbox.close()
            if row.attempts >= MAX_ATTEMPTS:
                give_up([row], error, exc)
            else:
                mine.update(due_at=Now() + backoff(row.attempts), error=error)
        else:
            mine.update(state=Delivery.State.SENT, sent_at=Now(), error="")
    mailbox.close()


def message_of(delivery: Delivery, mailbox: BaseEmailBackend) -> mail.EmailMessage:
    notification, customer = delivery.notification, delivery.notification.customer
    message = mail.EmailMessage(
        subject=notification.title,
        body=rendered("email", {"name": customer.full_name, "body": notification.body}),
        to=[customer.email],
        # The same on every attempt, so that mail servers can recognise a repetition.
        headers={"Message-ID": f"<{notification.pk}@notifications.tekana>"},
        connection=mailbox,
    )
    if path := settings.NOTIFICATION_ATTACHMENTS.get(notification.kind):
        attachment: Attachment | None = import_string(path)(notification.event)
        if attachment is not None:
            message.attach(*attachment)
    return message


def backoff(attempts: int) -> timedelta:
    """About 1, then 4 minutes, spread so that what failed together does not come back together."""
    return timedelta(seconds=60 * 4 ** (attempts - 1) * random.uniform(0.75, 1.25))  # noqa: S311


def give_up(rows: Sequence[Delivery], error: str, exc: Exception | None = None) -> None:
    """They wait for a person from now on (`core/failures.py`); those that somebody else has meanwhile sent do not."""
    if not rows:
        return
    with db_transaction.atomic():
        pending = Delivery.objects.select_for_update().filter(
            pk__in=[row.pk for row in rows], state=Delivery.State.PENDING
        )
        mine = [row for row in pending if row.attempts >= MAX_ATTEMPTS]
        Delivery.objects.filter(pk__in=[row.pk for row in mine]).update(state=Delivery.State.FAILED, error=error)
        of = [{"notification": str(row.notification_id), "channel": row.channel} for row in mine]
        given = [failures.Given(str(row.pk), about, row.attempts) for row, about in zip(mine, of, strict=True)]
        failures.give_up(Email.name, given, exc)
    if mine:
        logger.error("e-mails given up after %s attempts", MAX_ATTEMPTS, extra={"count": len(mine)})


class Email(failures.Retriable):
    """One e-mail to one customer. The mail server may have taken an earlier attempt: the message bears the same id."""

    name = "email"
    title = "E-mail to a customer"
    model = "notifications.notification"

    def retry(self, job: FailedJob) -> None:
        failed = Delivery.objects.filter(pk=job.subject_id, state=Delivery.State.FAILED)
        if not failed.update(state=Delivery.State.PENDING, attempts=0, due_at=Now(), error=""):
            raise JobCannotBeRetried("It has been sent, or is about to be.")
        ring("notifications.tasks.deliver", job.subject_id)

    def now(self, job: FailedJob) -> str:
        row = Delivery.objects.filter(pk=job.subject_id).first()
        return row.get_state_display().lower() if row else "gone, with its customer"

    def page(self, job: FailedJob) -> str:
        return str(job.arguments["notification"])


email = Email()
