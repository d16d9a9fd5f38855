import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import throttling


@pytest.fixture
def slow(settings):
    settings.THROTTLE_RATE, settings.THROTTLE_BURST = 1, 5


def test_a_burst_passes_and_what_follows_is_told_when_to_come_back(client, slow):
    answers = [client.get("/v1/numbers") for _ in range(7)]

    assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
    refused = answers[-1]
    assert refused.json()["code"] == "rate_limited"
    assert refused["Content-Type"] == "application/problem+json"
    assert refused["Retry-After"] == refused["RateLimit-Reset"] == "1"
    assert (refused["RateLimit-Limit"], refused["RateLimit-Remaining"]) == ("5", "0")


def test_the_bucket_refills_by_its_rate(settings):
    settings.THROTTLE_RATE, settings.THROTTLE_BURST = 20, 2
    assert [throttling.take("a") for _ in range(2)] == [0, 0]

    wait = throttling.take("a")

    assert 0 < wait <= 0.05
    time.sleep(wait)
    assert throttling.take("a") == 0


def test_each_has_a_bucket_of_their_own(slow):
    assert [throttling.take("a") > 0 for _ in range(6)][-1] is True
    assert throttling.take("b") == 0


def test_a_burst_of_threads_gets_no_more_than_the_bucket(settings):
    settings.THROTTLE_RATE, settings.THROTTLE_BURST = 1, 20

    with ThreadPoolExecutor(32) as pool:
        waits = list(pool.map(lambda _: throttling.take("crowd"), range(200)))

    assert waits.count(0) == 20


def test_an_invented_proxy_header_does_not_change_whose_bucket_it_is(client, slow):
    answers = [client.get("/v1/numbers", headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(6)]

    assert answers[-1].status_code == 429


def test_behind_a_trusted_proxy_the_client_counts(client, slow, settings):
    settings.TRUSTED_PROXIES = 1
    answers = [client.get("/v1/numbers", headers={"X-Forwarded-For": f"6.6.6.6, 10.0.0.{n}"}) for n in range(6)]

    assert {a.status_code for a in answers} == {200}


def test_without_valkey_requests_pass_but_not_where_passwords_are_tried(client, valkey_down):
    started = time.monotonic()

    assert client.get("/v1/numbers").status_code == 200
    closed = client.get("/v1/closed")

    assert (closed.status_code, closed.json()["code"]) == (503, "unavailable")
    assert closed["Retry-After"]
    assert time.monotonic() - started < 3
