"""Who moves money, prices or rights proves anew who they are. What counts as proof ``settings.STEP_UP`` says: staff are
nothing that this app knows."""

from typing import Protocol

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string


class Gate(Protocol):
    """Made for one request. ``template`` asks for the proof inside the form of the dialog and reads ``gate``."""

    template: str

    @property
    def is_needed(self) -> bool:
        """Whether the last proof is too old, or there is none."""

    def passed(self) -> bool:
        """Whether none is needed, or what was sent along is one; if not, the template then says why."""


def gate_for(request: HttpRequest) -> Gate:
    made: Gate = import_string(settings.STEP_UP)(request)
    return made
