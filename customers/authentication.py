"""Who asks, from the access token alone; no query."""

from typing import NamedTuple
from uuid import UUID

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from core.errors import Unauthenticated
from customers.errors import ViewIsReadOnly
from customers.tokens import read_access_token


class CustomerPrincipal(NamedTuple):
    """``request.user`` of the customer API: a customer by id. Views that need the row load it.

    ``viewed_by``: the member of staff who views as this customer (``staff:3``); empty for customers themselves. Then
    ``session_id`` is that of the view, which is no session of the customer's and moves no money.
    """

    id: UUID
    session_id: UUID
    is_authenticated: bool = True  # what DRF's permissions ask for
    viewed_by: str = ""

    @property
    def principal(self) -> str:
        """Who acts: what staff ask for is counted, and would be recorded, as theirs."""
        return self.viewed_by or f"customer:{self.id}"


class CustomerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <access token>``; or ``viewed_as`` of a request that no client sent (`viewings/`), which
    only reads. Raises: InvalidAccessToken, ViewIsReadOnly."""

    def authenticate(self, request: Request) -> tuple[CustomerPrincipal, None] | None:
        viewed_as: CustomerPrincipal | None = getattr(request._request, "viewed_as", None)
        if viewed_as is not None:
            if request.method not in SAFE_METHODS:
                raise ViewIsReadOnly()
            return viewed_as, None
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
