"""A statement of any days: as JSON and as files, opening + movements = closing, in the customer's own days."""

import csv
import io
import re
from collections import Counter
from decimal import Decimal
from typing import Any

import pypdf
import pytest
from django.test import Client

from core.money import decimal_string
from customers.models import Customer
from ledger.selectors import balance_at
from statements.files import pdf
from statements.selectors import lines, wallet_with_owner
from statements.services import state
from statements.words import WORDS
from tests.books import assert_books_balance
from tests.factories import signed_in
from tests.statements.conftest import MEMO, Lived, at

FEBRUARY = "from=2026-02-01&to=2026-02-28"


def body_of(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body_of(answer).decode(), newline="")))


def test_opening_and_movements_come_to_closing_in_days_of_nairobi(ask: Any, world: Lived) -> None:
    february, march = ask(f"statement?{FEBRUARY}").json(), ask("statement?from=2026-03-01&to=2026-03-15").json()

    assert (february["timezone"], february["opening_balance"], february["is_final"]) == ("Africa/Nairobi", "0.00", True)
    assert (march["opening_balance"], march["is_final"]) == (february["closing_balance"], False)
    assert march["closing_balance"] == decimal_string(balance_at(world.shop.account_id).posted, "KES")
    for one in (february, march):
        total = Decimal(one["opening_balance"]) + Decimal(one["total_in"]) - Decimal(one["total_out"])
        assert total == Decimal(one["closing_balance"])
        assert Decimal(one["control_total"]) == sum(Decimal(line["amount"]) for line in one["data"])
        assert sum(Decimal(line["fee"]) for line in one["data"]) == Decimal(one["fees"])
        ways = Counter(line["direction"] for line in one["data"])
        assert (one["lines_in"], one["lines_out"]) == (ways["in"], ways["out"])
        before = one["opening_balance"]
        for line in one["data"]:
            sign = 1 if line["direction"] == "in" else -1
            assert line["balance_before"] == before
            assert Decimal(before) + sign * Decimal(line["amount"]) == Decimal(line["balance_after"])
            before = line["balance_after"]
    # half past eleven at night is February, half past midnight is March, though both are the 28th in UTC
    assert [line["timestamp"][:13] for line in (february["data"][-1], march["data"][0])] == [
        "2026-02-28T20", "2026-02-28T21",
    ]  # fmt: skip
    assert_books_balance()


def test_fees_are_told_apart_and_reversals_name_what_they_undo(ask: Any, world: Lived) -> None:
    lines = ask(f"statement?{FEBRUARY}").json()["data"]

    top_up, sale, change, taken, sent, returned, late = lines
    assert (change["amount"], change["fee"], change["counterparty"]) == ("110.00", "10.00", "John O.")
    assert change["reference"] == "INV/2026//02-0000001"
    assert (sale["fee"], sale["memo"], sale["counterparty"], sale["reference"]) == ("0.00", MEMO, "John O.", None)
    assert (taken["reversal_of"], taken["direction"]) == (sale["transaction_id"], "out")
    assert (returned["reversal_of"], returned["amount"], returned["fee"]) == (
        sent["transaction_id"], "310.00", "-10.00",
    )  # fmt: skip
    assert (top_up["kind"], top_up["counterparty"], late["amount"]) == ("top_up", "sandbox", "1.05")


def test_the_statement_says_of_each_movement_what_the_history_says(ask: Any, world: Lived) -> None:
    history = {row["transaction_id"]: row for row in ask("transactions").json()["data"]}

    for line in ask("statement?from=2026-02-01&to=2026-03-15").json()["data"]:
        row = history.pop(line["transaction_id"])
        for name in ("receipt", "kind", "memo", "reference", "reversal_of", "timestamp", "balance_after"):
            assert line[name] == row[name], name
        assert line["counterparty"] == (row["counterparty"] or {"name": None})["name"]
        assert (line["amount"], line["direction"]) == (row["balance_change"].lstrip("-"), row["direction"])
    assert not history


def test_pages_come_to_the_same_lines(ask: Any) -> None:
    whole = ask(f"statement?{FEBRUARY}").json()

    found, following = [], ""
    while following is not None:
        page = ask(f"statement?{FEBRUARY}&limit=2" + (f"&cursor={following}" if following else "")).json()
        assert page["closing_balance"] == whole["closing_balance"]
        found += page["data"]
        following = page["next"]

    assert found == whole["data"]
    assert ask("statement?from=2026-01-01&to=2026-01-31").json()["data"] == []
    for file_format in ("json", "csv", "pdf", "camt053", "mt940"):
        long_ago = ask(f"statement?from=0001-01-01&to=0001-12-31&format={file_format}")
        assert long_ago.status_code == 200, file_format


def test_csv_has_opening_lines_and_closing_and_no_formula(ask: Any, world: Lived) -> None:
    whole = ask(f"statement?{FEBRUARY}").json()

    answer = ask(f"statement?{FEBRUARY}&format=csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8" and "Wanjiku" not in answer["Content-Disposition"]
    opening, *rows, closing = rows_of(answer)

    assert [opening["record"], closing["record"], {row["record"] for row in rows}] == [
        "opening",
        "closing",
        {"movement"},
    ]
    assert (opening["balance_after"], closing["balance_after"]) == (whole["opening_balance"], whole["closing_balance"])
    assert (closing["movements"], closing["debit"], closing["credit"], closing["fee"]) == (
        str(len(rows)), whole["total_out"], whole["total_in"], whole["fees"],
    )  # fmt: skip
    for row, line in zip(rows, whole["data"], strict=True):
        assert row["debit" if line["direction"] == "out" else "credit"] == line["amount"]
        for name in ("timestamp", "balance_before", "balance_after", "transaction_id", "receipt", "kind"):
            assert row[name] == line[name], name
        assert (row["number"], row["currency"]) == (str(line["number"]), "KES")
    assert rows[1]["memo"].startswith("'=cmd") and rows[-1]["date"] == "2026-02-28" and rows[-1]["time"][:5] == "23:30"
    assert rows[3]["reversal_of"] == rows[1]["receipt"]


def test_pdf_has_the_same_figures_in_every_language(world: Lived) -> None:
    for language, words in WORDS.items():
        stated = state(world.shop, at(1, 0).date(), at(28, 0).date(), language)

        (content,) = pdf.parts(stated)

        text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
        for heading in (words.title, words.opening, words.money_out, words.what, words.page.format(1, 1)):
            assert heading in text, heading
        assert ("21\u202f891,05" if language == "fr" else "21,891.05") in text
        receipts = [line.receipt for line in lines(stated)]
        assert all(receipt in text for receipt in receipts if receipt) and len(receipts) == 7
        assert "John O." in text and "Otieno" not in text and "2026-02-28 23:30" in text
        assert not re.search(r"[{}]", text)


def test_a_name_in_another_script_is_seen_to_be_there(world: Lived) -> None:
    Customer.objects.filter(pk=world.shop.customer_id).update(full_name="王小明 አበበ Ñandú 🙂")
    Customer.objects.filter(pk=world.john.customer_id).update(full_name="李 明")

    wallet = wallet_with_owner(world.shop.pk).get()
    (content,) = pdf.parts(state(wallet, at(1, 0).date(), at(28, 0).date()))

    text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    assert "??? ??? Ñandú ?" in text and "? ?." in text and "\x00" not in text


REFUSED = {
    "from=2026-02-28&to=2026-02-01": (400, "statement_days_reversed"),
    "from=2026-02-28&to=2026-03-16": (400, "statement_in_future"),
    "from=2025-03-14&to=2026-03-15": (400, "statement_too_long"),
    "from=2026-02-01&to=2026-02-28&format=xls": (400, "validation_failed"),
    "from=2026-02-01&to=2026-02-28&language=xx": (400, "validation_failed"),
    "from=2026-02-01": (400, "validation_failed"),
    "from=yesterday&to=2026-02-28": (400, "validation_failed"),
    "from=2026-02-01&to=2026-02-28&days=7": (400, "validation_failed"),
    "from=2026-02-01&to=2026-02-28&cursor=x": (400, "validation_failed"),
}  # fmt: skip


def test_what_cannot_be_stated_is_refused_with_a_code(
    ask: Any, world: Lived, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query, refused in REFUSED.items():
        answer = ask(f"statement?{query}")
        assert (answer.status_code, answer.json()["code"]) == refused, query
    assert ask("statement?from=2025-03-15&to=2026-03-15").status_code == 200  # a year and today
    somebody_elses = ask(f"statement?{FEBRUARY}", world.john)
    assert (somebody_elses.status_code, somebody_elses.json()["code"]) == (404, "wallet_not_found")
    john = signed_in(world.john.customer)
    for file_format in ("camt053", "mt940"):
        answer = ask(f"statement?{FEBRUARY}&format={file_format}", world.john, who=john)
        assert (answer.status_code, answer.json()["code"]) == (400, "statement_format_not_offered")
    monkeypatch.setattr(pdf, "MOST_LINES", 6)
    too_many = ask(f"statement?{FEBRUARY}&format=pdf").json()
    assert (too_many["code"], too_many["lines"], too_many["most"]) == ("statement_too_many_lines", 7, 6)
    assert client.get(f"/v1/wallets/{world.shop.pk}/statement?{FEBRUARY}").status_code == 401
