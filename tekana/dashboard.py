"""The first page of the back office: the figures of `reports`, and how the hash chain stands."""

from typing import Any

from django.http import HttpRequest

import evidence.admin
import reports.dashboard
from core.admin.pages import may


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's hook."""
    shown = reports.dashboard.dashboard(request, context)
    if may(request, "evidence.view_check"):
        shown["urgent_panels"].append(evidence.admin.dashboard_panel())
    return shown
