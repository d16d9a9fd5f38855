"""What a signed-in customer holds: a short-lived access token (JWT) and a refresh token that is good once.

The access token is checked without the database; whoever moves money or reads asks the session row as well
(`permissions.LiveSession`, or the posting transaction), so that signing out and suspension bite at the next request.
"""

import hashlib
import secrets
import time
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import jwt
from django.conf import settings
from django.db import transaction as db_transaction
from django.utils import timezone

from core import audit, context
from core.ids import uuid7
from customers.errors import CustomerSuspended, InvalidAccessToken, InvalidRefreshToken, RefreshTokenReused
from customers.models import Customer, CustomerState, RefreshToken, Session

ALGORITHM = "HS256"
HEADER = {"alg": ALGORITHM, "typ": "JWT"}
AUDIENCE = "tekana:customers"
CLAIMS = ["iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti", "typ"]
LEEWAY_SECONDS = 10  # clocks of our own servers


class Tokens(NamedTuple):
    """What goes over the wire: ``tokens._asdict()`` has the published names."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


def start_session(customer: Customer, *, user_agent: str = "") -> Tokens:
    """A new session and its first tokens. Call inside the atomic block in which the customer was made or locked.

    Raises: CustomerSuspended.
    """
    if customer.state != CustomerState.ACTIVE:
        raise CustomerSuspended()
    session = Session.objects.create(customer=customer, user_agent=user_agent[:200], ip=context.client_ip.get() or None)
    return issue(session)


def issue(session: Session) -> Tokens:
    refresh_token = secrets.token_urlsafe(32)
    RefreshToken.objects.create(
        session=session,
        digest=digest(refresh_token),
        expires_at=timezone.now() + timedelta(seconds=settings.REFRESH_TOKEN_SECONDS),
    )
    return Tokens(
        access_token=access_token(session.customer_id, session.id),
        refresh_token=refresh_token,
        token_type="Bearer",  # noqa: S106
        expires_in=settings.ACCESS_TOKEN_SECONDS,
    )


def digest(refresh_token: str) -> bytes:
    """A plain hash is enough: the token is 256 random bits, there is nothing to guess."""
    return hashlib.sha256(refresh_token.encode()).digest()


def access_token(customer_id: UUID, session_id: UUID) -> str:
    now = int(time.time())
    claims = {
        "iss": settings.PUBLIC_URL,
        "aud": AUDIENCE,
        "sub": str(customer_id),
        "sid": str(session_id),
        "iat": now,
        "nbf": now,
        "exp": now + settings.ACCESS_TOKEN_SECONDS,
        "jti": uuid7().hex,
        "typ": "access",
    }
    return jwt.encode(claims, settings.JWT_KEY, algorithm=ALGORITHM)


def read_access_token(token: str) -> tuple[UUID, UUID]:
    """The customer's and the session's id. One algorithm, one key, one audience; no header picks another.

    A token that was good stays good until it expires, so what was checked is remembered; only the clock is asked again.

    Raises: InvalidAccessToken.
    """
    customer, session, expires = _checked(token)
    if time.time() >= expires + LEEWAY_SECONDS:
        raise InvalidAccessToken()
    return customer, session


@lru_cache(maxsize=8192)
def _checked(token: str) -> tuple[UUID, UUID, int]:
    try:
        decoded: dict[str, Any] = jwt.decode_complete(
            token,
            settings.JWT_KEY,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=settings.PUBLIC_URL,
            leeway=LEEWAY_SECONDS,
            options={"require": CLAIMS, "strict_aud": True, "enforce_minimum_key_length": True},
        )
        claims = decoded["payload"]
        if decoded["header"] != HEADER or claims["typ"] != "access":
            raise InvalidAccessToken()
        return UUID(claims["sub"]), UUID(claims["sid"]), claims["exp"]
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError) as exc:
        raise InvalidAccessToken() from exc


def refresh(refresh_token: str) -> Tokens:
    """Exchange a refresh token for new tokens. A second use of one ends its session: one of the two users is a thief.

    Raises: InvalidRefreshToken, RefreshTokenReused, CustomerSuspended.
    Locks: the session, so that of two simultaneous uses one is the second.
    """
    with db_transaction.atomic():
        session = (
            Session.objects.select_for_update(of=("self",), no_key=True)
            .select_related("customer")
            .filter(refresh_tokens__digest=digest(refresh_token))
            .first()
        )
        if session is not None and session.customer.state != CustomerState.ACTIVE:
            raise CustomerSuspended()  # its sessions have ended too; this says why
        if session is None or session.revoked_at is not None:
            raise InvalidRefreshToken()
        held = session.refresh_tokens.get(digest=digest(refresh_token))  # read after the lock
        reused = held.used_at is not None
        if reused:
            end_sessions(session.customer_id, because="refresh token reused", only=session.id)
            after = {"session": str(session.id)}
            audit.record(actor=None, action="refresh_token_reused", subject=session.customer, after=after)
        else:
            tokens = rotate(session, held)
    if reused:
        raise RefreshTokenReused()  # after the commit: the session has ended
    return tokens


def rotate(session: Session, held: RefreshToken) -> Tokens:
    now = timezone.now()
    if held.expires_at <= now:
        raise InvalidRefreshToken()
    held.used_at = session.last_used_at = now
    held.save(update_fields=["used_at"])
    session.save(update_fields=["last_used_at"])
    return issue(session)


def end_sessions(customer_id: UUID, *, because: str, only: UUID | None = None, but: UUID | None = None) -> int:
    """Revoke the customer's live sessions, one of them, or all but one; how many it were."""
    sessions = Session.objects.filter(customer_id=customer_id, revoked_at=None)
    if only is not None:
        sessions = sessions.filter(id=only)
    if but is not None:
        sessions = sessions.exclude(id=but)
    return sessions.update(revoked_at=timezone.now(), revoked_because=because)
