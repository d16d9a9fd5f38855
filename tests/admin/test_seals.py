"""Seals: the list of blocks, a block's page, checks, the place of a transaction, the dashboard."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from evidence.models import Block, Check, Mark, Publication
from evidence.signing import public_key
from tests.admin.conftest import World
from tests.admin.test_pages import page
from tests.evidence.conftest import seal_uncommitted

BLOCKS = reverse("admin:evidence_block_changelist")
CHECKS = reverse("admin:evidence_check_changelist")
Count = Callable[[Client, str], int]


def broken(found: int = 1) -> Check:
    fault = {"block": 7, "table": "ledger_entry", "key": "account_id=<b>1</b> seq=2", "wrong": "changed: amount"}
    return Check.objects.create(
        at=now(), ok=False, scope="all blocks", blocks=12, rows=9_876, head=12, findings=[fault] * found,
        milliseconds=2_500,
    )  # fmt: skip


def published(block: Block) -> None:
    Publication.objects.create(block=block, sink="file", line={"block": block.pk}, at=datetime(2026, 2, 3, tzinfo=UTC))


def test_the_list_shows_blocks_whether_they_are_published_and_how_far_the_sealer_is(
    support: Client, world: World
) -> None:
    first, last = Block.objects.order_by("pk")[:2]
    published(first)

    text = support.get(BLOCKS).text

    assert bytes(last.hash).hex()[:16] in text
    assert text.count(">Published<") == 1 and text.count(">Not yet<") == 1
    assert "Everything is sealed but the last" in text
    assert public_key() in text
    assert "3 Feb 2026" in text


def test_the_lag_says_when_something_holds_the_sealer_back(support: Client, world: World) -> None:
    mark = Mark.objects.create(at=now() - timedelta(minutes=45), horizon="1")
    assert 'class="badge bad">4' in support.get(BLOCKS).text

    Mark.objects.filter(pk=mark.pk).update(at=now())
    assert 'class="badge good">1 min 3' in support.get(BLOCKS).text  # the trail


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", 2), ("?q=1", 1), ("?q=99", 0), ("?q=nonsense", 0), ("?q=99999999999999999999", 0), ("?again=yes", 0),
        ("?from=2001-01-01", 2), ("?to=2001-01-01", 0), ("?from=2001-01-01&to=2001-01-02", 0), ("?from=nonsense", 2),
    ],
)  # fmt: skip
def test_blocks_are_found_by_number_and_day(support: Client, world: World, query: str, shown: int) -> None:
    assert support.get(BLOCKS + query).context["cl"].result_count == shown


def test_a_blocks_page_says_what_it_seals(administrator: Client, world: World) -> None:
    first, last = Block.objects.order_by("pk")[:2]

    text = administrator.get(page("evidence_block", first.pk)).text
    settings = administrator.get(page("evidence_block", last.pk)).text

    for said in (bytes(first.hash).hex(), "ledger_entry", "the beginning", "verify_chain --from 1 --to 1"):
        assert said in text, said
    assert "Configuration as it came to be" in settings and "transactions_reversalreason" in settings
    assert page("evidence_block", first.pk) in settings  # the block before


def test_a_late_block_says_who_let_it_in(support: Client, world: World) -> None:
    last = Block.objects.first()
    Block.objects.create(
        id=last.pk + 1, sealed_at=now(), after_at=last.after_at, until_at=last.until_at, form=last.form, rows=0,
        counts={}, again="staff:1: <i>a slow clock</i>", root=b"", previous=last.hash, hash=b"1" * 32, leaves=b"",
    )  # fmt: skip

    assert "staff:1: &lt;i&gt;a slow clock" in support.get(page("evidence_block", last.pk + 1)).text
    assert support.get(BLOCKS + "?again=yes").context["cl"].result_count == 1


def test_a_transaction_says_where_it_is_sealed(support: Client, world: World) -> None:
    url = page("transactions_transaction", world.sent.pk)
    before = support.get(url).text
    published(Block.objects.get(pk=1))
    after = support.get(url).text
    fresh = support.get(page("transactions_transaction", world.send().pk)).text

    assert page("evidence_block", 1) in before and "with the next head" in before
    assert "3 Feb 2026" in after
    assert f"prove_sealed {world.sent.receipt}" in after
    assert "not yet: about two minutes after it happened" in fresh


def test_checks_are_listed_and_a_broken_one_names_every_row(finance: Client, support: Client, world: World) -> None:
    check = broken(120)

    assert "120 faults" in finance.get(CHECKS).text.lower()
    assert finance.get(CHECKS + "?ok=False").context["cl"].result_count == 1
    text = finance.get(page("evidence_check", check.pk)).text
    assert "account_id=&lt;b&gt;1&lt;/b&gt; seq=2" in text and "the first 100 of 120" in text
    assert "Change nothing" in text
    fine = finance.get(page("evidence_check", Check.objects.filter(ok=True).get().pk)).text
    assert "None: every row is as it was sealed." in fine
    assert support.get(CHECKS).status_code == 403


def test_the_dashboard_says_when_the_chain_was_last_checked_and_what_was_found(
    finance: Client, support: Client, world: World
) -> None:
    home = reverse("admin:index")
    assert ">Old<" in finance.get(home).text  # the world's check is of long ago
    Check.objects.create(at=now(), ok=True, scope="all", blocks=1, rows=1, head=1, findings=[], milliseconds=1)
    assert ">Verified<" in finance.get(home).text
    broken(12)

    text = finance.get(home).text

    assert ">Broken<" in text and "block 7" in text and "changed: amount" in text and "and 2 more" in text
    assert "Hash chain" not in support.get(home).text


def test_pages_take_as_many_statements_for_many_blocks_as_for_few(finance: Client, world: World, count: Count) -> None:
    urls = [BLOCKS, CHECKS, page("evidence_block", 1), page("transactions_transaction", world.sent.pk)]
    few = [count(finance, url) for url in urls]
    for _ in range(5):
        world.send()
        seal_uncommitted()
        broken()

    assert [count(finance, url) for url in urls] == few


def test_before_the_first_block_the_pages_say_so(finance: Client) -> None:
    text = finance.get(BLOCKS).text

    assert "Not begun" in text and "Not checked yet" in text
    dashboard = finance.get(reverse("admin:index")).text
    assert "Not checked yet" in dashboard and "Nothing is sealed yet" in dashboard
