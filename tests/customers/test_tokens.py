import base64
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import jwt
import pytest
import time_machine
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone

from core.errors import TekanaError
from core.ids import uuid7
from customers import tokens
from customers.errors import InvalidAccessToken
from customers.models import RefreshToken, Session
from tests.customers.conftest import API, sign_in
from tests.factories import CustomerFactory


@pytest.fixture
def claims(settings):
    now = int(time.time())
    return {
        "iss": settings.PUBLIC_URL,
        "aud": "tekana:customers",
        "sub": str(uuid7()),
        "sid": str(uuid7()),
        "iat": now,
        "nbf": now,
        "exp": now + 900,
        "jti": uuid7().hex,
        "typ": "access",
    }


def signed(settings, claims, *, key=None, algorithm="HS256", **header):
    return jwt.encode(claims, settings.JWT_KEY if key is None else key, algorithm=algorithm, headers=header or None)


def test_ours_is_accepted(settings, claims):
    customer_id, session_id = tokens.read_access_token(signed(settings, claims))

    assert (str(customer_id), str(session_id)) == (claims["sub"], claims["sid"])


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti", "typ"])
def test_every_claim_is_needed(settings, claims, claim):
    del claims[claim]

    with pytest.raises(InvalidAccessToken):
        tokens.read_access_token(signed(settings, claims))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "http://elsewhere.example"),
        ("aud", "tekana:partners"),
        ("aud", ["tekana:customers", "tekana:partners"]),
        ("sub", "1"),
        ("sub", 1),
        ("sid", "x"),
        ("sid", None),
        ("typ", "refresh"),
        ("exp", 1_700_000_000),
        ("exp", "soon"),
        ("nbf", 4_000_000_000),
        ("iat", 4_000_000_000),
    ],
)
def test_every_claim_is_checked(settings, claims, claim, value):
    with pytest.raises(InvalidAccessToken):
        tokens.read_access_token(signed(settings, claims | {claim: value}))


def test_a_token_lives_fifteen_minutes_and_the_leeway(settings):
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        token = tokens.access_token(uuid7(), uuid7())
        clock.shift(900 + tokens.LEEWAY_SECONDS - 1)
        tokens.read_access_token(token)

        clock.shift(1)
        with pytest.raises(InvalidAccessToken):
            tokens.read_access_token(token)
    assert tokens.LEEWAY_SECONDS <= 60


def forged(settings, claims, **header):
    """Signed with our own key, whatever the header says: what a verifier that trusts the header would accept."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = part(header) + b"." + part(claims)
    mac = hmac.digest(settings.JWT_KEY.encode(), body, "sha256")
    return (body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def test_other_algorithms_keys_and_headers_are_refused(settings, claims):
    tokens.read_access_token(forged(settings, claims, alg="HS256", typ="JWT"))
    unsigned = forged(settings, claims, alg="none", typ="JWT")

    for token in [
        unsigned,
        unsigned.rpartition(".")[0] + ".",
        forged(settings, claims, alg="None", typ="JWT"),
        forged(settings, claims, alg="RS256", typ="JWT"),
        forged(settings, claims, alg="ES256", typ="JWT"),
        forged(settings, claims, alg="HS512", typ="JWT"),
        forged(settings, claims, typ="JWT"),
        forged(settings, claims, alg="HS256", typ="JWT", kid="another"),
        forged(settings, claims, alg="HS256", typ="JWT", jku="http://evil.example/keys"),
        signed(settings, claims, algorithm="HS512"),
        signed(settings, claims, key="x" * 64),
        signed(settings, claims)[:-2],
        signed(settings, claims) + "x",
        "",
        "a.b.c",
        "é",
        "." * 5_000,
    ]:
        with pytest.raises(InvalidAccessToken):
            tokens.read_access_token(token)


def test_a_short_signing_key_stops_the_start(settings):
    settings.JWT_KEY = "placeholder"

    with pytest.raises(ImproperlyConfigured):
        apps.get_app_config("customers").ready()


@pytest.mark.parametrize("header", ["Bearer x", "Bearer ", "Bearer a b", "bearer x.y.z"])
def test_a_bad_token_is_a_401_with_its_own_code(db, header):
    answer = API(Authorization=header)("get", "me")

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_access_token")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Basic YTpi", "Token x", ""])
def test_no_token_is_a_401(db, header):
    answer = API(Authorization=header)("get", "me")

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_a_refresh_token_is_kept_as_its_hash_and_is_256_bits(as_mary):
    token = as_mary.tokens["refresh_token"]

    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    (kept,) = RefreshToken.objects.all()
    assert bytes(kept.digest) == tokens.digest(token)
    assert token.encode() not in bytes(kept.digest)


def test_refreshing_gives_new_tokens_of_the_same_session(as_mary, api):
    before = Session.objects.get()

    answer = api("post", "auth/refresh", {"refresh_token": as_mary.tokens["refresh_token"]})

    assert answer.status_code == 200
    fresh = answer.json()
    assert fresh["refresh_token"] != as_mary.tokens["refresh_token"]
    assert API(Authorization=f"Bearer {fresh['access_token']}")("get", "me").status_code == 200
    assert Session.objects.get().id == before.id


def test_a_second_use_ends_the_session_for_both_who_hold_it(as_mary, api):
    stolen = as_mary.tokens["refresh_token"]
    fresh = api("post", "auth/refresh", {"refresh_token": stolen}).json()

    again = api("post", "auth/refresh", {"refresh_token": stolen})

    assert (again.status_code, again.json()["code"]) == (401, "refresh_token_reused")
    assert Session.objects.get().revoked_because == "refresh token reused"
    after = api("post", "auth/refresh", {"refresh_token": fresh["refresh_token"]})
    assert (after.status_code, after.json()["code"]) == (401, "invalid_refresh_token")
    ended = API(Authorization=f"Bearer {fresh['access_token']}")("get", "me")
    assert (ended.status_code, ended.json()["code"]) == (401, "session_ended")


def test_of_two_uses_at_the_same_moment_one_is_the_second(transactional_db):
    CustomerFactory(email="mary@example.com")
    token = sign_in("mary@example.com").tokens["refresh_token"]
    barrier = Barrier(6)

    def use(_):
        barrier.wait()
        try:
            return tokens.refresh(token).refresh_token
        except TekanaError as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(use, range(6)))

    assert sum(len(answer) == 43 for answer in answers) == 1
    assert answers.count("refresh_token_reused") == 1
    assert answers.count("invalid_refresh_token") == 4
    assert Session.objects.get().revoked_at is not None


def test_an_expired_or_invented_token_is_refused_and_ends_nothing(as_mary, api):
    RefreshToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    for token in (as_mary.tokens["refresh_token"], "x" * 43, as_mary.tokens["access_token"][:200]):
        answer = api("post", "auth/refresh", {"refresh_token": token})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
    assert Session.objects.get().revoked_at is None


def test_an_access_token_does_not_refresh_and_a_refresh_token_does_not_open(as_mary):
    refresh = API(Authorization=f"Bearer {as_mary.tokens['refresh_token']}")("get", "me")

    assert refresh.json()["code"] == "invalid_access_token"
