import json
from collections import Counter

import pytest
from django.test import Client

from core.errors import TekanaError
from core.problems import catalogue


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("refusal", 422, "unfunded_in_tests"),
        ("missing", 404, "not_found"),
        ("http404", 404, "not_found"),
        ("denied", 403, "not_allowed"),
        ("suspicious", 400, "invalid_request"),
        ("bug", 500, "internal_error"),
        ("sql", 500, "internal_error"),
        ("down", 503, "unavailable"),
        ("closed", 503, "unavailable"),
    ],
)
def test_every_failure_is_a_problem_that_tells_nothing_of_our_insides(client, settings, what, status, code):
    answer = client.get(f"/v1/raises/{what}?token=abc", headers={"X-Request-ID": "request-0001"})

    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"{settings.PUBLIC_URL}/problems/{code}"
    assert (body["status"], body["code"]) == (status, code)
    assert body["instance"] == f"/v1/raises/{what}"  # without the query
    assert body["request_id"] == "request-0001" == answer["X-Request-ID"]
    assert body["title"]
    for leak in ("secret", "customers_customer", "10.1.2.3", "Traceback", "duplicate key", "psycopg", "Error("):
        assert leak not in answer.content.decode()


def test_facts_of_a_refusal_are_members_of_the_problem(client):
    body = client.get("/v1/raises/refusal").json()

    assert body["available"] == "5.00"
    assert body["detail"] == "You have 5.00."
    assert body["title"] == "Not enough"


def test_a_lost_database_says_when_to_try_again(client):
    assert client.get("/v1/raises/down")["Retry-After"] == "2"


def test_a_bug_reaches_the_log_and_the_test_client(client, caplog):
    client.get("/v1/raises/bug")

    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(ZeroDivisionError):
        Client().get("/v1/raises/bug")


def test_addresses_and_failures_outside_of_views_are_problems_too(client):
    missing, broken = client.get("/v1/nothing-here"), client.get("/v1/fails")

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
    assert missing["Content-Type"] == broken["Content-Type"] == "application/problem+json"
    assert b"secret" not in broken.content


def test_the_instance_is_a_uri_whatever_was_asked_for(client):
    assert client.get("/v1/%00%0d%0a%22é").json()["instance"] == "/v1/%00%0D%0A%22%C3%A9"


def test_staff_see_pages_instead(client):
    broken = client.get("/admin/fails")

    assert broken.status_code == 500
    assert broken["Content-Type"].startswith("text/html")
    assert b"secret" not in broken.content


def test_another_method_is_405_and_says_which_are_allowed(client):
    for method in ("post", "put", "delete", "options", "trace"):
        answer = getattr(client, method)("/v1/raises/bug")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer["Allow"] == "GET, HEAD"


def test_validation_errors_name_each_field_with_a_code(client):
    body = {"phone": "0712", "amount": "x", "inner": {"account_number": ""}}

    answer = client.post("/v1/echo", body, content_type="application/json")

    assert answer.status_code == 400
    problem = answer.json()
    assert problem["code"] == "validation_failed"
    assert {(e["field"], e["code"]) for e in problem["errors"]} == {
        ("phone", "invalid_phone"),
        ("amount", "invalid_amount"),
        ("inner.account_number", "blank"),
    }
    assert all(e["message"] for e in problem["errors"])


def test_every_code_has_a_page(client):
    listed = client.get("/problems").json()["data"]

    assert [row["code"] for row in listed] == sorted(catalogue())
    for row in listed:
        page = client.get(f"/problems/{row['code']}")
        assert page.status_code == 200
        assert page.json() == row
        assert row["title"]
    assert client.get("/problems/no-such-code").status_code == 404
    html = client.get("/problems/not_found", headers={"Accept": "text/html"})
    assert html["Content-Type"].startswith("text/html")
    assert b"not_found" in html.content


def test_a_family_does_not_lend_its_code_to_its_children():
    """A class without a code of its own would answer as its parent: then it needs no class."""
    assert [kind.__name__ for kind in refusals() if "code" not in vars(kind)] == []


def test_no_code_means_two_things():
    meant = Counter(kind.code for kind in refusals())

    assert [code for code, classes in meant.items() if classes > 1] == []
    assert len(meant) > 100, "they were found"


def refusals():
    waiting = list(TekanaError.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if not kind.__module__.startswith("tests."):
            yield kind


def test_problems_are_json_even_where_the_client_asks_for_something_else(client):
    answer = client.get("/v1/raises/refusal", headers={"Accept": "text/html"})

    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["code"] == "unfunded_in_tests"


def test_nothing_under_v1_is_kept_by_caches(client):
    assert client.get("/v1/raises/missing")["Cache-Control"] == "no-store"
