"""A staff page is a header and panels. Money, times, states and links look the same on all because of this file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.contrib.admin.utils import quote
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from core.money import grouped

NOTHING = SafeString("–")


@dataclass(kw_only=True)
class Header:
    """The top of a page: what it is, its state, and the few figures one looks for first."""

    title: Any
    badge: Any = ""
    lines: Sequence[Any] = ()
    figures: Sequence[tuple[str, Any]] = ()
    notice: str = ""


@dataclass(kw_only=True)
class Panel:
    """One box of a page; ``side`` puts it into the narrow column."""

    title: str
    side: bool = False
    more: tuple[str, str] | None = None  # text and address of the whole list
    template: ClassVar[str]


@dataclass(kw_only=True)
class Facts(Panel):
    """Labels and values."""

    rows: Sequence[tuple[str, Any]]
    template = "admin/panels/facts.html"


@dataclass(kw_only=True)
class Table(Panel):
    """Rows under columns; columns named in ``numeric`` are set flush right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numeric: Sequence[str] = ()
    total: Sequence[Any] = ()
    empty: str = "Nothing here."
    template = "admin/panels/table.html"

    @property
    def heads(self) -> list[tuple[str, bool]]:
        return [(column, column in self.numeric) for column in self.columns]

    @property
    def lines(self) -> list[list[tuple[str, bool, Any]]]:
        return [self.cells(row) for row in self.rows]

    @property
    def total_line(self) -> list[tuple[str, bool, Any]]:
        return self.cells(self.total)

    def cells(self, row: Sequence[Any]) -> list[tuple[str, bool, Any]]:
        return [(column, column in self.numeric, cell) for column, cell in zip(self.columns, row)]


@dataclass(kw_only=True)
class Part(Panel):
    """A panel with a template of its own, which reads ``panel.context``."""

    template: str  # type: ignore[misc]
    context: dict[str, Any] = field(default_factory=dict)


# --- Panels that other apps contribute --------------------------------------------------------------------------

Builder = Callable[[HttpRequest, Any], Panel | None]
_builders: list[tuple[int, str | None, str, Builder]] = []


def panel(model: str | None, *, order: int, permission: str) -> Callable[[Builder], Builder]:
    """Contribute a panel to the pages of ``model`` (``"customers.customer"``; None: of every model).

    The builder gets the request and the object and returns a panel, or None for nothing; it runs only for staff who
    have ``permission``, and asks the database the same number of questions whatever the size of its answer.
    """

    def register(builder: Builder) -> Builder:
        _builders.append((order, model, permission, builder))
        _builders.sort(key=lambda entry: entry[0])
        return builder

    return register


def panels_of(request: HttpRequest, subject: models.Model) -> list[Panel]:
    built = [
        builder(request, subject)
        for _, model, permission, builder in _builders
        if model in (None, subject._meta.label_lower) and may(request, permission)
    ]
    return [one for one in built if one is not None]


# --- Notices that other apps contribute: what must not be missed on a page -----------------------------------------

Notice = Callable[[HttpRequest, Any], Any]
_notices: list[tuple[str, Notice]] = []


def notice(*, permission: str) -> Callable[[Notice], Notice]:
    """Contribute a sentence to the top of every page, for staff with ``permission``; nothing where there is none."""

    def register(builder: Notice) -> Notice:
        _notices.append((permission, builder))
        return builder

    return register


def notices_of(request: HttpRequest, subject: models.Model) -> list[Any]:
    built = [builder(request, subject) for permission, builder in _notices if may(request, permission)]
    return [one for one in built if one]


# --- Alarms that other apps contribute --------------------------------------------------------------------------

Alarm = Callable[[HttpRequest], Any]
_alarms: list[tuple[str, Alarm]] = []


def alarm(*, permission: str) -> Callable[[Alarm], Alarm]:
    """Contribute a sentence to the first page and the page of work, for staff with ``permission``: something is wrong
    that waits in no queue. Nothing where all is well; as many statements whatever there is to say."""

    def register(builder: Alarm) -> Alarm:
        _alarms.append((permission, builder))
        return builder

    return register


def alarms_of(request: HttpRequest) -> list[Any]:
    built = [builder(request) for permission, builder in _alarms if may(request, permission)]
    return [one for one in built if one]


# --- Buttons that other apps contribute, beside the page's own ------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Button:
    """Leads to ``path``: a page, or with ``dialog`` what is opened over this one. It acts on nothing by itself."""

    title: str
    path: str
    icon: str = ""
    dialog: Any = None


_buttons: list[tuple[str, str, Callable[[HttpRequest, Any], Button]]] = []


def button(model: str, *, permission: str) -> Callable[[Any], Any]:
    """Contribute a button to the pages of ``model`` (``"customers.customer"``), for staff with ``permission``."""

    def register(builder: Callable[[HttpRequest, Any], Button]) -> Any:
        _buttons.append((model, permission, builder))
        return builder

    return register


def buttons_of(request: HttpRequest, subject: models.Model) -> list[Button]:
    return [
        builder(request, subject)
        for model, permission, builder in _buttons
        if model == subject._meta.label_lower and may(request, permission)
    ]


def may(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(permission)


# --- Values ---------------------------------------------------------------------------------------------------


def money(amount_minor: int | None, currency: str) -> SafeString:
    """``KES 1,050.75``; a dash for None."""
    if amount_minor is None:
        return NOTHING
    return format_html(
        '<span class="money"><span class="currency">{}</span> {}</span>', currency, grouped(amount_minor, currency)
    )


def moment(at: datetime | None) -> SafeString:
    """To the second, in UTC; the browser adds the reader's own time as a hint (`admin.js`)."""
    if at is None:
        return NOTHING
    at = at.astimezone(UTC)
    day, hour = at.strftime("%-d %b %Y"), at.strftime("%H:%M:%S")
    return format_html('<time datetime="{}"><span>{}</span> <span>{}</span></time>', at.isoformat(), day, hour)


def age(passed: timedelta) -> str:
    """How long, in one unit: ``3 h``."""
    seconds = max(int(passed.total_seconds()), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def badge(text: Any, tone: str = "") -> SafeString:
    """A state in words on a tint; ``tone`` is good, bad, busy, odd or nothing."""
    return format_html('<span class="badge {}">{}</span>', tone, capfirst(text))


def words(code: str) -> str:
    """One of our codes as people read it: ``top_up`` is Top-up."""
    return capfirst(code.replace("_", "-"))


def code(text: Any) -> SafeString:
    """An identifier to be copied."""
    if text in (None, ""):
        return NOTHING
    return format_html(
        '<span class="code"><code>{0}</code><button type="button" data-copy="{0}" aria-label="Copy {0}">'
        '<span class="material-symbols-outlined" aria-hidden="true">content_copy</span></button></span>',
        text,
    )


def page_url(model: str, pk: Any) -> str:
    """The staff page of one row: ``page_url("wallets.wallet", wallet_id)``."""
    return reverse(f"admin:{model.replace('.', '_').lower()}_change", args=[quote(pk)])


def list_url(model: str, **query: Any) -> str:
    return reverse(f"admin:{model.replace('.', '_').lower()}_changelist", query=query or None)


def link(request: HttpRequest, model: str, pk: Any, text: Any) -> Any:
    """A link to a row's page for who may see it; otherwise its text alone."""
    if pk is None:
        return NOTHING
    app, _, name = model.lower().partition(".")
    if not may(request, f"{app}.view_{name}"):
        return text
    return format_html('<a class="to" href="{}">{}</a>', page_url(model, pk), text)
