"""camt.053.001.08, ISO 20022: the statement that accounting software of businesses reads. Written entry by entry.

The wallet's id without hyphens is the account's, for an account has no more than 34 characters. A fee is the entry's
own charge, included in its amount. Other customers are named as the history names them.
"""

from collections.abc import Iterator
from datetime import datetime
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from django.conf import settings

from core.money import decimal_string
from statements.selectors import Line, Stated, lines
from transactions.models import Kind

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
BEGIN = f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>'


def parts(stated: Stated) -> Iterator[bytes]:
    yield head(stated).encode()
    zone = ZoneInfo(stated.figures.days.timezone)
    for line in lines(stated):
        yield entry(line, stated.figures.currency, zone).encode()
    yield b"</Stmt></BkToCstmrStmt></Document>\n"


def tag(name: str, inside: str) -> str:
    return f"<{name}>{inside}</{name}>"


def text(name: str, said: str, most: int) -> str:
    """What somebody wrote, without what XML cannot hold; nothing at all where nothing is left."""
    said = "".join(one for one in said if one.isprintable()).strip()[:most]
    return tag(name, escape(said)) if said else ""


def money(name: str, minor: int, currency: str) -> str:
    return f'<{name} Ccy="{currency}">{decimal_string(abs(minor), currency)}</{name}>'


def side(is_debit: bool) -> str:
    return tag("CdtDbtInd", "DBIT" if is_debit else "CRDT")


def at(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).isoformat(timespec="milliseconds")


def balance(code: str, minor: int, currency: str, day: object) -> str:
    inside = tag("Tp", tag("CdOrPrtry", tag("Cd", code)))
    return tag("Bal", f"{inside}{money('Amt', minor, currency)}{side(minor < 0)}{tag('Dt', tag('Dt', str(day)))}")


def head(stated: Stated) -> str:
    found, wallet = stated.figures, stated.wallet
    days, currency = found.days, found.currency
    zone = ZoneInfo(days.timezone)
    made = at(stated.made_at or found.as_of, zone)
    net = found.credits - found.debits
    unit = decimal_string
    summary = tag(
        "TtlNtries",
        tag("NbOfNtries", str(found.entries))
        + tag("Sum", unit(found.control_total, currency))
        + tag("TtlNetNtry", tag("Amt", unit(abs(net), currency)) + side(net < 0)),
    )
    for name, count, total in (
        ("TtlCdtNtries", found.credit_count, found.credits),
        ("TtlDbtNtries", found.debit_count, found.debits),
    ):
        summary += tag(name, tag("NbOfNtries", str(count)) + tag("Sum", unit(total, currency)))
    account = (
        tag("Id", tag("Othr", tag("Id", wallet.pk.hex)))
        + tag("Ccy", currency)
        + tag("Ownr", text("Nm", wallet.customer.full_name, 140))
        + tag("Svcr", tag("FinInstnId", text("Nm", settings.LETTERHEAD_NAME, 140)))
    )
    statement = (
        tag("Id", stated.reference)
        + (tag("ElctrncSeqNb", str(stated.number)) if stated.number else "")
        + tag("CreDtTm", made)
        + tag("FrToDt", tag("FrDtTm", at(days.start, zone)) + tag("ToDtTm", at(days.end, zone)))
        + tag("Acct", account)
        + balance("OPBD", found.opening, currency, days.first)
        + balance("CLBD" if found.is_final else "ITBD", found.closing, currency, days.last)
        + tag("TxsSummry", summary)
    )
    group = tag("GrpHdr", tag("MsgId", stated.reference) + tag("CreDtTm", made))
    return f"{BEGIN}{group}<Stmt>{statement}\n"


def entry(line: Line, currency: str, zone: ZoneInfo) -> str:
    when = tag("DtTm", at(line.at, zone))
    charges = ""
    if line.fee:
        record = money("Amt", line.fee, currency) + side(line.fee > 0) + tag("ChrgInclInd", "true")
        charges = tag("Chrgs", money("TtlChrgsAndTaxAmt", line.fee, currency) + tag("Rcrd", record))
    reference = line.receipt or line.transaction.hex
    kind = tag("Prtry", text("Cd", line.kind or "other", 35) + text("Issr", settings.LETTERHEAD_NAME, 35))
    party = text("Nm", line.counterparty, 140)
    related = tag("RltdPties", tag("Cdtr" if line.is_debit else "Dbtr", tag("Pty", party))) if party else ""
    remittance = text("Ustrd", line.memo, 140)
    returned = text("AddtlInf", f"Reverses {line.reverses}" if line.reverses else "", 105)
    details = (
        tag(
            "Refs",
            tag("AcctSvcrRef", reference)
            + text("EndToEndId", line.reference or line.order_reference or "", 35)
            + tag("TxId", line.transaction.hex),
        )
        + money("Amt", line.amount, currency)
        + side(line.is_debit)
        + related
        + (tag("RmtInf", remittance) if remittance else "")
        + (tag("RtrInf", returned) if returned else "")
    )
    return (
        tag(
            "Ntry",
            tag("NtryRef", str(line.seq))
            + money("Amt", line.amount, currency)
            + side(line.is_debit)
            + tag("RvslInd", str(line.kind == Kind.REVERSAL).lower())
            + tag("Sts", tag("Cd", "BOOK"))
            + tag("BookgDt", when)
            + tag("ValDt", when)
            + tag("AcctSvcrRef", reference)
            + tag("BkTxCd", kind)
            + charges
            + tag("NtryDtls", tag("TxDtls", details)),
        )
        + "\n"
    )
