"""Questions about staff."""

from collections.abc import Mapping
from typing import Any

from staff.models import User
from staff.roles import Role


def names() -> dict[str, str]:
    """Every member of staff, past ones too, by the principal that trails name (``staff:3``). Staff are few."""
    return {
        f"staff:{pk}": f"{full_name or username} ({Role(role).label.lower()})"
        for pk, username, full_name, role in User.objects.values_list("pk", "username", "full_name", "role")
    }


def named(actor: str, staff: Mapping[str, str]) -> Any:
    """An actor of a trail in words: a colleague's name and role, ``Customer``, ``System``, or as it is written."""
    if actor in staff:
        return staff[actor]
    kind, _, identity = actor.partition(":")
    if kind == "customer":
        return "Customer"
    if kind in ("system", ""):
        return "System"
    return f"{kind.capitalize()} {identity.replace('_', ' ')}".strip()
