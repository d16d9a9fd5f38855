"""Staff users, their sessions, and what they asked a second person for.

A user's rights follow from the role (`roles.py`); no groups, no permission rows, no superusers.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Lower
from django.utils import timezone

from core.ids import uuid7
from staff.roles import PERMISSIONS, Role


class UserManager(BaseUserManager["User"]):
    def create_user(self, username: str, password: str | None, role: str, **fields: Any) -> "User":
        user = self.model(username=self.model.normalize_username(username), role=Role(role), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


USER_NAME = r"^[a-z0-9][a-z0-9._-]+$"


class User(AbstractBaseUser):
    username = models.CharField(max_length=60, unique=True)
    full_name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=20, choices=Role)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["full_name", "role"]
    is_staff = True  # whoever has such a row works here
    is_superuser = False  # nobody is above the roles

    objects = UserManager()

    class Meta:
        verbose_name = "member of staff"
        verbose_name_plural = "staff"
        constraints = [
            # One spelling, or there could be two whom nobody can tell apart.
            models.CheckConstraint(condition=Q(username__regex=USER_NAME), name="staff_user_name"),
            # Links to choose a password go there: two accounts with one mailbox would be two people in one.
            models.UniqueConstraint(Lower("email"), condition=~Q(email=""), name="staff_email_of_one"),
        ]

    def __str__(self) -> str:
        return self.full_name or self.username

    def get_full_name(self) -> str:
        return str(self)

    @property
    def principal(self) -> str:
        return f"staff:{self.pk}"

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        return self.is_active and permission in PERMISSIONS[self.role]

    def has_perms(self, permissions: list[str], obj: Any = None) -> bool:
        return all(self.has_perm(p, obj) for p in permissions)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and any(p.startswith(f"{app_label}.") for p in PERMISSIONS[self.role])


class Session(AbstractBaseSession):
    """A browser in which somebody signed in, or is about to (then it is nobody's). Over when not used or too old.

    The key is a digest (`sessions.py`). Rows go when they are over; that there was one is in the audit trail.
    """

    session_key = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of what the browser has")
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="sessions")
    started_at = models.DateTimeField()
    used_at = models.DateTimeField(help_text="to the minute")
    proved_at = models.DateTimeField(null=True, help_text="signed in, or proved again who they are")
    ip = models.GenericIPAddressField(null=True, help_text="where it was used last")
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "session"
        verbose_name_plural = "sessions"
        ordering = ["-used_at"]
        indexes = [models.Index(fields=["user", "-used_at"], name="session_by_user")]

    def __str__(self) -> str:
        return f"{self.user}, {self.device}" if self.user else "Somebody who is signing in"

    def over_since(self, now: datetime) -> str:
        """Why it is over, in words; empty while it is not."""
        if now - self.used_at > timedelta(minutes=settings.STAFF_IDLE_MINUTES):
            return f"not used for {settings.STAFF_IDLE_MINUTES} minutes"
        if now - self.started_at > timedelta(hours=settings.STAFF_SESSION_HOURS):
            return f"{settings.STAFF_SESSION_HOURS} hours old"
        return ""

    @property
    def device(self) -> str:
        """``Firefox on Linux``: as much of it as browsers still tell."""
        agent = self.user_agent
        browsers = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
        systems = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS": "macOS",
                   "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip
        browser = next((name for sign, name in browsers.items() if sign in agent), "Another browser")
        system = next((name for sign, name in systems.items() if sign in agent), "")
        return f"{browser} on {system}" if system else browser


class Totp(models.Model):
    """An app that shows six digits, one for each member of staff. The secret is sealed (`second_factor.py`)."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="totp")
    secret = models.BinaryField(help_text="AES-GCM under STAFF_FACTOR_KEY, bound to the user")
    last_step = models.BigIntegerField(help_text="the thirty seconds of the last code taken; none before is")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Authenticator app of {self.user}"


class Passkey(models.Model):
    """A key that never leaves its device; of it we have the public half."""

    user = models.ForeignKey(User, models.CASCADE, related_name="passkeys")
    credential = models.BinaryField(unique=True, help_text="how the device knows it")
    public_key = models.BinaryField(help_text="COSE")
    sign_count = models.BigIntegerField(help_text="of the device; a copy of the key would fall behind")
    host = models.CharField(max_length=253, help_text="the name of ours that it was made for, and works on")
    name = models.CharField(max_length=60)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name


class RecoveryCode(models.Model):
    """For who lost the device: works once. Kept as a keyed digest."""

    user = models.ForeignKey(User, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"Recovery code of {self.user}"


class Letter(models.Model):
    """What a colleague is told by e-mail: the row is the queue (`letters.py`).

    The text is made when it is sent, so that no link that opens anything lies here.
    """

    class Kind(models.TextChoices):
        INVITATION = "password", "a link to choose a password"
        DECIDED = "decided", "what became of a request of theirs"

    user = models.ForeignKey(User, models.CASCADE, related_name="letters")
    kind = models.CharField(max_length=10, choices=Kind)
    approval = models.ForeignKey("Approval", models.PROTECT, null=True, related_name="letters")
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, default=timezone.now, help_text="null: sent, or given up")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="counted before each")
    sent_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True, help_text="what it is about was opened in the back office")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="decided", approval__isnull=False) | (~Q(kind="decided") & Q(approval=None)),
                name="letter_of_decision",
            ),
            models.UniqueConstraint(fields=["approval", "user"], name="letter_once_per_decision"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="letter_due"),
            models.Index(fields=["user"], condition=Q(kind="decided", seen_at=None), name="letter_unseen"),
            models.Index(fields=["user", "-id"], name="letter_by_user"),
        ]

    def __str__(self) -> str:
        return f"Letter to {self.user}: {self.get_kind_display()}"


class Approval(models.Model):
    """What somebody asked for that needs a second person: nothing of it has effect before that person approves.

    ``params`` and ``preview`` belong to the operation (`approvals.py`). Decided once, by somebody else than the maker;
    only the assignment may change before, and nothing after (`migrations/0003_approval_guards.sql`).
    """

    class State(models.TextChoices):
        OPEN = "open", "waiting"
        APPROVED = "approved"
        REJECTED = "rejected"
        WITHDRAWN = "withdrawn"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    operation = models.CharField(max_length=40, help_text="the name it is registered under")
    title = models.CharField(max_length=200, help_text="what was asked for, in a line")
    subject_type = models.CharField(max_length=60, help_text="app.model of what it is about")
    subject_id = models.CharField(max_length=64)
    subject_title = models.CharField(max_length=200)
    about = ArrayField(models.CharField(max_length=130), help_text="app.model:id of every page that shows it")
    slot = models.CharField(max_length=140, help_text="of what there is one open request at a time")
    params = models.JSONField()
    preview = models.JSONField(help_text="what would happen, as it was shown to the maker")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what the preview promises")
    maker = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    assigned_to = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    checker = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    comment = models.TextField(blank=True)
    result = models.JSONField(null=True, blank=True, help_text="what approving it led to: model, id, title")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(checker=F("maker")), name="approval_by_another"),
            models.CheckConstraint(condition=~Q(assigned_to=F("maker")), name="approval_assigned_to_another"),
            models.CheckConstraint(
                condition=Q(state="open", decided_at=None) | (~Q(state="open") & Q(decided_at__isnull=False)),
                name="approval_decided_or_open",
            ),
            # Whose decision it is, there is a checker for; the maker's own and the clock's have none.
            models.CheckConstraint(
                condition=Q(state__in=["approved", "rejected"], checker__isnull=False)
                | (~Q(state__in=["approved", "rejected"]) & Q(checker=None)),
                name="approval_has_checker",
            ),
            models.CheckConstraint(
                condition=~Q(state="rejected") | Q(comment__regex=r"\S"), name="approval_rejected_with_comment"
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(decided_at__lt=F("expires_at")), name="approval_in_time"
            ),
            models.CheckConstraint(
                condition=~Q(state="expired") | Q(decided_at__gte=F("expires_at")), name="approval_not_expired_early"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="approval_expires_later"),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="approval_with_reason"),
            models.UniqueConstraint(fields=["operation", "slot"], condition=Q(state="open"), name="approval_one_open"),
        ]
        indexes = [
            GinIndex(fields=["about"], name="approval_by_page"),
            models.Index(fields=["expires_at"], condition=Q(state="open"), name="approval_open"),
            models.Index(fields=["maker", "-id"], name="approval_by_maker"),
            # Whether a second person stands behind a row, that row's id says.
            models.Index(KT("result__id"), name="approval_by_result"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.title


class Assignment(models.Model):
    """Who of staff has something that waits in a queue (`queues.py`); one row for each such thing. Who had it before,
    and who gave it to whom, is in the audit trail."""

    subject_type = models.CharField(max_length=60, help_text="app.model of what waits")
    subject_id = models.CharField(max_length=64)
    owner = models.ForeignKey(User, models.PROTECT, related_name="+")
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subject_type", "subject_id"], name="assignment_once")]

    def __str__(self) -> str:
        return f"{self.subject_type} {self.subject_id}: {self.owner}"
