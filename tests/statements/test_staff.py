"""Staff: a statement as the customer would get it, on record; those that were sent, and whether they still hold."""

import hashlib
import io
from typing import Any

import pypdf
import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from reports.models import IssuedPaper
from staff.models import User
from staff.roles import Role
from statements import admin as pages
from statements.files import pdf
from statements.models import Statement
from tests.admin.conftest import client_of, member
from tests.factories import signed_in
from tests.statements.conftest import Lived
from tests.statements.test_period_statements import kept as kept_fixture
from tests.statements.test_statement import FEBRUARY, body_of

kept = kept_fixture


@pytest.fixture
def support(transactional_db: None) -> Client:
    return client_of(member(Role.SUPPORT))


def acts() -> list[AuditRecord]:
    """What staff did, without looks."""
    return list(AuditRecord.objects.filter(look=False, actor__startswith="staff:").order_by("id"))


def address(name: str, *args: Any, query: str = FEBRUARY) -> str:
    return f"{reverse(f'admin:statements_{name}', args=args)}?{query}"


def test_staff_get_what_the_customer_would_get_and_it_is_on_record(
    world: Lived, support: Client, client: Client
) -> None:
    wallet = world.shop
    assert address("make", wallet.pk, query="")[:-1] in support.get(wallet_page(wallet)).text

    looked = support.get(address("make", wallet.pk))
    assert "7 movements" in looked.text and "21,891.05" in looked.text and not acts()
    assert "1 Feb 2026 to 28 Feb 2026" in looked.text and "28 Feb 2026 23:30" in looked.text  # lines, in their time
    assert (
        "Transfer from John O." in looked.text and "=cmd" not in looked.text and ": change" not in rows_in(looked.text)
    )
    assert "0 movements" in support.get(address("make", wallet.pk, query="from=0001-01-01&to=0001-12-31")).text
    for file_format in ("csv", "camt053", "mt940"):
        made = body_of(support.post(address("file", wallet.pk, query=f"{FEBRUARY}&format={file_format}")))
        own = client.get(
            f"/v1/wallets/{wallet.pk}/statement?{FEBRUARY}&format={file_format}", headers=signed_in(wallet.customer)
        )
        if file_format != "camt053":  # which says when it was made
            assert made == body_of(own)

    made_by_staff = acts()
    assert [act.after["format"] for act in made_by_staff] == ["csv", "camt053", "mt940"]
    assert {(act.subject_id, act.role, act.after["from"]) for act in made_by_staff} == {
        (str(wallet.pk), "support", "2026-02-01")
    }  # fmt: skip
    assert mail.outbox == []


def test_a_pdf_of_staff_is_a_paper_with_a_number_and_a_checksum(world: Lived, support: Client) -> None:
    content = body_of(support.post(address("file", world.shop.pk, query=f"{FEBRUARY}&language=sw")))

    paper = IssuedPaper.objects.get()
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    assert paper.number in text and paper.data_sha256 in text and "Taarifa ya pochi" in text
    assert hashlib.sha256(content).hexdigest() == paper.file_sha256
    assert (paper.kind, paper.about["wallet"], paper.about["to"]) == ("statement", str(world.shop.pk), "2026-02-28")
    body_of(support.post(address("file", world.shop.pk)))
    assert {one.data_sha256 for one in IssuedPaper.objects.all()} == {paper.data_sha256}  # of the entries alone
    assert {act.action for act in acts()} == {"issue_paper", "make_statement"}


def test_what_cannot_be_made_is_said_on_the_page(
    world: Lived, support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query, said in {
        "from=2026-03-01&to=2026-02-01": "would end before it begins",
        "from=2026-02-01&to=2999-01-01": "have not come yet",
        "from=2020-01-01&to=2026-02-01": "Too many days",
        "from=x&to=2026-02-01": "valid date",
    }.items():
        assert said in support.get(address("make", world.shop.pk, query=query)).text, query
        assert support.post(address("file", world.shop.pk, query=query)).status_code == 302
    refused = support.post(address("file", world.john.pk, query=f"{FEBRUARY}&format=mt940"), follow=True)
    assert "not offered for this type of account" in refused.text
    assert "MT940" not in support.get(address("make", world.john.pk)).text
    monkeypatch.setattr(pdf, "MOST_LINES", 6)
    assert "Too many movements" in support.post(address("file", world.shop.pk), follow=True).text
    nobody = "0192f0c1-0000-7000-8000-000000000001"
    for url in (address("make", nobody), address("kept_file", nobody)):
        assert (support.get if "make" in url or "/of/" in url else support.post)(url).status_code == 302
    assert not acts() and not IssuedPaper.objects.exists()


def test_sent_statements_are_listed_found_and_proven(
    kept: Statement, world: Lived, support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = reverse("admin:statements_statement_changelist")

    def shown(**query: str) -> list[int]:
        return [one.number for one in support.get(listed, query).context["cl"].result_list]

    assert shown() == list(range(14, 0, -1)) == shown(q=str(world.shop.pk))
    assert shown(every="monthly") == [1] == shown(q=kept.sha256)
    assert shown(q=str(world.john.pk)) == [] == shown(format="mt940")
    on_wallet = support.get(wallet_page(world.shop)).text
    assert "sent daily as PDF in English" in on_wallet and "14 Mar 2026" in on_wallet
    assert "none are sent" in support.get(wallet_page(world.john)).text
    page = reverse("admin:statements_statement_change", args=[kept.pk])
    proven = support.get(page)
    assert ">Proven<" in proven.text and "21,891.05" in proven.text
    again = body_of(support.post(address("kept_file", kept.pk, query="format=csv"))).decode()
    assert again.count("\n") == 10 and "21891.05" in again
    assert AuditRecord.objects.get(action="make_statement").after["number"] == 1
    monkeypatch.setattr(pages, "is_proven", lambda statement: False)
    assert "The entries do not come to this statement" in support.get(page).text


def test_an_auditor_sees_them_and_makes_none(kept: Statement, world: Lived) -> None:
    auditor = client_of(User.objects.create_user("ada", "x" * 20, Role.AUDITOR, email="ada@example.com"))

    page = auditor.get(reverse("admin:statements_statement_change", args=[kept.pk])).text

    assert kept.sha256 in page and "/file/" not in page
    assert auditor.get(address("make", world.shop.pk)).status_code == 403
    assert auditor.post(address("kept_file", kept.pk)).status_code == 403


def rows_in(page: str) -> str:
    return page.partition("<tbody>")[2].partition("</tbody>")[0]


def wallet_page(wallet: Any) -> str:
    return reverse("admin:wallets_wallet_change", args=[wallet.pk])
