"""Every list of the back office, asked absurd things in its address: it answers, and says what it did not understand.

Lists and their parameters come from the site itself, so that a new list or filter is asked too.
"""

import re
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction as db_transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from unfold.views import ChangeList

from core.admin import StaffAdmin, lists
from core.admin.pages import list_url, page_url
from ledger.chart import wallet_account
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, client_of

FIRST_LINK = re.compile(r'<th[^>]*>\s*<a[^>]* href="([^"]+)"')
LISTS = {model._meta.label: model_admin for model, model_admin in admin.site._registry.items()}
ABSURD = [
    "", " ", "0", "-1", "nonsense", "True", "9" * 30, "x" * 3_000, "\x00", "a\x00b", "\u202e", "%", "'", "[]",
    "0001-01-01", "1900-01-01", "1969-12-31", "9999-12-31", "2026-02-30", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59", "infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff",
]  # fmt: skip
OF_DJANGO = ["o", "e", "all", "_to_field", "_popup", "_facets", "_source_model", "pk", "id__in", "pk__regex", "kind",
             "payer__customer__phone_number__contains", "no_such_thing", "\x00"]  # fmt: skip


def asked(user: User, query: dict[str, str]) -> HttpRequest:
    request = RequestFactory().get("/", query)
    request.user, request.session = user, SessionStore()
    return request


def parameters(label: str, user: User) -> list[str]:
    """What its filters listen to, its pages and its search, and what Django's own lists do."""
    model_admin = LISTS[label]
    request = asked(user, {})
    kinds: Any = model_admin.get_list_filter(request)
    specs = [kind(request, {}, model_admin.model, model_admin) for kind in kinds]
    return ["p", "q", *(str(one) for spec in specs for one in spec.expected_parameters())]


def failures(user: User, label: str, names: list[str], values: list[str] = ABSURD) -> list[tuple[str, str, str]]:
    """Each absurd value of each parameter by itself: where reading the list fails, and how."""

    def read(name: str, *of: str) -> None:
        with db_transaction.atomic():
            for value in of:
                list(LISTS[label].get_changelist_instance(asked(user, {name: value})).result_list)

    wrong = []
    for name in names:
        try:
            read(name, *values)
        except Exception:  # at one of them, or more: which?
            for value in values:
                try:
                    read(name, value)
                except Exception as exc:
                    wrong.append((name, value[:40], type(exc).__name__))
    return wrong


def test_no_address_of_a_list_is_an_error(world: World, staff: dict[str, User]) -> None:
    user = staff[Role.ADMINISTRATOR]
    client = client_of(user)
    wrong: dict[str, Any] = {}
    for label in LISTS:
        own = parameters(label, user)
        found = failures(user, label, own) + failures(user, label, OF_DJANGO, ["x", "1", "\x00"])
        for value in ("\x00", "nonsense", "1900-01-01", "9999-12-31"):
            status = client.get(list_url(label), dict.fromkeys([*own, *OF_DJANGO], value)).status_code
            found += [("all of them", value, str(status))] if status != 200 else []
        if found:
            wrong[label] = found

    assert wrong == {}


def test_the_same_questions_find_a_list_that_fails(
    world: World, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative controls: days computed without their bounds, and Django's own list."""
    user, label = staff[Role.ADMINISTRATOR], "transactions.Transaction"
    monkeypatch.setattr(lists, "end_of", lambda day: lists.midnight(day + timedelta(days=1)))
    assert failures(user, label, ["from", "to"]) == [("to", "9999-12-31", "OverflowError")]

    monkeypatch.setattr(StaffAdmin, "get_changelist", lambda *args: ChangeList)
    found = {name for name, *_ in failures(user, label, [*parameters(label, user), *OF_DJANGO])}
    assert {"_to_field", "pk__regex", "payer__customer__phone_number__contains"} <= found


def test_what_a_list_does_not_understand_it_says(support: Client, world: World) -> None:
    url = list_url("transactions.transaction")

    def said(**query: str) -> str:
        return support.get(url, query).text

    assert "There is no page “9999”; this is the first." in said(p="9999")
    assert "This list has no filter “colour”; it was left out." in said(colour="red")
    assert "The list offers no state “melted”. The list is not cut by it." in said(state="melted")
    assert "“1 May” is no day. The list is not cut by it." in said(**{"from": "1 May"})
    assert "This list knows no “e” in its address" in said(e="1")
    assert "has characters that cannot be read" in said(q="a\x00")
    assert "remark" not in said(state="completed", p="1")


def test_first_columns_lead_somewhere(world: World, staff: dict[str, User]) -> None:
    """Whatever its key is made of: each row of each list has a page behind the link in its first column."""
    client = client_of(staff[Role.ADMINISTRATOR])
    dead, seen = [], 0
    for label in sorted(LISTS):
        for href in set(FIRST_LINK.findall(client.get(list_url(label)).text)):
            seen += 1
            if client.get(href.replace("&amp;", "&")).status_code != 200:
                dead.append(href)

    assert dead == []
    assert seen > len(LISTS)


@pytest.mark.parametrize("action", ["", "propose_next"])
def test_a_key_with_an_underscore_has_a_page_and_dialogs(action: str, finance: Client) -> None:
    url = page_url("transactions.reversalreason", "wrong_recipient")
    quoted = url.replace("change/", f"{action}/") if action else url

    assert "wrong_5Frecipient" in url
    assert finance.get(quoted).status_code == 200


INSTANTS = ["0001-01-01T00:00:00", "1900-01-01T00:00:00", "9999-12-31T23:59:59", "9999-12-31T23:59:59-23:59", "\x00",
            "0001-01-01T00:00:00+23:59", "infinity", "x" * 3_000]  # fmt: skip


def test_no_instant_is_an_error_of_the_books(finance: Client, world: World) -> None:
    """Pages of finance, with each absurd instant for each of their bounds, by either of an entry's times."""
    account = {"account": wallet_account(world.wallet.pk)}
    pages = [
        (reverse("admin:reports_trial_balance"), {}),
        (reverse("admin:reports_accounts"), {"line": "liability:wallet", "currency": "KES"}),
        (reverse("admin:reports_ledger"), account),
        (reverse("admin:reports_balance"), account),
        (reverse("admin:statements_make", args=[world.wallet.pk]), {}),
    ]
    wrong = []
    for (url, query), name, at, basis in product(pages, ["start", "end", "at", "known"], INSTANTS, ["", "effective"]):
        status = finance.get(url, {**query, name: at, "basis": basis}).status_code
        if status >= 400:
            wrong.append((url, name, at[:40], basis, status))

    assert wrong == []
    assert "Before 1970 there are no books." in finance.get(pages[0][0], {"end": INSTANTS[0]}).text


def test_an_export_of_absurd_days_is_asked_for_or_refused(finance: Client, world: World) -> None:
    url = reverse("admin:reports_export_new", args=["transactions"])
    for query in ("from=1900-01-01", "to=9999-12-31", "to=0001-01-01", "from=%00", "kind=%00", "_to_field=x"):
        answer = finance.post(url, {"query": query, "format": "csv", "key": str(uuid4())})
        assert answer.status_code < 400, query
