"""Banks, mobile money and card networks behind one interface: ``base.py`` is it, one module per rail implements it.

Which rails there are is a setting: ``RAILS = {"sandbox": {"client": "transactions.rails.sandbox.SandboxRail", …}}``.
"""

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from transactions.rails.base import Rail, RailNotFound


def rail(name: str) -> Rail:
    """The rail of that name, built once per process from its settings. Raises: RailNotFound."""
    if name not in settings.RAILS:
        raise RailNotFound(rail=name[:40])
    return _build(name, tuple(settings.RAILS[name].items()))


@cache
def _build(name: str, options: tuple[tuple[str, Any], ...]) -> Rail:
    arguments = dict(options)
    return import_string(arguments.pop("client"))(name=name, **arguments)
