"""E-mails to colleagues: a link to choose a password, and what became of what they asked for.

The row is the queue and the bell only hurries it. What a letter says is made when it leaves: a link that opens
something is nowhere else than in the mail. No letter names a customer or a sum; who reads it signs in to see.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from core import bell, failures
from core.errors import JobCannotBeRetried
from core.models import FailedJob
from staff.models import Approval, Letter, User

logger = logging.getLogger("tekana.staff")

MAX_ATTEMPTS = 8  # over about four hours
LEASE = timedelta(minutes=2)
AT_A_TIME = 50


class LinkToken(PasswordResetTokenGenerator):
    """Good for one user as they are: another password, address or sign-in makes it worthless, and so does the time."""

    key_salt = "staff.letters.LinkToken"


link_token = LinkToken()


def write(user: User, kind: str, approval: Approval | None = None) -> None:
    """In the caller's database transaction; it leaves after the commit. Of one decision there is one letter."""
    Letter.objects.create(user=user, kind=kind, approval=approval)
    bell.ring("staff.tasks.send_letters")


def send_due() -> int:
    """Send what is due; how many were tried. Each attempt is counted and committed before, so that a letter that kills
    the worker, or that no server takes, is given up after MAX_ATTEMPTS. At least once each.

    Locks: a letter while it is taken up, skipping those that another worker has.
    """
    tried = 0
    while tried < AT_A_TIME and (letter := take_up()) is not None:
        tried += 1
        try:
            send(letter)
        except Exception as exc:  # of sockets, of SMTP, of the address
            logger.warning("letter not sent: %s", type(exc).__name__, extra={"of": letter.user.principal})
            if letter.attempts >= MAX_ATTEMPTS:
                give_up(letter, exc)
        else:
            Letter.objects.filter(pk=letter.pk).update(due_at=None, sent_at=timezone.now())
    return tried


def take_up() -> Letter | None:
    with transaction.atomic():
        now = timezone.now()
        due = Letter.objects.filter(due_at__lte=now).order_by("due_at", "pk")
        letter = due.select_for_update(of=("self",), skip_locked=True).select_related("user", "approval").first()
        if letter is None:
            return None
        if letter.attempts < MAX_ATTEMPTS:
            letter.attempts += 1
            letter.due_at = now + LEASE * 2 ** (letter.attempts - 1)
            letter.save(update_fields=["attempts", "due_at"])
            return letter
        give_up(letter)  # the worker was lost at the last attempt
    return take_up()


def give_up(letter: Letter, exc: Exception | None = None) -> None:
    """It waits for a person from now on (`core/failures.py`), unless it was sent meanwhile."""
    with transaction.atomic():
        Letter.objects.filter(pk=letter.pk).update(due_at=None)
        if Letter.objects.filter(pk=letter.pk, sent_at=None).exists():
            about = {"staff": letter.user.principal, "letter": letter.kind}
            failures.give_up(LetterJob.name, [failures.Given(str(letter.pk), about, letter.attempts)], exc)
    logger.error("letter given up", extra={"of": letter.user.principal})


def send(letter: Letter) -> None:
    """Nothing to whom has left, or has no address."""
    user = letter.user
    if not (user.is_active and user.email):
        return
    title, text = decided(letter.approval) if letter.approval else invitation(user)
    mail.send_mail(f"Tekana: {title}", f"{user.full_name},\n\n{text}\n", None, [user.email])


def invitation(user: User) -> tuple[str, str]:
    who = urlsafe_base64_encode(force_bytes(user.pk))
    page = reverse("admin:new_password", args=[who, link_token.make_token(user)])
    return "choose your password", (
        f"choose your password for the back office here:\n\n{settings.PUBLIC_URL}{page}\n\n"
        f"Your user name is {user.username}. The link works once and for {settings.STAFF_LINK_HOURS} hours. Nobody else"
        " has it, and nobody of us asks you for it. You did not expect it? Tell an administrator."
    )


def decided(approval: Approval) -> tuple[str, str]:
    from staff.approvals import operations  # which writes letters itself

    known = operations().get(approval.operation)
    what = known.title if known else "a request"
    state = "has expired" if approval.state == Approval.State.EXPIRED else f"was {approval.get_state_display().lower()}"
    by = f" by {approval.checker}" if approval.checker else ""
    page = settings.PUBLIC_URL + reverse("admin:staff_approval_change", args=[approval.pk])
    return f"your request {state}", (
        f"what you asked for on {approval.created_at:%-d %b %Y at %H:%M} UTC ({what}) {state}{by}.\n\n{page}\n\n"
        "Sign in to see it, and what was said about it."
    )


class LetterJob(failures.Retriable):
    name = "letter"
    title = "E-mail to a colleague"
    model = "staff.user"

    def retry(self, job: FailedJob) -> None:
        unsent = Letter.objects.filter(pk=job.subject_id, due_at=None, sent_at=None)
        if not unsent.update(due_at=timezone.now(), attempts=0):
            raise JobCannotBeRetried("It has been sent, or is about to be.")
        bell.ring("staff.tasks.send_letters")

    def now(self, job: FailedJob) -> str:
        letter = Letter.objects.filter(pk=job.subject_id).first()
        return "gone" if letter is None else "sent" if letter.sent_at else "due" if letter.due_at else "given up"

    def page(self, job: FailedJob) -> str:
        return str(job.arguments["staff"]).partition(":")[2]


letter_job = LetterJob()

# --- In the back office ----------------------------------------------------------------------------------------------


def unseen(user: User) -> Q:
    """Of requests of theirs that were decided and that they have not looked at since."""
    return Q(user=user.pk, kind=Letter.Kind.DECIDED, seen_at=None)


def saw(user: User, approval: Approval | None = None) -> None:
    """They have looked at what became of one request of theirs, or of all."""
    theirs = Letter.objects.filter(unseen(user))
    (theirs.filter(approval=approval) if approval else theirs).update(seen_at=timezone.now())
