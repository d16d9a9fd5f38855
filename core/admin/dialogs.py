"""Actions of staff: a dialog whose GET shows a form and whose POST, with CSRF, calls one service. No link acts."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from core.admin.step_up import gate_for
from core.errors import TekanaError
from core.money import Money
from core.serializers import BIDI_CONTROLS

LONGEST_REASON = 500
YEAR = timedelta(days=366)
NOT_OFFERED = "This cannot be done to it as it is now. Its page shows what can."
GROUPED = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", re.ASCII)


class StaffForm(forms.Form):
    """The form of a dialog about ``subject``, filled in by ``user``."""

    intro = ""
    submit = "Confirm"
    before_template = ""  # shown above the fields; reads ``form``
    prefilled: tuple[str, ...] = ()  # fields that the address of the dialog may fill in
    why_second_person = ""  # where what it asks for takes one: why
    required_css_class = "required"

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, auto_id="dialog_%s")  # the page below may have fields of the same name
        self.subject, self.user = subject, user
        for field in self.fields.values():
            if not isinstance(field.widget, forms.HiddenInput):
                field.widget.attrs["autofocus"] = True
                break

    def full_clean(self) -> None:
        """What subclasses check, then what holds for all: texts that read as they are written, and `unusual`."""
        super().full_clean()
        self.to_weigh = ""
        if not self.is_bound:
            return
        for name, value in list(self.cleaned_data.items()):
            if isinstance(value, str) and not reads_as_written(value):
                self.add_error(name, "It has characters that hide or turn the text around. Type it anew.")
        if not self.errors and (unusual := " ".join(self.unusual())) and self.data.get("weighed") != unusual:
            self.to_weigh = unusual
            self.add_error(None, f"{unusual} Send it once more if that is what you mean.")

    def unusual(self) -> list[str]:
        """Sentences on what is possible but seldom meant, of a form without errors: it is asked for twice."""
        return []

    @property
    def why_not(self) -> str:
        """Why nothing can come of it as it was opened, with what its address filled in; said instead of asking."""
        return ""

    @property
    def is_broken(self) -> bool:
        """Whether something is wrong with what nobody sees, and so cannot put right."""
        return any(field.errors for field in self.hidden_fields())

    def refuse(self, refusal: TekanaError) -> None:
        """Say in the dialog why the service would not."""
        self.add_error(None, told(refusal))


def reads_as_written(text: str) -> bool:
    return not any(one in BIDI_CONTROLS or (unicodedata.category(one) == "Cc" and one not in "\n\r\t") for one in text)


def far_ahead(what: str, day: date | None) -> list[str]:
    """A sentence on a day (or an instant) more than a year ahead, for `StaffForm.unusual`: "It ends"."""
    if day is None or (day.date() if isinstance(day, datetime) else day) <= datetime.now(UTC).date() + YEAR:
        return []
    return [f"{what} in the year {day.year}, more than a year ahead."]


def read_amount(form: forms.Form, field: str, currency: str, *, none: str | None = None) -> int | None:
    """What was typed into ``field`` as minor units of ``currency``; None where it is ``none``. What cannot be read is
    said at the field.

    Commas part thousands and nothing else: where they stand otherwise, somebody may have meant a decimal point.
    """
    text = str(form.cleaned_data.get(field, "")).strip()
    if none is not None and text.lower() == none:
        return None
    if "," in text and not GROUPED.fullmatch(text):
        form.add_error(field, f"“{text[:40]}” can be read in two ways. Write 1,250.50 or 1250.50.")
        return None
    try:
        return Money.parse(text.replace(",", ""), currency).amount_minor
    except TekanaError as refusal:
        form.add_error(field, refusal.detail)
        return None


def told(refusal: TekanaError) -> str:
    """A refusal in words: what kind it is, and what of this one. What customers are told is not for staff."""
    said = refusal.detail not in (refusal.title, refusal.for_customer)
    return f"{refusal.title}. {refusal.detail}" if said else refusal.title


class ReasonForm(StaffForm):
    """Any act on a person's money or account says why."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Kept in the audit trail with your name.",
    )

    def say_unseen(self) -> None:
        self.fields["reason"].help_text = "Kept in the audit trail with your name. The customer does not see it."


def staff_action(
    description: str,
    *,
    permission: str,
    form: type[StaffForm],
    done: str = "Done.",
    icon: str = "",
    variant: ActionVariant = ActionVariant.DEFAULT,
    step_up: bool = False,
) -> Callable[[Callable[..., Any]], Any]:
    """Make a dialog of a method ``(self, request, subject, form) -> bool | HttpResponse``, run with a valid form.

    True says that it is done: the page is shown again under the message ``done``. False leaves the dialog open, which
    then says why (`StaffAdmin.call`). A response is sent as it is. List it in ``actions_detail`` or ``actions_list``.
    What `StaffAdmin.why_not` has to say about the subject, the dialog says instead of asking anything; and where the
    page offers no such button (`StaffAdmin.offers`), the address alone opens nothing.

    ``step_up``: it moves money, prices or rights. Where the last proof of who sits there is too old, the dialog asks
    for another with the rest of its fields, and goes on with what was typed.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        name = function.__name__

        # ``self`` is a `StaffAdmin`, whose module imports this one.
        def view(self: Any, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
            subject = None if object_id is None else self.subject(request, object_id)
            if object_id is not None and subject is None:
                return cast(HttpResponse, self.missing(request))
            why_not = "" if subject is None else self.obstacle(request, subject, name)
            if subject is not None and not why_not and not self.offers(request, subject, name):
                why_not = NOT_OFFERED
            filled = form(request.POST if request.method == "POST" else None, subject=subject, user=request.user)
            if isinstance(filled, ReasonForm) and subject is not None and self.whose(subject):
                filled.say_unseen()
            if request.method == "POST":
                filled.files = request.FILES
            else:
                filled.initial = {name: request.GET[name] for name in form.prefilled if name in request.GET}
                why_not = why_not or filled.why_not
            gate = gate_for(request) if step_up else None
            proved = request.method == "POST" and not why_not and (gate is None or gate.passed())
            if proved and filled.is_valid():
                outcome = function(self, request, subject, filled)
                if isinstance(outcome, HttpResponse):
                    return outcome
                if outcome:
                    messages.success(request, done)
                    return go_to(request, self.address_of(subject))
            context = {
                **self.admin_site.each_context(request),
                "title": description,
                "form": filled,
                "why_not": why_not,
                "gate": gate,
                "opts": self.opts,
                "original": subject,
                "name": self.name_of(subject) if subject else "",
                "danger": variant is ActionVariant.DANGER,
                "back": self.address_of(subject),
            }
            return TemplateResponse(request, "admin/dialog.html", context)

        view.__name__, view.__doc__ = name, function.__doc__
        wrapped = action(
            description=description, permissions=[permission], url_path=name, icon=icon or None, variant=variant
        )(view)
        wrapped.step_up = step_up
        wrapped.dialog = {"title": description}  # Unfold's buttons then open the address in the page's dialog
        return wrapped

    return decorate


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """A redirect that a dialog in the page (htmx) and a plain browser both follow."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
