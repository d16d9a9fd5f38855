"""A statement on paper: the house's letterhead, in the language and the time zone of the customer."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from reports.papers import Block, Column, Paper, draw
from statements.selectors import Line, Stated, lines
from statements.words import WORDS, amount, told

MOST_LINES = 10_000


def parts(stated: Stated) -> Iterator[bytes]:
    content, _ = draw(paper(stated))
    yield content


def paper(stated: Stated, paper: str = "") -> Paper:
    """``paper``: its number in the register of papers, of one that staff made."""
    found, language = stated.figures, stated.language
    days, currency, words = found.days, found.currency, WORDS[stated.language]
    zone = ZoneInfo(days.timezone)

    def shown(minor: int) -> str:
        return amount(minor, currency, language)

    def row(line: Line) -> list[str]:
        moved = shown(line.amount)
        return [
            f"{line.at.astimezone(zone):%Y-%m-%d %H:%M}", told(line, currency, language), line.receipt or "",
            *(["", moved] if line.is_debit else [moved, ""]), shown(line.balance_after),
        ]  # fmt: skip

    columns = [
        Column(words.date, 23), Column(words.what, 41), Column(words.receipt, 17, mono=True),
        Column(words.money_in, 18, amount=True), Column(words.money_out, 18, amount=True),
        Column(words.balance, 20, amount=True),
    ]  # fmt: skip
    opening = [f"{days.first}", words.opening, "", "", "", shown(found.opening)]
    total = [
        f"{days.last}", f"{words.total}, {words.closing.lower()}", "", shown(found.credits), shown(found.debits),
        shown(found.closing),
    ]  # fmt: skip
    made_at = stated.made_at or found.as_of
    return Paper(
        title=words.title,
        number=paper or str(stated.number or ""),
        facts=[
            (words.customer, stated.wallet.customer.full_name),
            (words.wallet, str(stated.wallet.pk)),
            (words.currency, currency),
            (words.number, str(stated.number or words.on_demand)),
            (words.period, f"{days.first} – {days.last}"),
            (words.timezone, days.timezone),
            (words.opening, shown(found.opening)),
            (words.money_in, f"{shown(found.credits)} ({found.credit_count})"),
            (words.money_out, f"{shown(found.debits)} ({found.debit_count})"),
            (words.fees, shown(found.fees)),
            (words.closing, shown(found.closing)),
            (words.control_total, shown(found.control_total)),
        ],
        blocks=[
            Block(
                f"{words.movements}: {found.entries}",
                columns,
                [opening, *map(row, lines(stated))],
                [total],
                frozenset({0}),
                note="" if found.entries else words.nothing,
            )
        ],
        ending=[] if found.is_final else [words.not_final],
        sha256=stated.sha256,
        made_by="",
        made_at=made_at,
        made=" ".join([words.made.format(f"{made_at.astimezone(zone):%Y-%m-%d %H:%M}"), paper]),
        page=words.page,
        checksum=words.checksum,
    )
