"""What is on a paper: general ledger, trial balance, daily proof. How it looks: `papers.py`.

Each paper has a number, under which it is kept who made it and what it hashes to. The SHA-256 on it is of its data: the
same question asked again gives the same one, so that two papers can be compared, and a paper with the books.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from core import audit
from core.days import midnight
from core.ids import CROCKFORD, RECEIPT_LENGTH, check_character
from core.money import grouped
from reports import balances
from reports.balances import AccountLedger, Movement, Named, Period, Section, Totals
from reports.errors import MayNotIssue, PaperTooLong
from reports.models import DailyProof, IssuedPaper
from reports.papers import Block, Column, Paper, draw
from reports.proofs import Figures
from reports.totals import utc_now
from staff.models import User

MOST_LINES = 5_000
MAY_ISSUE = {
    IssuedPaper.Kind.LEDGER: "ledger.view_account",
    IssuedPaper.Kind.TRIAL_BALANCE: "ledger.view_account",
    IssuedPaper.Kind.DAILY_PROOF: "reports.view_dailyproof",
}


class Content(NamedTuple):
    """What a paper says, before it has a number. ``about`` is kept of it."""

    kind: str
    title: str
    about: dict[str, Any]
    facts: list[tuple[str, str]]
    blocks: list[Block]
    ending: list[str]
    signatures: list[str]
    is_wide: bool = False

    @property
    def sha256(self) -> str:
        """Of title, facts and tables as JSON without blanks, texts and amounts as they are printed."""
        tables = [
            [b.title, [c.title for c in b.columns], [list(r) for r in b.rows], list(b.totals)] for b in self.blocks
        ]
        data = json.dumps([self.title, self.facts, tables], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(data.encode()).hexdigest()


class Issued(NamedTuple):
    row: IssuedPaper
    content: bytes


def issue(kind: str, build: Callable[[], Content], *, actor: User) -> Issued:
    """Make a paper and keep what it was, for whom may see what is on it.

    Raises: MayNotIssue, PaperTooLong.
    """
    if not actor.has_perm(MAY_ISSUE[IssuedPaper.Kind(kind)]):
        raise MayNotIssue()
    content, made_at, number = build(), utc_now(), new_number()
    data = content.sha256
    file, pages = draw(
        Paper(
            title=content.title, number=number, facts=content.facts, blocks=content.blocks, sha256=data,
            made_by=actor.full_name or actor.username, made_at=made_at, ending=content.ending,
            signatures=content.signatures, is_wide=content.is_wide,
        )
    )  # fmt: skip
    row = register(
        kind, file, pages, number=number, title=content.title, about=content.about, data_sha256=data, actor=actor,
        made_at=made_at,
    )  # fmt: skip
    return Issued(row, file)


def register(
    kind: str, file: bytes, pages: int, *, number: str, title: str, about: dict[str, Any], data_sha256: str,
    actor: User, made_at: datetime | None = None,
) -> IssuedPaper:  # fmt: skip
    """Keep of a paper that was drawn what it was about, who made it, and what it must hash to."""
    row = IssuedPaper.objects.create(
        number=number, kind=kind, title=title[:200], about=about, data_sha256=data_sha256,
        file_sha256=hashlib.sha256(file).hexdigest(), pages=pages, made_by=actor, made_at=made_at or utc_now(),
    )  # fmt: skip
    audit.record(actor=actor, action="issue_paper", subject=row, after={"kind": kind, "data_sha256": data_sha256})
    return row


def new_number() -> str:
    """Ten characters, the last of which checks the others, as of a receipt."""
    body = "".join(secrets.choice(CROCKFORD) for _ in range(RECEIPT_LENGTH - 1))
    return body + check_character(body)


def instant(at: datetime) -> str:
    return f"{written(at)} UTC"


def written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%-d %b %Y %H:%M:%S}"


def facts_of_period(period: Period) -> list[tuple[str, str]]:
    facts = [("From", instant(period.start)), ("Up to", instant(period.end))]
    if period.by_effect:
        return [*facts, ("By the time", "it is effective"), ("As known at", instant(period.known))]
    return [*facts, ("By the time", "it was recorded")]


def about_period(period: Period) -> dict[str, Any]:
    about = {"start": period.start.isoformat(), "end": period.end.isoformat(), "basis": str(period.basis)}
    return about | ({"known": period.known.isoformat()} if period.by_effect else {})


# --- Trial balance ---------------------------------------------------------------------------------------------------


def trial_balance(period: Period) -> Content:
    sections = balances.trial_balance(period)
    agree = all(section.agrees for section in sections)
    return Content(
        kind=IssuedPaper.Kind.TRIAL_BALANCE,
        title="Trial balance",
        about=about_period(period),
        facts=[*facts_of_period(period), ("Currencies", ", ".join(one.currency for one in sections) or "none")],
        blocks=[trial_block(section) for section in sections],
        ending=[
            "In every currency debits equal credits, and every account of ours comes to its own running balance."
            if agree
            else "THE BOOKS DO NOT AGREE: see the currencies marked above. Do not rely on these figures."
        ],
        signatures=["Prepared by", "Reviewed by"],
        is_wide=True,
    )


def trial_block(section: Section) -> Block:
    columns = [Column("Account", 30)] + [
        Column(f"{when} {side}", 15, amount=True)
        for when in ("Opening", "Period", "Closing")
        for side in ("debit", "credit")
    ]
    rows: list[list[str]] = []
    strong = set()
    for name, lines in section.classes:
        strong.add(len(rows))
        rows.append([name.capitalize(), *amounts_of(Totals.of(lines), section.currency)])
        rows += [
            [f"  {line.name or ''} {line.line}", *amounts_of(Totals.of([line]), section.currency)] for line in lines
        ]
    note = "" if section.agrees else f"{section.currency} DOES NOT AGREE"
    if section.wrong:
        note += f": {', '.join(line.line for line in section.wrong)}"
    total = ["Total", *[grouped(amount, section.currency) for pair in section.totals for amount in pair]]
    return Block(section.currency, columns, rows, [total], frozenset(strong), note)


def amounts_of(totals: Totals, currency: str) -> list[str]:
    return [grouped(amount, currency) if amount else "" for pair in totals for amount in pair]


# --- The ledger of an account ----------------------------------------------------------------------------------------


def whole_ledger(account: Named, period: Period) -> AccountLedger:
    """Raises: PaperTooLong."""
    ledger = balances.account_ledger(account, period, limit=MOST_LINES)
    if ledger.after is not None:
        raise PaperTooLong(f"It has {ledger.entries:,} lines; at most {MOST_LINES:,} are printed. Export it as a file.")
    return ledger


def general_ledger(account: Named, period: Period) -> Content:
    ledger = whole_ledger(account, period)
    currency = account.currency
    rows = [
        [
            str(one.seq), written(one.recorded_at), one.kind.replace("_", " "),
            one.receipt or one.reference, "; ".join(one.against), *sides(one, currency),
            grouped(one.balance_after, currency),
        ]
        for one in ledger.page
    ]  # fmt: skip
    columns = [
        Column("No.", 7, amount=True), Column("Recorded", 20), Column("Kind", 10), Column("Receipt", 13, mono=True),
        Column("Against", 36), Column("Debit", 16, amount=True), Column("Credit", 16, amount=True),
        Column("Balance", 18, amount=True),
    ]  # fmt: skip
    opening = ["", "", "", "", "Opening balance", "", "", grouped(ledger.opening, currency)]
    total = [
        "", "", "", "", "Movements and closing balance", grouped(ledger.debits, currency),
        grouped(ledger.credits, currency), grouped(ledger.closing, currency),
    ]  # fmt: skip
    return Content(
        kind=IssuedPaper.Kind.LEDGER,
        title="General ledger",
        about={**about_period(period), "account": account.code},
        facts=[
            ("Account", account.code),
            ("Name", account.name or "-"),
            ("Currency", currency),
            *facts_of_period(period),
            ("Entries", f"{ledger.entries:,}"),
        ],
        blocks=[Block("Movements", columns, [opening, *rows], [total], frozenset({0}), disagreement(ledger))],
        ending=[
            f"{account.code}, {ledger.entries:,} entries; closing balance"
            f" {currency} {grouped(ledger.closing, currency)} on {instant(period.end)}."
        ],
        signatures=["Prepared by", "Reviewed by"],
        is_wide=True,
    )


def sides(one: Movement, currency: str) -> list[str]:
    amount = grouped(one.amount, currency)
    return [amount, ""] if one.side > 0 else ["", amount]


def disagreement(ledger: AccountLedger) -> str:
    return (
        ""
        if ledger.agrees
        else "THIS ACCOUNT DOES NOT AGREE: opening and movements do not come to its closing balance."
    )


# --- The daily proof -------------------------------------------------------------------------------------------------


def daily_proof(proof: DailyProof) -> Content:
    figures = [Figures(**one) for one in proof.figures]
    signed = getattr(proof, "sign_off", None)
    next_day = midnight(proof.day + timedelta(days=1))

    def row(one: Figures, *names: str) -> list[str]:
        return [one.currency, *[grouped(getattr(one, name), one.currency) for name in names]]

    def columns(*titles: str) -> list[Column]:
        return [Column("Currency", 8), *[Column(title, 18, amount=True) for title in titles]]

    at_end = ("debits", "credits", "debit_balances", "credit_balances")
    cover = ("wallets", "suspense", "rails", "difference", "receivables")
    blocks = [
        Block(
            "Debits and credits of the day, and balances at its end",
            columns("Debits", "Credits", "Debit balances", "Credit balances"),
            [row(one, *at_end) for one in figures],
            empty="Nothing had been posted.",
        ),
        Block(
            f"All debit balances when the proof was made, {instant(proof.made_at)}",
            columns("Stored", "Summed"),
            [row(one, "stored", "summed") for one in figures],
            empty="Nothing had been posted.",
        ),
        Block(
            "E-money issued and what covers it",
            [
                *columns("E-money issued", "In suspense", "At banks and rails", "Difference", "Owed to us"),
                Column("", 12),
            ],
            [[*row(one, *cover), "covered" if one.covered else "NOT COVERED"] for one in figures],
            empty="No e-money had been issued.",
        ),
        Block(
            "Suspense, open items",
            [
                Column("Since", 22),
                Column("Receipt", 14, mono=True),
                Column("Account", 30, mono=True),
                Column("Came", 16, amount=True),
                Column("Open", 16, amount=True),
            ],
            [
                [
                    written(one.recorded_at),
                    one.receipt or "",
                    one.code,
                    grouped(one.amount, one.currency),
                    grouped(one.open, one.currency),
                ]
                for one in balances.open_items("liability:suspense", next_day)
            ],
            empty="Nothing waits in suspense.",
        ),
        Block(
            "What is wrong",
            [Column("", 6), Column("Where", 40, mono=True), Column("What", 54)],
            [[one["number"], one["name"], one["wrong"]] for one in proof.findings],
            empty="Nothing was found.",
        ),
    ]
    outcome = "proven" if proof.ok else f"BROKEN: {len(proof.findings)} findings"
    ending = [f"Outcome: {outcome}.", "Not signed off yet."]
    if signed:
        ending[1:] = [f"Signed off by {signed.signed_by.full_name} on {instant(signed.signed_at)}.", signed.note]
    return Content(
        kind=IssuedPaper.Kind.DAILY_PROOF,
        title=f"Daily proof of {proof.day:%-d %b %Y}",
        about={"day": proof.day.isoformat(), "ok": proof.ok},
        facts=[
            ("Day", f"{proof.day:%-d %b %Y}, up to {instant(next_day)}"),
            ("Outcome", outcome),
            ("Made", instant(proof.made_at)),
            ("Rows proven", instant(proof.books.at)),
            ("Rows read", f"{sum(proof.books.counts.values()):,}"),
            ("SHA-256", proof.sha256),
        ],
        blocks=blocks,
        ending=ending,
        signatures=["Finance", "Reviewed by"],
        is_wide=True,
    )
