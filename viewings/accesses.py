"""A customer's own access log: who has seen the account as its owner sees it, or personal data in the clear, and the
account's own sign-ins. Newest first, by id: all of it is written with ids in the order of time.

Ordinary pages of the back office are not in it: there each look is on our own record. Neither are reveals for a case of
compliance or an authority, of which the law forbids to tell.
"""

import heapq
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from django.utils.crypto import salted_hmac

from core.ids import CROCKFORD
from core.models import AuditRecord
from customers.models import Customer, Reveal
from customers.reveals import reveals_of
from staff.roles import Role
from viewings.models import Viewing
from viewings.selectors import ended

WHY = {
    Viewing.Why.ASKED: "You asked us to look.",
    Viewing.Why.COMPLAINT: "You told us that something was not right.",
    Viewing.Why.FAULT: "Something in the app did not work.",
    Viewing.Why.SAFETY: "We wanted to be sure that your account is safe.",
}
REVEALED_BECAUSE = {
    Reveal.Because.IDENTIFY: "To check that it was you who called.",
    Reveal.Because.CONTACT: "To call you or write to you.",
    Reveal.Because.COMPARE: "To compare with the record of a bank or partner.",
    Reveal.Because.SAMPLE: "To check our own work.",
}
OTHERWISE = "To work on your account."
TITLES = {
    "support_view": "We saw your account as your app shows it",
    "reveal": "We saw your phone number, e-mail address and other personal data",
    "sign_in": "You signed in",
    "change_password": "You changed your password",
    "update_profile": "You changed your profile",
    "refresh_token_reused": "Somebody used an old sign-in of yours, so we ended it",
}
OWN_ACTS = ["sign_in", "change_password", "update_profile", "refresh_token_reused"]
CODE_LENGTH = 6


class Access(NamedTuple):
    """``by``: customer, staff, or unknown. ``until`` and what staff are known by are None where there is none."""

    id: UUID
    kind: str
    at: datetime
    by: str
    until: datetime | None = None
    agent: str | None = None
    role: str | None = None
    reason: str | None = None
    ip: str | None = None

    @property
    def title(self) -> str:
        return TITLES[self.kind]


def accesses_of(customer: UUID, before: UUID | None, limit: int) -> list[Access]:
    """Up to ``limit`` of them with ids below ``before``; one statement for each source."""
    sources = [viewed, revealed, signed_in]
    found = [source(customer, before, limit) for source in sources]
    return list(islice(heapq.merge(*found, key=lambda one: one.id, reverse=True), limit))


def viewed(customer: UUID, before: UUID | None, limit: int) -> Iterator[Access]:
    rows = Viewing.objects.filter(customer=customer).select_related("end").order_by("-id")
    for row in (rows.filter(id__lt=before) if before else rows)[:limit]:
        over = ended(row)
        yield Access(
            row.pk, "support_view", row.started_at, "staff", until=over.at if over else None,
            agent=agent_code(row.agent_id), role=Role(row.role).label, reason=said_why(row),
        )  # fmt: skip


def revealed(customer: UUID, before: UUID | None, limit: int) -> Iterator[Access]:
    rows = reveals_of(customer).exclude(because=Reveal.Because.CASE)
    for row in (rows.filter(id__lt=before) if before else rows)[:limit]:
        yield Access(
            row.pk, "reveal", row.at, "staff", until=row.until, agent=agent_code(row.agent_id),
            role=Role(row.agent.role).label, reason=REVEALED_BECAUSE.get(Reveal.Because(row.because), OTHERWISE),
        )  # fmt: skip


def signed_in(customer: UUID, before: UUID | None, limit: int) -> Iterator[Access]:
    """The customer's own acts, and what was done with their tokens by whoever had them."""
    about = {"subject_type": Customer._meta.label_lower, "subject_id": str(customer), "look": False}
    rows = AuditRecord.objects.filter(**about, action__in=OWN_ACTS).order_by("-id")
    for row in (rows.filter(id__lt=before) if before else rows)[:limit]:
        by = "customer" if row.actor == f"customer:{customer}" else "unknown"
        yield Access(row.pk, row.action, row.at, by, ip=row.ip)


def said_why(viewing: Viewing) -> str:
    """The reason in words for the customer."""
    return WHY[Viewing.Why(viewing.why)]


def agent_code(staff: int) -> str:
    """``S-4K7Q2M``: what customers know a member of staff by. The same each time, so that they can name who it was to
    us, and of no use to find or press that person."""
    number = int.from_bytes(salted_hmac("viewings.agent", str(staff), algorithm="sha256").digest()[:5])
    return "S-" + "".join(CROCKFORD[number >> 5 * place & 31] for place in range(CODE_LENGTH))
