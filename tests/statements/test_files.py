"""camt.053 and MT940, read back with readers of our own: the figures, the order, what a network would refuse."""

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from core.money import Money, decimal_string
from statements.files import camt053, csv_rows, mt940
from statements.selectors import Line, Stated
from statements.services import state
from tests.statements.conftest import MEMO, Lived, at

NS = {"c": camt053.NAMESPACE}
ZONE = ZoneInfo("Africa/Nairobi")


@pytest.fixture
def stated(world: Lived) -> Stated:
    return state(world.shop, at(1, 0).date(), at(28, 0).date())


def test_camt053_adds_up_and_names_fees_reversals_and_parties(stated: Stated) -> None:
    root = ElementTree.fromstring(b"".join(camt053.parts(stated)))
    found = root.find("c:BkToCstmrStmt/c:Stmt", NS)
    assert found is not None

    def texts(path: str, of: Any = found) -> list[str]:
        return [one.text or "" for one in of.findall("/".join(f"c:{name}" for name in path.split("/")), NS)]

    def signed(of: Any) -> Decimal:
        (amount,), (side,) = texts("Amt", of), texts("CdtDbtInd", of)
        return Decimal(amount) if side == "CRDT" else -Decimal(amount)

    opening, closing = map(signed, found.findall("c:Bal", NS))
    entries = found.findall("c:Ntry", NS)
    assert opening + sum(map(signed, entries)) == closing
    assert texts("Bal/Tp/CdOrPrtry/Cd") == ["OPBD", "CLBD"]
    assert texts("TxsSummry/TtlNtries/NbOfNtries") == [str(len(entries))] == ["7"]
    assert Decimal(*texts("TxsSummry/TtlNtries/Sum")) == sum(abs(signed(one)) for one in entries)
    assert signed(found.find("c:TxsSummry/c:TtlNtries/c:TtlNetNtry", NS)) == closing - opening
    assert texts("Acct/Id/Othr/Id") == [stated.wallet.pk.hex] and texts("Acct/Ownr/Nm") == ["Wanjiku Traders"]
    assert texts("FrToDt/FrDtTm") == ["2026-02-01T00:00:00.000+03:00"]
    assert texts("Ntry/RvslInd") == ["false", "false", "false", "true", "false", "true", "false"]
    sale, change, returned = entries[1], entries[2], entries[5]
    details = "NtryDtls/TxDtls"
    assert texts(f"{details}/RltdPties/Dbtr/Pty/Nm", sale) == ["John O."]
    assert texts(f"{details}/RmtInf/Ustrd", sale) == [MEMO]
    assert texts(f"{details}/RltdPties/Cdtr/Pty/Nm", change) == ["John O."]
    assert (texts("Chrgs/TtlChrgsAndTaxAmt", change), texts("Chrgs/Rcrd/CdtDbtInd", change)) == (["10.00"], ["DBIT"])
    assert (texts("Chrgs/TtlChrgsAndTaxAmt", returned), texts("Chrgs/Rcrd/CdtDbtInd", returned)) == (
        ["10.00"],
        ["CRDT"],
    )
    (sent,) = texts("AcctSvcrRef", entries[4])
    assert texts(f"{details}/RtrInf/AddtlInf", returned) == [f"Reverses {sent}"]


def fields(message: bytes) -> Iterator[tuple[str, str]]:
    """Tag and value of each field, a value of several lines joined by line ends."""
    body = message.decode("ascii")
    assert body.endswith("\r\n-\r\n") and "\n" not in body.replace("\r\n", "")
    for part in re.split(r"(?:^|\r\n)(?=:[0-9]{2}[A-Z]?:)", body.removesuffix("\r\n-\r\n")):
        if part:
            tag, value = re.fullmatch(r":([0-9]{2}[A-Z]?):(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
            yield tag, value


def test_mt940_adds_up_in_the_letters_and_lengths_of_its_fields(stated: Stated) -> None:
    found = list(fields(b"".join(mt940.parts(stated._replace(number=12)))))

    tags = [tag for tag, _ in found]
    assert tags == ["20", "25", "28C", "60F", *["61", "86"] * 7, "62F"]
    values = dict(found)
    assert len(values["20"]) == 16 and values["25"] == stated.wallet.pk.hex and values["28C"] == "12"

    def minor(text: str) -> int:
        return Money.parse(text.replace(",", ".").rstrip("."), "KES").amount_minor

    balance = re.compile(r"([CD])([0-9]{6})KES([0-9]+,[0-9]{2})")
    opening, closing = balance.fullmatch(values["60F"]), balance.fullmatch(values["62F"])
    assert opening and closing and (opening[2], closing[2]) == ("260201", "260228")
    movement = re.compile(
        r"(26022[58]|260226)(022[568])(C|D|RC|RD)([0-9,]{4,15})(N[A-Z]{3})([^/]\S{0,15}?)//(\S{1,16})"
    )
    total, marks = 0, []
    for tag, value in found:
        if tag == "61":
            line = movement.fullmatch(value)
            assert line, value
            marks.append(line[3])
            total += minor(line[4]) if line[3] in ("C", "RD") else -minor(line[4])
            assert "//" not in line[6]
        if tag == "86":
            rows = value.split("\r\n")
            assert len(rows) <= 6 and all(len(row) <= 65 and set(row) <= mt940.ALLOWED for row in rows)
            assert not any(row.startswith((":", "-")) for row in rows)
    assert minor(opening[3]) + total == minor(closing[3]) == stated.figures.closing
    assert marks == ["C", "C", "D", "RC", "D", "RD", "C"]
    told = [value for tag, value in found if tag == "86"]
    assert "fee 10,00" in told[2] and "fee 10,00 returned" in told[5] and "n ." in told[1]
    assert decimal_string(stated.figures.closing, "KES") == closing[3].replace(",", ".")


def sold(**said: Any) -> Line:
    """A sale of which the payer wrote ``said``."""
    return Line(**{
        "seq": 1, "at": at(26, 10), "transaction": UUID(int=7), "receipt": "NG0W1MNNDS", "kind": "payment", "side": -1,
        "amount": 10_00, "fee": 0, "balance_after": 10_00, "memo": "", "reference": None, "order_reference": None,
        "hold": None, "reverses_id": None, "reverses": None, "counterparty_wallet": None, "counterparty": "John O.",
    } | said)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "reference"),
    [
        ("A///NG0VF16RXC", "A/NG0VF16RXC"), ("////NG0VF16RXC", "NG0VF16RXC"), ("A-17//////////////////X", "A-17/X"),
        ("123456789012345//NG0VF16RXC", "123456789012345"), ("/ / /", "NONREF"), ("A/ /NG0VF16RXC", "A/NG0VF16RXC"),
        ("A\u2044\u2044NG0", "A..NG0"), ("A//\r\n:61:NG0", "A/..:61:NG0"),
    ],
)  # fmt: skip
def test_no_payer_writes_the_reference_that_is_ours(said: str, reference: str) -> None:
    row = mt940.movement(sold(order_reference=said), "KES", ZONE).decode().split("\r\n")[0]

    assert row == f":61:2602260226C10,00NTRF{reference}//NG0W1MNNDS"


def test_what_a_payer_writes_is_taken_for_none_of_our_words() -> None:
    """Field 86 has no form of its own, so readers look for those that others gave it: `?20`, `/EREF/`; and for ours."""
    forged = sold(
        memo="x?20fee?32MALLORY, reverses NG0 /EREF/NG0VF16RXC/ORDP/MALLORY", order_reference="A/17, fee 9,00",
        counterparty="J,fee", fee=5_00,
    )  # fmt: skip
    said = mt940.movement(forged, "KES", ZONE).decode().partition(":86:")[2].replace("\r\n", "")

    assert said.startswith("payment J.fee, fee 5,00, order A/17, fee 9,00, memo x.20fee.32MALLORY")
    assert not re.search(r"\?[0-9]{2}|/[A-Z]{2,8}/", said)
    for start in range(40, 70):  # wherever a line is broken off
        rows = mt940.movement(sold(memo="y" * start + ":61:" + "-" * 70), "KES", ZONE).decode().split("\r\n")
        assert [row[:4] for row in rows if row.startswith((":", "-"))] == [":61:", ":86:"]
    entry = ElementTree.fromstring(
        camt053.entry(sold(order_reference="</EndToEndId><TxId>1", memo="]]>&#0;"), "KES", ZONE)
    )
    assert [one.text for one in entry.iter("EndToEndId")] == ["</EndToEndId><TxId>1"]
    assert [one.text for one in entry.iter("TxId")] == [UUID(int=7).hex]


def test_a_day_that_is_not_over_is_marked_as_such(world: Lived, stated: Stated) -> None:
    running = state(world.shop, at(15, 0, month=3).date(), at(15, 0, month=3).date())
    assert (running.figures.is_final, stated.figures.is_final) == (False, True)
    for one, code, tag, record in ((stated, "CLBD", "62F", "closing"), (running, "ITBD", "62M", "interim")):
        balances = re.findall(r"<Cd>([A-Z]{4})</Cd></CdOrPrtry>", b"".join(camt053.parts(one)).decode())
        rows = list(csv.DictReader(io.StringIO(b"".join(csv_rows.parts(one)).decode(), newline="")))

        assert balances == ["OPBD", code]
        assert [name for name, _ in fields(b"".join(mt940.parts(one)))][-1] == tag
        assert [row["record"] for row in (rows[0], rows[-1])] == ["opening", record]
        assert (rows[-1]["number"], rows[-1]["movements"]) == ("", str(len(rows) - 2))


def test_an_amount_without_decimals_ends_with_its_comma_and_odd_letters_become_others() -> None:
    assert (mt940.amount(1_500, "RWF"), mt940.amount(-105, "KES")) == ("1500,", "1,05")
    assert mt940.plain("Café – ñandú\r\n:61:") == "Cafe . nandu..:61:"
