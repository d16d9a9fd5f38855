"""The daily proof: that debits equal credits, that balances are what their entries come to, that e-money is covered.

Made once for each day, from the totals of that day (`totals.py`) and the proof of all rows (`transactions/proving.py`)
that follows it, and kept. Somebody of finance signs it off.

Between two such proofs `watch` compares, every other minute, what the accounts say with what their entries come to,
line by line. When they differ it proves the books at once, which names the accounts, and tells who answers for them.
"""

import hashlib
import json
import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.core import mail
from django.db import IntegrityError, connection
from django.db import transaction as db_transaction
from django.urls import reverse

from core import audit
from core.days import midnight
from core.jobs import once_a_day
from ledger.chart import suspense
from ledger.selectors import last_proof, latest_proof
from reports.balances import Basis, Period, Section, Sums, trial_balance
from reports.errors import BreakNeedsNote, MayNotSignOff, ProofNotFound, ProofSigned
from reports.models import DailyProof, SignOff, SummedDay
from reports.totals import line_of, missing, summed_kinds, unhurried, utc_now
from staff.models import User
from transactions import proving

logger = logging.getLogger(__name__)

PERMISSION = "reports.sign_off"
FOREVER = datetime(9000, 1, 1, tzinfo=UTC)
DAYS_CHECKED = 7  # of totals against their entries, each day; all of them at once by `manage.py sum_days --check`
TURN = 30  # days after which every older day has been checked, too
NAMED = 50  # accounts of a kind that are named when the kind differs


class Finding(NamedTuple):
    """What is wrong with whom; ``number`` as in the list of invariants, or D1 to D5 for what is proven here."""

    number: str
    name: str
    wrong: str


class Figures(NamedTuple):
    """One currency at the end of the day, in minor units.

    ``debits`` and ``credits`` of the day; ``debit_balances`` and ``credit_balances`` of all accounts; what accounts
    ``stored`` and what their entries were ``summed`` to, of all debit balances, when the proof was made; owed to
    customers (e-money issued), in suspense, held at banks and rails, the rest (fees and the like); of the rest, what
    recipients owe us and is not there to cover anything.
    """

    currency: str
    debits: int
    credits: int
    debit_balances: int
    credit_balances: int
    stored: int
    summed: int
    wallets: int
    suspense: int
    rails: int
    rest: int
    receivables: int = 0  # days of before there were any do not say it

    @property
    def owed(self) -> int:
        """To customers and, where money waits in suspense, for it. Suspense below zero covers nothing."""
        return self.wallets + max(self.suspense, 0)

    @property
    def difference(self) -> int:
        """What banks and rails hold beyond that; below zero it is missing."""
        return self.rails - self.owed

    @property
    def covered(self) -> bool:
        return self.difference >= 0


class Stored(NamedTuple):
    """One line now: by its accounts' balances, by its entries; debits less credits, minor units."""

    line: str
    currency: str
    stored: int
    summed: int


STORED = """
WITH sums AS (
    SELECT line, currency, (coalesce(sum(debits), 0) - coalesce(sum(credits), 0))::bigint AS summed
    FROM ({{sums}}) bounds GROUP BY line, currency
), stored AS (
    SELECT {line} AS line, currency, sum(posted * normal_side)::bigint AS stored FROM ledger_account GROUP BY 1, 2
)
SELECT line, currency, coalesce(stored, 0), coalesce(summed, 0) FROM stored FULL JOIN sums USING (line, currency)
WHERE stored <> 0 OR summed <> 0
ORDER BY currency, line
"""
# Accounts of one kind whose balance is not that of their last entry.
TORN = """
SELECT a.code, a.posted, coalesce(e.balance_after, 0)
FROM ledger_account a LEFT JOIN ledger_entry e ON e.account_id = a.id AND e.seq = a.seq
WHERE starts_with(a.code, %s) AND a.currency = %s AND a.posted <> coalesce(e.balance_after, 0)
ORDER BY a.id LIMIT %s
"""


def stored_and_summed() -> list[Stored]:
    """Every line now, in one statement: of one state of the books. Reads all accounts and the entries of today."""
    sums = Sums(Basis.RECORDED, FOREVER)
    sums.up_to("end", FOREVER)
    with connection.cursor() as cursor:
        cursor.execute(STORED.format(line=line_of("code")).format(sums=sums.sql), sums.params)
        return [Stored(*row) for row in cursor.fetchall()]


def torn_accounts(lines: list[Stored]) -> list[Finding]:
    """The lines that differ, by the names of their accounts where they are customers'."""
    findings = []
    for one in lines:
        if one.stored == one.summed:
            continue
        accounts = []
        if one.line in summed_kinds():
            with connection.cursor() as cursor:
                cursor.execute(TORN, [f"{one.line}:", one.currency, NAMED])
                accounts = cursor.fetchall()
        findings += [
            Finding("D2", code, f"says {posted}; its last entry says {by_entry}") for code, posted, by_entry in accounts
        ]
        if not accounts:
            says = f"its accounts say {one.stored}" if one.line in summed_kinds() else f"says {one.stored}"
            findings.append(Finding("D2", one.line, f"{says} {one.currency}; its entries come to {one.summed}"))
    return findings


# --- The proof of a day ----------------------------------------------------------------------------------------------


def prove_daily() -> DailyProof | None:
    """Make the proof of yesterday, once, as soon as it can be: the day is added up, the books were proven after it."""
    yesterday = utc_now().date() - timedelta(days=1)
    if DailyProof.objects.filter(day=yesterday).exists() or not can_be_made(yesterday):
        return None
    with once_a_day("daily_proof") as day:
        return make_proof(yesterday) if day else None


def can_be_made(day: date) -> bool:
    last = last_proof()
    was_proven = last is not None and last.at >= midnight(day + timedelta(days=1))
    return was_proven and SummedDay.objects.filter(day=day).exists()


def make_proof(day: date) -> DailyProof | None:
    """Prove a day that `can_be_made` and keep what was found; None when it has been."""
    latest = latest_proof()
    if latest is None or not can_be_made(day):
        return None
    books_id, books = latest
    with db_transaction.atomic(), unhurried():
        sections = trial_balance(Period(midnight(day), midnight(day + timedelta(days=1))))
        lines = stored_and_summed()
        findings = [Finding(**finding) for finding in books.findings]
        findings += found_in(sections) + torn_accounts(lines) + found_in_totals(day)
        figures = [figures_of(section, lines) for section in sections]
        findings += not_covered(figures)
        figures_kept, findings_kept = [one._asdict() for one in figures], [one._asdict() for one in findings]
        try:
            with db_transaction.atomic():
                proof = DailyProof.objects.create(
                    day=day,
                    ok=not findings,
                    figures=figures_kept,
                    findings=findings_kept,
                    books_id=books_id,
                    sha256=checksum(day, figures_kept, findings_kept),
                )
        except IntegrityError:  # somebody was quicker
            return None
    for finding in findings:
        logger.error("the daily proof found a break", extra={"invariant": finding.number, "offender": finding.name})
    if findings:
        tell(f"The daily proof of {day:%-d %b %Y} found a break", findings, page_of(proof))
    return proof


def found_in(sections: list[Section]) -> list[Finding]:
    """D1: of each pair of the trial balance both sides agree; each account of ours comes to its own balance."""
    findings = [
        Finding("D1", f"currency {one.currency}", f"{name}: {debit} debits, {credit} credits")
        for one in sections
        for name, (debit, credit) in one.totals._asdict().items()
        if debit != credit
    ]
    return findings + [
        Finding("D1", line.line, f"its entries come to {line.closing}, its balance said {line.own}")
        for one in sections
        for line in one.wrong
    ]


def found_in_totals(day: date) -> list[Finding]:
    """D3: the totals of the last days are what their entries come to; and of all days before, each once in a turn."""
    first = day - timedelta(days=DAYS_CHECKED - 1)
    known = SummedDay.objects.filter(day__lt=first).values_list("day", flat=True).distinct().order_by("day")
    older = [one for one in known if one.toordinal() % TURN == day.toordinal() % TURN]
    return [
        Finding("D3", one.line, f"totals lack {one.entries} entries effective {one.effective_on}, {one.currency}")
        for start, end in [*((one, one) for one in older), (first, day)]
        for one in missing(start, end)
    ]


def not_covered(figures: list[Figures]) -> list[Finding]:
    """D4: banks and rails hold what is owed. D5: nobody took more out of suspense than had come into it."""
    findings = [
        Finding("D4", f"currency {one.currency}", f"{one.owed} owed, {one.rails} held for it")
        for one in figures
        if not one.covered
    ]
    return findings + [
        Finding("D5", suspense(one.currency), f"is {-one.suspense} below zero") for one in figures if one.suspense < 0
    ]


def figures_of(section: Section, lines: list[Stored]) -> Figures:
    totals = section.totals
    mine = [one for one in lines if one.currency == section.currency]

    def balance(*beginnings: str) -> int:
        return sum(line.closing for line in section.lines if line.line.startswith(beginnings))

    wallets, parked, rails = -balance("liability:wallet"), -balance("liability:suspense"), balance("asset:rail:")
    return Figures(
        currency=section.currency,
        debits=totals.moved[0],
        credits=totals.moved[1],
        debit_balances=totals.closing[0],
        credit_balances=totals.closing[1],
        stored=sum(max(one.stored, 0) for one in mine),
        summed=sum(max(one.summed, 0) for one in mine),
        wallets=wallets,
        suspense=parked,
        rails=rails,
        rest=rails - wallets - parked,
        receivables=balance("asset:receivable"),
    )


def checksum(day: date, figures: list[dict[str, Any]], findings: list[dict[str, Any]]) -> str:
    """SHA-256 of the day, the figures and the findings as JSON with sorted keys and no blanks."""
    data = {"day": day.isoformat(), "figures": figures, "findings": findings}
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def page_of(proof: DailyProof) -> str:
    return settings.PUBLIC_URL + reverse("admin:reports_dailyproof_change", args=[proof.pk])


# --- Signing off -----------------------------------------------------------------------------------------------------


def sign_off(proof: DailyProof, *, actor: User, note: str = "") -> SignOff:
    """Answer for a daily proof, once. One with a break needs a note.

    Raises: MayNotSignOff, ProofNotFound, BreakNeedsNote, ProofSigned.
    """
    if not actor.has_perm(PERMISSION):
        raise MayNotSignOff()
    kept = DailyProof.objects.filter(pk=proof.pk).first()
    if kept is None:
        raise ProofNotFound()
    if not kept.ok and not note.strip():
        raise BreakNeedsNote()
    try:
        with db_transaction.atomic():
            signed = SignOff.objects.create(proof=kept, signed_by=actor, note=note.strip(), sha256=kept.sha256)
            facts = {"day": kept.day.isoformat(), "ok": kept.ok, "sha256": kept.sha256}
            audit.record(actor=actor, action="sign_off_proof", subject=kept, after=facts, reason=signed.note)
    except IntegrityError as taken:
        raise ProofSigned() from taken
    return signed


# --- Watching --------------------------------------------------------------------------------------------------------


def watch() -> list[Finding]:
    """Compare the accounts with their entries; when they differ, prove the books at once and say so to people.

    A break that a proof has found is not looked for again: the dashboard shows it until a proof finds nothing. People
    are told once an hour at most.
    """
    last = last_proof()
    if last is not None and not last.ok:
        return []
    with db_transaction.atomic(), unhurried():
        findings = torn_accounts(stored_and_summed())
    if not findings:
        return []
    logger.error("accounts are not what their entries come to", extra={"lines": len(findings)})
    with once_a_day(f"books_broken:{utc_now().hour}") as day:
        if day:
            # Where the proof finds nothing, the accounts are right and the totals of a day are not.
            named = [Finding(*one) for one in proving.prove().findings] or findings
            tell("The books are broken", named, settings.PUBLIC_URL + reverse("admin:reports_books_now"))
    return findings


def tell(title: str, findings: list[Finding], address: str) -> None:
    """An e-mail to everybody who signs off proofs. What the books say has been logged: a mail may get lost."""
    people = [user.email for user in User.objects.filter(is_active=True).exclude(email="") if user.has_perm(PERMISSION)]
    if not people:
        return
    lines = [f"{one.number} {one.name}: {one.wrong}" for one in findings[:NAMED]]
    more = [f"and {len(findings) - NAMED} more"] if len(findings) > NAMED else []
    text = "\n".join([f"{title}.", "", *lines, *more, "", address])
    try:
        mail.send_mail(f"Tekana: {title.lower()}", text, None, people)
    except OSError:  # of sockets and of SMTP alike
        logger.exception("a break could not be told by e-mail")
