"""The proof that who sits there is still who signed in, asked for where the last is too old (`core/admin/step_up.py`).

The second factor. Signing in counts too, for STAFF_STEP_UP_MINUTES. A proof gives the session a new key.
"""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property

from core.admin.dialogs import told
from core.errors import TekanaError
from staff import second_factor


class StepUp:
    template = "admin/staff/proof.html"

    def __init__(self, request: HttpRequest) -> None:
        self.request: Any = request
        self.error = ""

    @property
    def is_needed(self) -> bool:
        return not self.request.session.is_fresh

    @cached_property
    def options(self) -> str:
        """For a passkey; empty where they have none."""
        return second_factor.options_to_prove(self.request.user, self.request)

    @property
    def minutes(self) -> int:
        return int(settings.STAFF_STEP_UP_MINUTES)

    def passed(self) -> bool:
        if not self.is_needed:
            return True
        try:
            second_factor.check(self.request.user, self.request.POST, self.request, action="step_up")
        except TekanaError as refusal:
            self.error = told(refusal)
            return False
        self.request.session.prove()
        return True


def first_prove(request: HttpRequest) -> HttpResponse | None:
    """For files and the like, which are fetched by a link: where to prove it first, or None when that was done."""
    if not StepUp(request).is_needed:
        return None
    query = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('admin:staff_prove')}?{query}")
