from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import pytest
from django.test import Client

from core.hashers import Argon2id
from customers.models import Customer
from tests.factories import PASSWORD, CustomerFactory


@pytest.fixture
def mary(db: None) -> Customer:
    return CustomerFactory(full_name="Mary Wanjiku", email="mary@example.com", phone_number="+254712345678")


@pytest.fixture
def john(db: None) -> Customer:
    return CustomerFactory(full_name="John Otieno", email="john@example.com", phone_number="+254722345678")


class API:
    """The customer API over Django's test client: JSON in, the answer out."""

    def __init__(self, **headers: str) -> None:
        self.client, self.headers = Client(), headers

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        if body is None:
            return self.client.generic(method.upper(), f"/v1/{path}", headers=self.headers)
        send = getattr(self.client, method)
        return send(f"/v1/{path}", body, content_type="application/json", headers=self.headers)

    def login(self, username: str, password: str = PASSWORD) -> Any:
        return self("post", "auth/login", {"username": username, "password": password})


@pytest.fixture
def api() -> API:
    return API()


@pytest.fixture
def as_mary(mary: Customer) -> API:
    return sign_in("mary@example.com")


def sign_in(username: str) -> API:
    """A client with a session of its own; ``.tokens`` is what the sign-in answered."""
    answer = API().login(username)
    assert answer.status_code == 200, answer.content
    signed = API(Authorization=f"Bearer {answer.json()['access_token']}")
    signed.tokens = answer.json()  # type: ignore[attr-defined]
    return signed


@contextmanager
def counted_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every evaluation of argon2id within the block."""
    seen: list[str] = []
    lock = Lock()

    def counting(name: str) -> Any:
        original = getattr(Argon2id, name)

        def counted(self: Any, *args: Any) -> Any:
            with lock:
                seen.append(name)
            return original(self, *args)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(Argon2id, "verify", counting("verify"))
        patch.setattr(Argon2id, "encode", counting("encode"))
        yield seen
