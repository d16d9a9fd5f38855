import json
import logging
from io import StringIO

import pytest
from celery import current_app
from django.db import IntegrityError, transaction

from core.logs import JSONFormatter
from tests.factories import CustomerFactory


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)

    def formatted():
        return [JSONFormatter().format(record) for record in caplog.records]

    return formatted


def test_line_breaks_in_input_cannot_forge_a_line(lines):
    logging.getLogger("x").info("memo %s", 'a\r\n{"level": "info", "message": "forged"}')

    (line,) = lines()
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line)["message"].startswith("memo a\r\n")


def test_a_request_is_one_line_without_body_query_token_or_path(client, lines):
    client.post(
        "/v1/echo?phone=%2B254712345678",
        {"name": "Aline Uwase", "email": "aline@example.com", "secret": "sesame sesame"},
        content_type="application/json",
        headers={"Authorization": "Bearer secret.token.here", "X-Request-ID": "bad\r\nid: forged"},
    )

    (line,) = [json.loads(text) for text in lines() if json.loads(text)["logger"] == "tekana.requests"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "v1/echo", 200)
    text = " ".join(lines())
    for private in ("Aline", "aline@", "254712345678", "sesame", "secret.token", "forged"):
        assert private not in text


def test_a_failing_statement_is_logged_without_the_values_it_failed_on(db, lines):
    mary = CustomerFactory()

    try:
        with transaction.atomic():
            CustomerFactory(email=mary.email)
    except IntegrityError:
        logging.getLogger("x").exception("unhandled exception")

    (line,) = [text for text in lines() if "unhandled" in text]
    assert "customers_customer_email" in line  # what failed is told
    assert mary.email not in line


def test_a_task_that_fails_is_named_and_its_row_is_not(db):
    mary = CustomerFactory()
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JSONFormatter())

    @current_app.task(name="tests.twice", shared=False)
    def twice():
        logging.getLogger("x").warning("under way")
        with transaction.atomic():
            CustomerFactory(email=mary.email)

    logging.getLogger().addHandler(handler)
    try:
        twice.apply()
    finally:
        logging.getLogger().removeHandler(handler)

    told = [json.loads(line) for line in written.getvalue().splitlines()]
    by_us, by_celery = (next(line for line in told if line["logger"] == name) for name in ("x", "celery.app.trace"))
    assert by_us["task"] == by_celery["task"] == "tests.twice"
    assert by_celery["message"].endswith("raised unexpected")
    assert "customers_customer_email" in by_celery["exception"]
    assert mary.email not in written.getvalue()
