"""Every door, tried by everybody: the owner, a stranger, nobody, the suspended, the signed out, a thief with a cookie.

What a stranger gets for something of mine is what everybody gets for something that does not exist.
"""

import re

import pytest
from django.test import Client
from django.utils import timezone

from core.pagination import write_cursor
from core.problems import CONTENT_TYPE as PROBLEM
from customers.models import Session
from customers.services import suspend_customer
from customers.tokens import access_token, start_session
from staff.models import User
from tests.admin.conftest import client_of
from tests.api.doors import Ask, Mine, World, new_world, routes, send
from tests.api.matrix import MATRIX, PLAIN, STAFF_OPEN
from tests.books import assert_books_balance
from tests.standing import standing
from wallets.models import Wallet

API = [route for route in routes() if route.view]
STAFF = [route for route in routes() if route.path.startswith("admin/")]
PRIVATE = [door for door, row in MATRIX.items() if not row.public]
NAMING = [door for door, row in MATRIX.items() if row.names]
KEYED = ["POST v1/transfers", "POST v1/wallets/<uuid:wallet_id>/deposit", "POST v1/wallets/<uuid:wallet_id>/withdraw"]
ELSEWHERE = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("posts_within")]


@standing
def world() -> World:
    return new_world()


def comparable(answer):
    """A problem without what differs from request to request."""
    body = answer.json()
    del body["request_id"], body["instance"]
    return answer.status_code, answer.headers["Content-Type"], body


def test_every_door_has_a_row():
    doors = {f"{method} {route.path}" for route in API for method in route.methods if method not in ("HEAD", "OPTIONS")}

    assert doors == set(MATRIX)


def test_every_other_page_is_known_too():
    others = {route.path for route in routes() if not route.view and not route.path.startswith("admin/")}

    assert others == set(PLAIN)


@pytest.mark.parametrize("door", MATRIX)
def test_the_owner_is_served(door, world):
    row = MATRIX[door]

    answer = send(door, row.ask(world.aline.mine, world), world.aline.token)

    assert answer.status_code == row.status, answer.content
    assert_books_balance()
    if not row.public:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert all(secret not in answer.text for secret in world.mallory.private)
        assert "argon2" not in answer.text


@pytest.mark.parametrize("door", NAMING)
def test_what_belongs_to_another_is_what_does_not_exist(door, world):
    row = MATRIX[door]

    stolen = send(door, row.ask(world.aline.mine, world), world.mallory.token)
    missing = send(door, row.ask(Mine.nobody(), world), world.mallory.token)

    assert stolen.status_code == 404
    assert comparable(stolen) == comparable(missing)
    asked = str(row.ask(world.aline.mine, world))
    assert all(secret not in stolen.text for secret in world.aline.private if secret not in asked)
    still_there = send(door, row.ask(world.aline.mine, world), world.aline.token)
    assert still_there.status_code == row.status, "the stranger's attempt changed something"
    assert_books_balance()


@pytest.mark.parametrize("door", PRIVATE)
def test_without_a_good_token_nobody_is_served(door, world, settings):
    row, aline = MATRIX[door], world.aline
    ask = row.ask(aline.mine, world)
    session = Session.objects.filter(customer=aline.customer).earliest("id")
    refresh_token = start_session(aline.customer).refresh_token
    staff = client_of(User.objects.create_user("agent", "a long enough sentence", "administrator", full_name="Agent"))
    settings.ACCESS_TOKEN_SECONDS = -60
    expired = access_token(aline.customer.id, session.id)
    settings.ACCESS_TOKEN_SECONDS = 900

    answers = {
        "nobody": send(door, ask),
        "staff": send(door, ask, client=staff),
        "expired": send(door, ask, expired),
        "altered": send(door, ask, aline.token[:-6] + ("AAAAAA" if aline.token[-6:] != "AAAAAA" else "BBBBBB")),
        "refresh token": send(door, ask, refresh_token),
    }

    assert {who: answer.status_code for who, answer in answers.items()} == dict.fromkeys(answers, 401)
    for answer in answers.values():
        assert answer.headers["Content-Type"] == PROBLEM
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Cache-Control"] == "no-store"
    assert_books_balance()


@pytest.mark.parametrize("door", PRIVATE)
def test_signing_out_bites_at_once(door, world):
    row, aline = MATRIX[door], world.aline
    Session.objects.filter(customer=aline.customer).update(revoked_at=timezone.now())

    answer = send(door, row.ask(aline.mine, world), aline.token)

    if row.for_ended:
        assert answer.status_code == row.status
    else:
        assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    assert_books_balance()


@pytest.mark.parametrize("door", PRIVATE)
def test_suspension_bites_at_once(door, world):
    row, aline = MATRIX[door], world.aline
    suspend_customer(aline.customer, actor=None, reason="fraud alert")
    revived = start_session_of_suspended(aline.customer)

    answers = [send(door, row.ask(aline.mine, world), token) for token in (aline.token, revived)]

    if row.for_ended:
        assert answers[0].status_code == row.status
    else:
        assert {answer.status_code for answer in answers} <= {401, 403}
        assert answers[1].json()["code"] == "customer_suspended"
    assert_books_balance()


def start_session_of_suspended(customer):
    """A session that outlived the suspension, as a race or a restored backup might leave one."""
    return access_token(customer.id, Session.objects.create(customer=customer).id)


@pytest.mark.parametrize("path", sorted({route.path for route in API}))
def test_other_methods_are_refused(path, world):
    known = {method for route in API if route.path == path for method in route.methods} - {"OPTIONS"}
    row = next(row for door, row in MATRIX.items() if door.endswith(f" {path}"))
    ask = Ask(path=row.ask(world.aline.mine, world).path)

    for method in sorted(ELSEWHERE - known):
        answer = send(f"{method} {path}", ask, world.aline.token)

        assert (method, answer.status_code) == (method, 405)
        assert answer.json()["code"] == "method_not_allowed"
        assert set(answer.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == known - {"HEAD"}


def test_every_view_says_who_may_use_it():
    silent = [route.path for route in API if not any("permission_classes" in vars(cls) for cls in ancestry(route.view))]

    assert silent == []


def ancestry(view):
    """The view and its own bases, up to DRF's."""
    return view.__mro__[: [cls.__module__ for cls in view.__mro__].index("rest_framework.views")]


@pytest.mark.parametrize("who", ["nobody", "customer"])
def test_the_back_office_is_closed_to_all_but_staff(who, world):
    token = world.aline.token if who == "customer" else None
    client = Client()

    for route in STAFF:
        path = filled(route.path, world)
        for method in ("GET", "POST"):
            answer = send(f"{method} {path}", Ask(), token, client)

            if route.path in STAFF_OPEN:
                assert answer.status_code in (200, 403), f"{method} {path}: {answer.status_code}"
            else:
                assert answer.status_code in (302, 403, 404), f"{method} {path}: {answer.status_code}"
            if answer.status_code == 302:
                assert answer.headers["Location"].partition("?")[0] in ("/admin/", "/admin/login/")
            assert all(secret not in answer.text for secret in world.aline.private if secret not in path)


def filled(pattern: str, world: World) -> str:
    """A path of the back office that names something of Aline's."""
    one_of_several = re.sub(r"\^?\(\?P<\w+>(\w+)[^)]*\)/\$", r"\1/", pattern)
    anything = re.sub(r"\(\?P<\w+>\.\*\)\$", "nowhere", one_of_several)
    return re.sub(r"<(\w+:)?\w+>", str(world.aline.mine.wallet), anything)


def test_a_staff_account_opens_no_door_of_customers(world):
    """Nor the other way round: the two kinds of people share no table, token or cookie."""
    answer = send(
        "POST v1/auth/login", Ask(body={"username": "agent", "password": "a long enough sentence"}), client=Client()
    )

    assert answer.status_code == 401


@pytest.mark.parametrize("door", ["GET v1/wallets", "GET v1/notifications", "GET v1/me/sessions"])
def test_a_strangers_cursor_shows_nothing_of_mine(door, world):
    for place in world.mallory.mine[:5]:
        answer = send(door, Ask(query={"cursor": write_cursor(place)}), world.aline.token)

        assert answer.status_code == 200
        assert all(secret not in answer.text for secret in world.mallory.private)


@pytest.mark.parametrize("door", KEYED)
def test_a_strangers_idempotency_key_answers_nothing_of_mine(door, world):
    same = "the-very-same-key"
    ask = MATRIX[door].ask
    mine = send(door, ask(world.aline.mine, world)._replace(keyed=same), world.aline.token)

    stolen = send(door, ask(world.aline.mine, world)._replace(keyed=same), world.mallory.token)
    hers = send(door, ask(world.mallory.mine, world)._replace(keyed=same), world.mallory.token)

    assert (mine.status_code, stolen.status_code, hers.status_code) == (201, 404, 201)
    assert "Idempotency-Replayed" not in hers.headers
    assert hers.json()["transaction_id"] != mine.json()["transaction_id"]
    assert_books_balance()


def test_the_matrix_notices_a_door_left_open(world, monkeypatch):
    monkeypatch.setattr("wallets.selectors.wallet_of", lambda customer_id, wallet_id: Wallet.objects.get(pk=wallet_id))

    with pytest.raises(AssertionError):
        test_what_belongs_to_another_is_what_does_not_exist("GET v1/wallets/<uuid:wallet_id>", world)
