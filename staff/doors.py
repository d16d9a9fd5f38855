"""The doors of the back office: password, second factor, enrolment, a link to choose a password, and one's own sign-in
afterwards.

Between a right password and the second factor nobody is signed in: an anonymous session remembers for a while whom it
waits for (`Pending`). Who has no factor yet enrols one there, before any other page.
"""

import time
from typing import Any, NamedTuple, cast

import segno
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN, LoginView, PasswordResetConfirmView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from unfold.forms import AuthenticationForm

from core.admin.dialogs import told
from core.errors import TekanaError
from staff import letters, second_factor, services
from staff.errors import FactorGone
from staff.models import Passkey, Totp, User
from staff.second_factor import factors_of
from staff.step_up import StepUp, first_prove

PENDING_SECONDS = 10 * 60  # from the password to the second factor, or to having enrolled one


class SignInForm(AuthenticationForm):
    """Asks `services.check_password`, which counts attempts and records them."""

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if username and password:
            try:
                self.user_cache = services.check_password(self.request, username, password)
            except TekanaError as refusal:
                raise ValidationError(refusal.detail, code=refusal.code) from refusal
        return self.cleaned_data


class SignInView(LoginView):
    authentication_form = SignInForm
    template_name = "admin/login.html"

    def form_valid(self, form: Any) -> HttpResponse:
        user, onward = cast(User, form.get_user()), self.get_success_url()
        self.request.session.flush()
        pending = Pending(user.pk, user.get_session_auth_hash(), int(time.time()), onward)
        self.request.session["pending"] = pending._asdict()
        return HttpResponseRedirect(reverse("admin:second_factor"))


class Pending(NamedTuple):
    """Who gave the right password and nothing more yet, and where they wanted to go."""

    user: int
    auth_hash: str
    since: int
    onward: str


def pending(request: HttpRequest) -> tuple[User, Pending] | None:
    """Whom this session waits for; None when for nobody, for too long, or when their password or access has changed."""
    if not (kept := request.session.get("pending")):
        return None
    found = Pending(**kept)
    user = User.objects.filter(pk=found.user, is_active=True).first()
    if user is None or time.time() - found.since > PENDING_SECONDS:
        return None
    return (user, found) if constant_time_compare(found.auth_hash, user.get_session_auth_hash()) else None


def enter(request: HttpRequest, user: User, *, second: str) -> None:
    """Signed in, in a session of its own: whatever key the browser came with is worth nothing from here on."""
    request.session.flush()
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    request.session["second_factor"] = second


def page(request: HttpRequest, name: str, title: str, **context: Any) -> TemplateResponse:
    """Before one is signed in: without menu."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"admin/staff/{name}.html", context)


def to_sign_in() -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:login"))


@never_cache
def prove_second_factor(request: HttpRequest) -> HttpResponse:
    """After the password: the code of the app, a passkey, or a recovery code."""
    if (waits := pending(request)) is None:
        return to_sign_in()
    user, kept = waits
    have, error = factors_of(user), ""
    if not have.is_enrolled:
        return HttpResponseRedirect(reverse("admin:enrol"))
    if request.method == "POST":
        try:
            how = second_factor.check(user, request.POST, request, action="sign_in")
        except TekanaError as refusal:
            error = told(refusal)
        else:
            enter(request, user, second=how)
            if how == "recovery code":
                messages.warning(request, f"That recovery code is spent; {have.codes_left - 1} are left.")
            return HttpResponseRedirect(kept.onward)
    shown = {
        "error": error, "have": have, "options": second_factor.options_to_prove(user, request),
        "demo": settings.ENVIRONMENT == "demo", "role": user.role,
    }  # fmt: skip
    return page(request, "second_factor", "Second factor", **shown)


@never_cache
def enrol(request: HttpRequest) -> HttpResponse:
    """Who has the right password and no second factor yet takes one into use, and gets recovery codes."""
    if (waits := pending(request)) is None:
        return to_sign_in()
    user, kept = waits
    if factors_of(user).is_enrolled:
        return HttpResponseRedirect(reverse("admin:second_factor"))
    error = ""
    if request.method == "POST":
        try:
            how = enrolled(request, user)
        except TekanaError as refusal:
            error = told(refusal)
        else:
            codes = second_factor.new_recovery_codes(user)
            services.record_sign_in(user, f"password, {how} just enrolled")
            enter(request, user, second=how)
            return page(request, "recovery_codes", "Recovery codes", codes=codes, onward=kept.onward)
    return page(request, "enrol", "Set up your second factor", error=error, **offer(request, user))


def offer(request: HttpRequest, user: User) -> dict[str, Any]:
    """What the pages that enrol something show: the QR code of a secret that waits, and the options of a passkey."""
    secret = waiting_secret(request, user)
    uri = second_factor.address_of(secret, user)
    return {
        "qr": segno.make(uri, error="m").svg_data_uri(scale=5, border=2, light="#fff"),
        "secret": spaced(uri.partition("secret=")[2].partition("&")[0]),
        "options": second_factor.options_to_enrol(user, request),
    }


def waiting_secret(request: HttpRequest, user: User) -> bytes:
    """The secret on offer in this session, sealed there too; the same until it is taken into use."""
    if not (kept := request.session.get("offered_secret")):
        kept = request.session["offered_secret"] = second_factor.seal(second_factor.new_secret(), user).hex()
    return second_factor.unseal(bytes.fromhex(kept), user)


def enrolled(request: HttpRequest, user: User) -> str:
    """Take into use what was sent: a passkey, or the app on offer; which it was. Raises: what enrolling refuses."""
    if answer := request.POST.get("proof_passkey", ""):
        second_factor.enrol_passkey(user, answer, request.POST.get("name", ""), request)
        return "passkey"
    second_factor.enrol_app(user, waiting_secret(request, user), request.POST.get("code", ""))
    request.session.pop("offered_secret", None)
    return "app"


class NewPasswordView(PasswordResetConfirmView):
    """Where the link to choose a password leads. The link alone is not enough for who has a second factor."""

    form_class = SetPasswordForm  # type: ignore[assignment]
    template_name = "admin/staff/new_password.html"
    token_generator = letters.link_token
    title = "Choose your password"

    def get_user(self, uidb64: str) -> User | None:
        found = super().get_user(uidb64)
        return found if isinstance(found, User) and found.is_active else None

    def form_valid(self, form: Any) -> HttpResponse:
        user, session = cast(User, self.user), self.request.session
        try:
            if factors_of(user).is_enrolled:
                second_factor.check(user, self.request.POST, self.request, action="prove_at_link")
            services.choose_password(user, session[INTERNAL_RESET_SESSION_TOKEN], form.cleaned_data["new_password1"])
        except TekanaError as refusal:
            form.add_error(None, told(refusal))
            return self.form_invalid(form)
        session.flush()
        messages.success(self.request, "Your password is set. Sign in with it.")
        return to_sign_in()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = {**admin.site.each_context(self.request), **super().get_context_data(**kwargs)}
        if not self.validlink:
            return context | {"title": "This link does not work any more"}
        user = cast(User, self.user)
        have = factors_of(user)
        options = second_factor.options_to_prove(user, self.request) if have.passkeys else ""
        return context | {"title": self.title, "have": have, "options": options, "username": user.username}


def spaced(text: str) -> str:
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


# --- Signed in -------------------------------------------------------------------------------------------------------


def prove(request: HttpRequest) -> HttpResponse:
    """Where a file that is fetched by a link, or a page, asks first who it is for."""
    gate = StepUp(request)
    asked = (request.POST if request.method == "POST" else request.GET).get("next", "")
    onward = asked if url_has_allowed_host_and_scheme(asked, None) else reverse("admin:index")
    if not gate.is_needed or (request.method == "POST" and gate.passed()):
        return HttpResponseRedirect(onward)
    context = {**admin.site.each_context(request), "title": "Prove that it is you", "gate": gate, "next": onward}
    return TemplateResponse(request, "admin/staff/prove.html", context)


def security(request: HttpRequest) -> HttpResponse:
    """One's own second factor: what is enrolled, another passkey, another app, new recovery codes."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    if (first := first_prove(request)) is not None:
        return first
    user, error = cast(User, request.user), ""
    if request.method == "POST":
        try:
            if (question := asked_first(request, user)) is not None:
                context = {**admin.site.each_context(request), **question}
                return TemplateResponse(request, "admin/staff/security_asked.html", context)
            if codes := changed(request, user):
                here = reverse("admin:staff_security")
                return page(request, "recovery_codes", "Recovery codes", codes=codes, onward=here)
            return HttpResponseRedirect(reverse("admin:staff_security"))
        except TekanaError as refusal:
            error = told(refusal)
    context = {
        **admin.site.each_context(request), "title": "Second factor", "error": error, "have": factors_of(user),
        **offer(request, user),
    }  # fmt: skip
    return TemplateResponse(request, "admin/staff/security.html", context)


def asked_first(request: HttpRequest, user: User) -> dict[str, Any] | None:
    """What is asked before something is taken away for good; None where nothing is, or the answer was yes.

    Raises: FactorGone.
    """
    if request.POST.get("sure") == "yes":
        return None
    match request.POST.get("do"):
        case "codes":
            left = factors_of(user).codes_left
            return {
                "title": "Make new recovery codes?", "do": "codes", "submit": "Make new ones",
                "text": f"The {left} that are left stop working at once. You get ten new ones, shown once.",
            }  # fmt: skip
        case "remove":
            key = factor if isinstance(factor := meant(request, user), Passkey) else None
            return {
                "title": f"Remove the passkey {key.name}?" if key else "Remove the app?", "do": "remove",
                "passkey": key and key.pk, "submit": "Remove",
                "text": "It does not sign you in any more. To use it again, you enrol it anew.",
            }  # fmt: skip
    return None


def meant(request: HttpRequest, user: User) -> Totp | Passkey:
    """What Remove is about: the passkey that is named, or the app where none is. Raises: FactorGone."""
    factor: Totp | Passkey | None
    if (named := request.POST.get("passkey")) is None:
        factor = Totp.objects.filter(user=user).first()
    else:
        factor = next((one for one in user.passkeys.all() if str(one.pk) == named), None)
    if factor is None:
        raise FactorGone()
    return factor


def changed(request: HttpRequest, user: User) -> list[str]:
    """Do what the page asked for; recovery codes where there are new ones. Raises: what it refuses."""
    match request.POST.get("do"):
        case "codes":
            return second_factor.new_recovery_codes(user)
        case "remove":
            second_factor.remove(user, meant(request, user))
            messages.success(request, "Removed.")
        case "enrol":
            first = not factors_of(user).is_enrolled
            how = enrolled(request, user)
            messages.success(request, "The passkey is enrolled." if how == "passkey" else "The app is enrolled.")
            if first:
                return second_factor.new_recovery_codes(user)
    return []
