"""Where the sessions of staff are kept: a row each that says whose, where, since when, and when it was used last.

The browser has the key and the database its SHA-256, so that nobody who reads the table can take a session over. What
was not used for STAFF_IDLE_MINUTES, or began STAFF_SESSION_HOURS ago, is over at its next request.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import Q
from django.utils import timezone

from core import audit, context

TOUCHED_EVERY = timedelta(seconds=60)  # one write a minute, not one for each page; so idle counts up to a minute more
LONGEST_AGENT = 300


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class SessionStore(DatabaseStore):
    row: Any = None  # the `Session` that was loaded
    model: Any

    @classmethod
    def get_model_class(cls) -> Any:
        from staff.models import Session  # models are not ready when this module is imported

        return Session

    def _get_session_from_db(self) -> Any:
        key = digest(self.session_key or "")
        row = self.model.objects.filter(session_key=key, expire_date__gt=timezone.now()).first()
        if row is not None and (why := row.over_since(timezone.now())):
            if row.user_id:
                audit.record(actor=f"staff:{row.user_id}", action="session_ended", subject=row.user, reason=why)
            row.delete()
            row = None
        if row is None:
            self._session_key = None
            return None
        self.row = row
        self.touch()
        return row

    def touch(self) -> None:
        now = timezone.now()
        if now - self.row.used_at >= TOUCHED_EVERY:
            self.row.used_at, self.row.ip = now, context.client_ip.get() or None
            self.row.save(update_fields=["used_at", "ip"])

    def exists(self, session_key: str) -> bool:
        return self.model.objects.filter(session_key=digest(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """The row to write: with another key (rotation) it is the session that it was; with another user a new one."""
        now, before = timezone.now(), self.row
        user = int(data["_auth_user_id"]) if "_auth_user_id" in data else None
        if before is None or before.user_id != user:
            started, proved = now, now if user else None
        else:
            started, proved = before.started_at, before.proved_at
        self.row = self.model(
            session_key=digest(self._get_or_create_session_key()),  # type: ignore[attr-defined]
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=user,
            started_at=started,
            used_at=now,
            proved_at=proved,
            ip=context.client_ip.get() or None,
            user_agent=context.user_agent.get()[:LONGEST_AGENT],
        )
        return self.row

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key=digest(key)).delete()

    def flush(self) -> None:
        super().flush()
        self.row = None

    # --- Step-up -----------------------------------------------------------------------------------------------------

    @property
    def is_fresh(self) -> bool:
        """Whether who sits there proved who they are a moment ago: by signing in, or by stepping up."""
        row = self.row
        return bool(row and row.proved_at and timezone.now() - row.proved_at < step_up_lasts())

    def prove(self) -> None:
        """They have just proved who they are: under a new key, so that an old one is worth nothing."""
        self.row.proved_at = timezone.now()
        self.cycle_key()


def step_up_lasts() -> timedelta:
    return timedelta(minutes=settings.STAFF_STEP_UP_MINUTES)


def live(now: datetime) -> Q:
    """Sessions of somebody that are not over."""
    return Q(
        user__isnull=False, expire_date__gt=now,
        used_at__gt=now - timedelta(minutes=settings.STAFF_IDLE_MINUTES),
        started_at__gt=now - timedelta(hours=settings.STAFF_SESSION_HOURS),
    )  # fmt: skip
