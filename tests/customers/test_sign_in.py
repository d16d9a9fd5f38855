from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from customers import services
from customers.errors import SignInUnavailable
from customers.models import Session
from customers.services import suspend_customer
from tests.customers.conftest import API, counted_hashes
from tests.factories import PASSWORD, CustomerFactory


@pytest.mark.parametrize(
    "username", ["mary@example.com", "Mary@Example.com ", "+254712345678", "+254 712 345-678", "00254712345678"]
)
def test_by_phone_number_or_address_however_written(api, mary, username):
    answer = api.login(username)

    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 900)
    assert answer["Cache-Control"] == "no-store"


def test_a_session_remembers_where_it_was_made(mary):
    API(**{"User-Agent": "Phone/1.0 " + "x" * 500}).login("mary@example.com")

    session = Session.objects.get()
    assert session.ip == "127.0.0.1"
    assert session.user_agent.startswith("Phone/1.0")
    assert len(session.user_agent) == 200


@pytest.mark.parametrize(
    "username", ["mary@example.com", "nobody@example.com", "+254712345678", "+254799999999", "x", "%"]
)
def test_known_and_unknown_names_get_the_same_refusal_and_cost_one_hash(api, mary, monkeypatch, username):
    api.login("warm-up@example.com")  # the first unknown name of a process also makes the hash it is held against

    with counted_hashes(monkeypatch) as hashes:
        answer = api.login(username, "wrong password")

    assert hashes == ["verify"]
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    body = answer.json()
    body.pop("request_id")
    assert body == {
        "type": "http://127.0.0.1:8000/problems/invalid_credentials",
        "title": "Wrong phone number, e-mail address or password",
        "status": 401,
        "detail": "The phone number, the e-mail address or the password is not right. Please try again.",
        "instance": "/v1/auth/login",
        "code": "invalid_credentials",
    }
    assert not Session.objects.exists()


@pytest.mark.parametrize("name", ["mary@example.com", "nobody@example.com"])
def test_the_sixth_guess_is_not_looked_at_whether_there_is_such_an_account_or_not(api, mary, monkeypatch, name):
    with counted_hashes(monkeypatch) as hashes:
        answers = [api.login(name, f"guess number {n}") for n in range(8)]
        right = api.login(name)

    assert [a.status_code for a in answers] == [401] * 5 + [429] * 3
    assert right.status_code == 429  # not even the right one
    assert hashes.count("verify") == 5
    assert answers[-1].json()["code"] == "too_many_attempts"
    assert 0 < int(answers[-1]["Retry-After"]) <= 900


def test_both_names_of_an_account_share_its_guesses(api, mary):
    codes = [api.login(name, "wrong password").status_code for name in ["mary@example.com", "+254712345678"] * 3]

    assert codes == [401] * 5 + [429]


def test_the_right_password_clears_the_count(api, mary):
    for _ in range(3):
        for _ in range(4):
            assert api.login("mary@example.com", "wrong password").status_code == 401
        assert api.login("mary@example.com").status_code == 200


def test_guesses_from_one_address_at_many_accounts_end_too(api, db, settings):
    settings.LOGIN_GUESSES_PER_ADDRESS = 10

    codes = [api.login(f"account{n}@example.com", "wrong password").status_code for n in range(12)]

    assert codes == [401] * 10 + [429] * 2


def test_of_a_thousand_parallel_guesses_five_are_evaluated(transactional_db, settings, monkeypatch):
    settings.THROTTLE_BURST = 2_000
    CustomerFactory(email="mary@example.com", phone_number="+254712345678")

    def guess(n):
        try:
            return API().login(["mary@example.com", "+254712345678"][n % 2], f"guess number {n}").status_code
        finally:
            connection.close()

    with counted_hashes(monkeypatch) as hashes, ThreadPoolExecutor(40) as pool:
        codes = list(pool.map(guess, range(1_000)))

    assert hashes.count("verify") == 5
    assert (codes.count(401), codes.count(429)) == (5, 995)


def test_a_suspended_customer_learns_it_only_with_the_right_password(api, mary):
    suspend_customer(mary, actor=None, reason="lost phone")

    assert api.login("mary@example.com", "wrong password").json()["code"] == "invalid_credentials"
    refused = api.login("mary@example.com")
    assert (refused.status_code, refused.json()["code"]) == (403, "customer_suspended")
    assert not Session.objects.exists()


def test_without_valkey_no_guess_is_taken(api, mary, monkeypatch, valkey_down):
    with counted_hashes(monkeypatch) as hashes:
        answer = api.login("mary@example.com")
        with pytest.raises(SignInUnavailable):
            services.sign_in("mary@example.com", PASSWORD)

    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert hashes == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "mary@example.com"},
        {"username": "mary@example.com", "password": PASSWORD, "role": "admin"},
        {"username": "mary@example.com", "password": ["a", "b"]},
        {"username": {"$ne": ""}, "password": PASSWORD},
        {"username": "mary@example.com\r\nX: y", "password": PASSWORD},
        {"username": "mary@example.com", "password": "x" * 129},
        {"username": None, "password": None},
        {"username": "", "password": ""},
    ],
)
def test_a_body_of_another_shape_is_a_400(api, mary, body):
    answer = api("post", "auth/login", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")


def test_signing_in_is_no_get(api, db):
    assert api("get", "auth/login").status_code == 405
