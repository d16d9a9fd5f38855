"""The documents lead where they say, say what the code says, and leave nothing out that they promise to tell."""

import re
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from django.core.management import CommandError, call_command

from tekana.management.commands import docs_tables
from tests.docs.pages import PAGES, ROOT

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<(https?://[^>]+)>|\b(?:src|srcset)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.*)$", re.M)
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
HOSTS = {"127.0.0.1", "semver.org", "www.rfc-editor.org"}
MACHINE = re.compile(r"(?<![\w.])/(work|tmp|root|home|Users)/|[\w.-]+\.(internal|local|lan)\b")

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(FENCE.sub("", text_of(page)))
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for target in ("".join(found) for found in LINK.findall(FENCE.sub("", text_of(page)))):
        parts = urlsplit(target)
        if parts.scheme:
            if parts.hostname not in HOSTS:
                broken.append(target)
            continue
        to = (page.parent / parts.path).resolve() if parts.path else page
        if not to.exists() or (parts.fragment and parts.fragment not in anchors(to)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    assert broken_links(ROOT / name) == []


def test_a_broken_link_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading\n[a](page.md) [b](#a-heading) [c](gone.md) [d](#gone) [e](https://elsewhere.test/)")

    assert broken_links(page) == ["gone.md", "#gone", "https://elsewhere.test/"]


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target, *_ in LINK.findall(text_of(page)):
            to = (page.parent / target.partition("#")[0]).resolve()
            waiting += [to] if to.suffix == ".md" and to.exists() else []

    assert {page.resolve() for page in PAGES} - reached == set()


@pytest.mark.parametrize("name", NAMES)
def test_no_page_names_a_machine(name: str) -> None:
    assert MACHINE.findall(text_of(ROOT / name)) == []


def test_the_tables_say_what_the_code_says() -> None:
    call_command("docs_tables", check=True)


def test_a_table_that_drifts_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- made: currencies -->\n\n| Currency |\n| --- |\n| XXX |\n\n<!-- end -->\n")
    monkeypatch.setattr(docs_tables, "pages", lambda: [page])
    monkeypatch.setattr(docs_tables, "ROOT", tmp_path)

    with pytest.raises(CommandError, match=r"page\.md"):
        call_command("docs_tables", check=True)
    call_command("docs_tables", stdout=StringIO())

    assert "| KES | 2 | 0.01 |" in page.read_text() and "XXX" not in page.read_text()
    call_command("docs_tables", check=True)


def test_every_call_of_the_api_is_on_its_page() -> None:
    told = text_of(ROOT / "docs/customer-api.md")

    for path in yaml.safe_load((ROOT / "openapi.yaml").read_text())["paths"]:
        called = re.sub(r"\{\w+\}", r"(\\$[A-Z]+|\\$\\(.*\\))", path.removeprefix("/v1"))
        assert re.search(rf"\$API{called}[ \"?\n]", told), path


def test_every_setting_is_told_to_operators() -> None:
    named = re.findall(r"^# ([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.M)

    assert [name for name in named if f"`{name}`" not in text_of(ROOT / "docs/operator.md")] == []


def test_every_decision_is_listed() -> None:
    decisions = {page.name for page in (ROOT / "docs/adr").glob("0*.md")}

    assert decisions == set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", text_of(ROOT / "docs/adr/README.md")))
    assert {name[:4] for name in decisions} == {f"{number:04}" for number in range(1, len(decisions) + 1)}
