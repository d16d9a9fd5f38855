"""Canned answers: every refusal that a customer can meet has words for staff and words for the customer."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

import core.errors
import customers.errors
from core.admin.dialogs import told
from core.errors import Declined, TekanaError
from core.problems import catalogue
from tests.admin.conftest import World
from tests.factories import signed_in
from transactions.admin.refusals import OF_TRANSACTIONS, WORDS, explain
from transactions.errors import InsufficientFunds

FOR_STAFF_ONLY = ("staff.", "reports.", "evidence.", "tests.")  # whose refusals no customer ever meets
OF_JOBS = {
    core.errors.FailedJobNotFound, core.errors.FailedJobHandled, core.errors.JobCannotBeRetried, core.errors.TooManyJobs
}  # fmt: skip
INSIDES = re.compile(
    r"_|\b(database|server|token|key|json|http|id|tier|ledger|rail|null|(?<!country )code)\b|[{}<>`]", re.I
)


def views(patterns: list[URLPattern | URLResolver]) -> Iterator[type]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns)
        elif view := getattr(pattern.callback, "cls", None):
            yield view


def met_by_customers() -> set[type[TekanaError]]:
    """What the door says of itself, what each view declares, and all that is understood and refused."""
    met = {kind for kind in vars(core.errors).values() if isinstance(kind, type) and issubclass(kind, TekanaError)}
    met |= {customers.errors.InvalidAccessToken}  # every view's, before it is asked
    for view in views(get_resolver().url_patterns):
        declared = getattr(view, "problems", [])
        for kinds in declared.values() if isinstance(declared, dict) else [declared]:
            met |= set(kinds)
    met |= {kind for kind in catalogue().values() if issubclass(kind, Declined)}
    return {kind for kind in met - OF_JOBS - {TekanaError} if not kind.__module__.startswith(FOR_STAFF_ONLY)}


def without_words(kinds: set[type[TekanaError]]) -> list[str]:
    return sorted(kind.code for kind in kinds if not kind.for_customer or len(WORDS.get(kind.code, ())) != 3)


def test_every_refusal_that_a_customer_can_meet_has_both_texts() -> None:
    met = met_by_customers()

    assert len(met) > 50
    assert {InsufficientFunds, customers.errors.WrongPassword, core.errors.RateLimited} <= met
    assert without_words(met) == []
    assert set(WORDS) == {kind.code for kind in met}


def test_a_refusal_without_words_would_be_noticed() -> None:
    class Wordless(Declined):
        code, title = "wordless", "Says nothing"

    class Spoken(Declined):
        code, title = "spoken", "Says something to the customer alone"
        for_customer = "Sorry."

    assert without_words({Wordless, Spoken, InsufficientFunds}) == ["spoken", "wordless"]
    assert Wordless.for_customer == ""  # a family's words are not lent to its children


@pytest.mark.parametrize("code", sorted(WORDS))
def test_words_for_customers_are_short_and_tell_nothing_of_our_insides(code: str) -> None:
    said = explain(code).customer

    assert 10 <= len(said) <= 120
    assert said[0].isupper()
    assert said.endswith((".", "?"))
    assert not INSIDES.search(said)


def test_the_words_for_insides_would_be_noticed() -> None:
    for said in ("Your tier is too low.", "Send current_password too.", "The database is down.", "Use another key."):
        assert INSIDES.search(said), said


def test_what_a_transaction_keeps_is_a_refusal_that_was_understood() -> None:
    assert all(issubclass(catalogue()[code], Declined) for code in OF_TRANSACTIONS)


def test_the_api_tells_the_customer_the_same(client: Client, world: World) -> None:
    body = {
        "from_wallet_id": str(world.wallet.pk), "to": {"wallet_id": str(world.johns.pk)}, "amount": "90000.00",
        "currency": "KES",
    }  # fmt: skip

    refused = client.post(
        "/v1/transfers/preview", body, content_type="application/json", headers=signed_in(world.wanjiku)
    ).json()

    assert (refused["code"], refused["title"]) == ("insufficient_funds", "Not enough money available")
    assert refused["detail"] == explain("insufficient_funds").customer
    told_by_its_page = client.get("/problems/insufficient_funds").json()
    assert told_by_its_page["for_customer"] == refused["detail"]


def test_staff_are_not_told_in_the_words_for_customers() -> None:
    assert told(InsufficientFunds()) == InsufficientFunds.title
    assert told(InsufficientFunds("KES 5.00 are missing.")) == f"{InsufficientFunds.title}. KES 5.00 are missing."


def test_all_answers_are_on_one_page_and_found_by_code_or_words(support: Client) -> None:
    url = reverse("admin:transactions_answers")

    everything = support.get(url).text
    found = support.get(url, {"q": "FROZE wallet_frozen"}).text
    none = support.get(url, {"q": "<script>nothing"}).text

    assert all(f'id="{code}"' in everything for code in WORDS)
    assert re.findall(r'<section class="panel loose" id="(\w+)">', found) == ["wallet_frozen"]
    assert "No answer has these words." in none
    assert "<script>nothing" not in none
    assert support.post(url).status_code == 405
    assert Client().get(url).status_code == 302
