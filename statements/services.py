"""Choosing statements, making those that are due, once each, and what is sent of them.

A row of settings is the queue: at ``due_at`` the period is over by the calendar of the customer's country, and what was
posted in it has been committed. The statement, its notification and the next ``due_at`` are one database transaction
under a lock on the row; a unique index and a guard hold the same against any other way in. Days differ from country to
country, so that no one business date would do for all (`core/jobs.py`).
"""

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from time import monotonic
from typing import IO, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction as db_transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from core import audit, failures
from core.errors import JobCannotBeRetried
from core.ids import uuid7
from core.models import FailedJob
from ledger.services import SETTLES_IN
from notifications.services import Attachment, Notice, notify_many
from reports.documents import new_number, register
from reports.models import IssuedPaper
from reports.papers import draw
from statements import files
from statements.errors import StatementMade
from statements.files import pdf
from statements.merchants import takings
from statements.models import Every, Format, Statement, StatementSettings
from statements.periods import ONE_DAY, Days, asked, first_day, following
from statements.selectors import Stated, digest, figures, language_of, stated_again
from statements.words import WORDS, amount
from wallets.errors import WalletClosed
from wallets.models import Wallet

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
CLAIM = 50
LEASE = timedelta(minutes=5)  # of a whole claim
ROUND_SECONDS = 8
MOST_MAILED = 2_000  # lines of a statement that is attached to an e-mail
NOTICE = "statement_ready"


# --- On demand --------------------------------------------------------------------------------------------------------


def state(wallet: Wallet, first: date, last: date, language: str | None = None) -> Stated:
    """A statement of these days, by the calendar of the customer's country. Kept nowhere, and so without a number.

    Raises: StatementDaysReversed, StatementInFuture, StatementTooLong.
    """
    days = asked(first, last, wallet.customer.country.timezone, timezone.now())
    return Stated(wallet, figures(wallet, days), language or language_of(wallet))


# --- By the clock -----------------------------------------------------------------------------------------------------


def settings_of(wallet: Wallet) -> StatementSettings:
    """As the next one is made, or as it would be without a choice: not saved."""
    found = StatementSettings.objects.filter(pk=wallet.pk).first()
    found = found or StatementSettings(wallet=wallet, language=language_of(wallet))
    found.format = files.offered(found.format, wallet.customer.account_type)
    return found


def choose(wallet: Wallet, *, every: str, file_format: str, language: str, actor: Any) -> StatementSettings:
    """Have statements of ``wallet`` made daily, weekly, monthly or not, from the period of today on.

    The same choice again changes nothing, and none can always be chosen. Raises: StatementFormatNotOffered,
    WalletClosed. Locks: the row.
    """
    if every == Every.NONE:
        file_format = files.offered(file_format, wallet.customer.account_type)
    elif wallet.closed_at:
        raise WalletClosed()
    files.refuse_unless_offered(file_format, wallet.customer.account_type)
    with db_transaction.atomic():
        StatementSettings.objects.get_or_create(pk=wallet.pk, defaults={"language": language})
        row = StatementSettings.objects.select_for_update().get(pk=wallet.pk)
        before = {"every": row.every, "format": row.format, "language": row.language}
        after = {"every": every, "format": file_format, "language": language}
        if before == after:
            return row
        if every != row.every:
            today = timezone.now().astimezone(ZoneInfo(wallet.customer.country.timezone)).date()
            since = first_day(every, today)
            # A first period that is over is owed, whatever is chosen after it; of one that still runs nothing is.
            if row.every == Every.NONE or next_days(wallet, row).last >= today:
                row.begins = since
            row.every, row.since, row.attempts = every, since, 0
            row.due_at = next_due(wallet, row)
        row.format, row.language = file_format, language
        row.save()
        audit.record(actor=actor, action="choose_statements", subject=row, before=before, after=after)
    return row


def next_due(wallet: Wallet, row: StatementSettings) -> datetime | None:
    """When the next period is over and settled; None where no statements are wanted."""
    return None if row.every == Every.NONE else next_days(wallet, row).end.astimezone(UTC) + SETTLES_IN


def next_days(wallet: Wallet, row: StatementSettings) -> Days:
    last = Statement.objects.filter(wallet=wallet).order_by("-number").first()
    first = last.to_day + ONE_DAY if last else row.begins
    assert row.since is not None and first is not None
    return following(row.every, row.since, first, wallet.customer.country.timezone)


def make_due() -> int:
    """Make what is due, oldest first, for a while; how many were made. Safe to run in several workers at once."""
    over_at, made = monotonic() + ROUND_SECONDS, 0
    while monotonic() < over_at and (claimed := claim()):
        for row in claimed:
            made += attempt(row)
    return made


def claim() -> list[StatementSettings]:
    """Take up due rows for `LEASE`; the attempt is counted and committed before the work.

    Locks: the rows, skipping those that another worker is taking up.
    """
    with db_transaction.atomic():
        due = StatementSettings.objects.select_for_update(skip_locked=True).filter(due_at__lte=Now())
        found = list(due.order_by("due_at")[:CLAIM])
        # What was tried before may be what killed its worker: it goes alone, and takes no other with it three times.
        found = found[:1] if found and found[0].attempts else [row for row in found if not row.attempts]
        give_up([row for row in found if row.attempts >= MAX_ATTEMPTS])
        claimed = [row for row in found if row.attempts < MAX_ATTEMPTS]
        StatementSettings.objects.filter(pk__in=[row.pk for row in claimed]).update(
            attempts=F("attempts") + 1, due_at=Now() + LEASE
        )
    for row in claimed:
        row.attempts += 1
    return claimed


def attempt(row: StatementSettings) -> bool:
    """Make one that was claimed; what goes wrong holds up no other, and is tried again later."""
    try:
        make_next(row.pk, attempt=row.attempts)
    except StatementMade:
        return False
    except Exception as exc:
        logger.exception("a statement could not be made", extra={"job": str(row.pk)})
        with db_transaction.atomic():
            if row.attempts >= MAX_ATTEMPTS:
                give_up([row], exc)
            else:
                later = Now() + timedelta(minutes=4 ** (row.attempts - 1))
                StatementSettings.objects.filter(pk=row.pk, attempts=row.attempts).update(due_at=later)
        return False
    return True


def make_next(wallet_id: UUID, *, attempt: int) -> Statement:
    """Make the statement that is due of a wallet, tell its owner, and set when the next one is due.

    Raises: StatementMade: another worker was quicker, or the period is not over. Locks: the row of settings.
    """
    with db_transaction.atomic():
        rows = StatementSettings.objects.select_for_update(of=("self",))
        row = rows.select_related("wallet__customer__country").filter(pk=wallet_id).first()
        if row is None or row.every == Every.NONE or row.attempts != attempt:
            raise StatementMade()
        wallet = row.wallet
        row.format = files.offered(row.format, wallet.customer.account_type)
        found = figures(wallet, next_days(wallet, row))
        if not found.is_final:
            raise StatementMade()
        statement = keep(wallet, row, found)
        tell(statement, wallet)
        row.attempts, row.due_at = 0, next_due(wallet, row)
        if wallet.closed_at and wallet.closed_at < statement.ends_at:  # this was its last
            row.every, row.due_at = Every.NONE, None
        row.save()
    return statement


def keep(wallet: Wallet, row: StatementSettings, found: Any) -> Statement:
    """Its row in the register, after the one before it; the guard compares both, and the entries."""
    before = Statement.objects.filter(wallet=wallet).order_by("-number").first()
    number = before.number + 1 if before else 1
    days = found.days
    return Statement.objects.create(
        id=uuid7(), wallet=wallet, number=number, every=row.every, format=row.format, language=row.language,
        timezone=days.timezone, from_day=days.first, to_day=days.last, starts_at=days.start, ends_at=days.end,
        seq_before=found.seq_before, seq_last=found.seq_last, currency=found.currency, opening=found.opening,
        debits=found.debits, credits=found.credits, debit_count=found.debit_count, credit_count=found.credit_count,
        fees=found.fees, closing=found.closing, made_at=found.as_of,
        sha256=digest(wallet, number, found, before.sha256 if before else ""),
    )  # fmt: skip


def tell(statement: Statement, wallet: Wallet) -> None:
    """In the app and by e-mail, in the language of the statement."""
    words, currency, language = WORDS[statement.language], statement.currency, statement.language
    figure = {name: f"{currency} {amount(getattr(statement, field), currency, language)}" for name, field in (
        ("opening", "opening"), ("money_in", "credits"), ("money_out", "debits"), ("closing", "closing"),
    )}  # fmt: skip
    count = statement.debit_count + statement.credit_count
    body = words.mail_body.format(first=statement.from_day, last=statement.to_day, count=count, **figure)
    if statement.format == Format.MERCHANT:
        body = words.merchant_body.format(**taken(statement, wallet))
    facts = {
        "title": words.mail_title.format(number=statement.number, currency=currency),
        "body": f"{body} {words.attached if count <= MOST_MAILED else words.in_app}",
    }
    notify_many([Notice(statement.pk, wallet.customer_id, None, NOTICE, facts)])


def taken(statement: Statement, wallet: Wallet) -> dict[str, Any]:
    """The facts of a merchant's e-mail."""
    total = takings(wallet, stated_again(statement, wallet).figures)
    sums = {"payments": total.payments, "returned": total.returned, "fees": total.fees, "net": total.net}
    said = {
        name: f"{statement.currency} {amount(minor, statement.currency, statement.language)}"
        for name, minor in sums.items()
    }
    return said | {"first": statement.from_day, "last": statement.to_day, "count": total.payment_count}


def attachment(event: UUID) -> Attachment | None:
    """What goes with the e-mail that tells of a statement (``settings.NOTIFICATION_ATTACHMENTS``): made from the
    entries when it leaves. None for one that is too long for a mailbox."""
    statement = Statement.objects.select_related("wallet__customer__country").filter(pk=event).first()
    if statement is None or statement.debit_count + statement.credit_count > MOST_MAILED:
        return None
    stated = stated_again(statement, statement.wallet)
    file_format = files.offered(statement.format, statement.wallet.customer.account_type)
    with files.write(stated, file_format) as file:
        media_type = files.KINDS[file_format].media_type.partition(";")[0]
        return Attachment(files.name_of(stated, file_format), file.read(), media_type)


# --- Given up ---------------------------------------------------------------------------------------------------------


def give_up(rows: Sequence[StatementSettings], exc: Exception | None = None) -> None:
    """They wait for a person from now on; in the caller's database transaction."""
    if rows:
        StatementSettings.objects.filter(pk__in=[row.pk for row in rows]).update(due_at=None)
        given = [failures.Given(str(row.pk), {"wallet": str(row.pk)}, row.attempts) for row in rows]
        failures.give_up(PeriodStatement.name, given, exc)


class PeriodStatement(failures.Retriable):
    """The statements of one wallet: the one that failed, and after it those that have become due meanwhile."""

    name = "statement"
    title = "Statement of a wallet"
    model = "wallets.wallet"

    def retry(self, job: FailedJob) -> None:
        stopped = StatementSettings.objects.filter(pk=UUID(job.subject_id), due_at=None).exclude(every=Every.NONE)
        if not stopped.update(due_at=Now(), attempts=0):
            raise JobCannotBeRetried("It has been made, is about to be, or is not wanted any more.")

    def now(self, job: FailedJob) -> str:
        row = StatementSettings.objects.filter(pk=UUID(job.subject_id)).first()
        return f"{row.every}, {'due' if row.due_at else 'stopped'}" if row else "no statements are wanted"


period_statement = PeriodStatement()


# --- Staff ------------------------------------------------------------------------------------------------------------


def make_for_customer(stated: Stated, file_format: str, *, actor: Any) -> tuple[IO[bytes], str]:
    """The file of a statement as its owner would get it, made by staff, and its name. It is on record; a PDF is a paper
    with a number, in the register of papers.

    Raises: as `files.write`.
    """
    days, found = stated.figures.days, stated.figures
    facts = {"from": str(days.first), "to": str(days.last), "format": file_format, "lines": found.entries}
    if stated.number:
        facts["number"] = stated.number
    if file_format != Format.PDF:
        file, name = files.write(stated, file_format), files.name_of(stated, file_format)
        audit.record(actor=actor, action="make_statement", subject=stated.wallet, after=facts)
        return file, name
    files.refuse_too_long(stated)
    number, sha256 = new_number(), stated.sha256 or digest(stated.wallet, 0, found, "")
    content, pages = draw(pdf.paper(stated._replace(sha256=sha256), paper=number))
    with db_transaction.atomic():
        row = register(
            IssuedPaper.Kind.STATEMENT, content, pages, number=number, title=f"Statement of {stated.wallet.pk}",
            about={"wallet": str(stated.wallet.pk), **facts}, data_sha256=sha256, actor=actor,
        )  # fmt: skip
        audit.record(actor=actor, action="make_statement", subject=stated.wallet, after={**facts, "paper": number})
    return BytesIO(content), row.file_name


def make_again_for_customer(statement: Statement, file_format: str, *, actor: Any) -> tuple[IO[bytes], str]:
    """The same of one that is kept. Raises: as `files.write`."""
    return make_for_customer(stated_again(statement, statement.wallet), file_format, actor=actor)
