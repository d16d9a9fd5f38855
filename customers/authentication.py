"""Who asks, from the access token alone; no query."""

from typing import NamedTuple
from uuid import UUID

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from core.errors import Unauthenticated
from customers.tokens import read_access_token


class CustomerPrincipal(NamedTuple):
    """``request.user`` of the customer API: a customer by id. Views that need the row load it."""

    id: UUID
    session_id: UUID
    is_authenticated: bool = True  # what DRF's permissions ask for

    @property
    def principal(self) -> str:
        return f"customer:{self.id}"


class CustomerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <access token>``. Raises: InvalidAccessToken."""

    def authenticate(self, request: Request) -> tuple[CustomerPrincipal, None] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return CustomerPrincipal(*read_access_token(token.strip())), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def caller(request: Request) -> CustomerPrincipal:
    """The signed-in customer of a request. Raises: Unauthenticated."""
    if not isinstance(request.user, CustomerPrincipal):
        raise Unauthenticated()
    return request.user
