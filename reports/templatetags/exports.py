"""The button on every list that exports it as it is filtered now."""

from typing import Any

from django import template

register = template.Library()


@register.inclusion_tag("admin/reports/export_button.html", takes_context=True)
def export_button(context: dict[str, Any], cl: Any) -> dict[str, Any]:
    """Nothing for who may not, or where a list is not exported."""
    # Django reads this module while Unfold's own classes, from which lists are made, are half there.
    from reports.lists import list_of
    from reports.selectors import PERMISSION

    request = context["request"]
    of = list_of(cl.model) if request.user.has_perm(PERMISSION) else None
    offered = of is not None and request.user.has_perm(of.permission)
    return {"list": of.name if of and offered else "", "query": request.GET.urlencode()}
