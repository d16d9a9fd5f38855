"""Worlds that stand while one test after the other looks at them: ``@standing`` instead of ``@pytest.fixture``.

What the function makes is made once, in a transaction that stays open; every test gets a copy of what it returned, and
a savepoint of its own for whatever it does. Its arguments are other standing worlds, on top of which it is built. Each
is taken down before a test that does not ask for it. A test that commits has its worlds built for itself.
"""

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.transaction import Atomic
from django.test import override_settings
from pytest_django.plugin import blocking_manager_key

import fx.selectors
from transactions import tariff

Build = Callable[..., Any]


@dataclass
class Level:
    """``values``: by name, of this world and those below it, as they were when it had been built."""

    build: Build
    atomic: Atomic
    values: dict[str, Any]


stood: list[Level] = []
COPIES = pytest.StashKey[dict[str, Any]]()


def standing(build: Build) -> Any:
    name, below = build.__name__, list(inspect.signature(build).parameters)

    def given(request: pytest.FixtureRequest, db: None, **values: Any) -> Any:
        levels = dict(wanted(request.node))
        if name not in levels or levels[name] is not build or [one.build for one in stood] != list(levels.values()):
            return build(**values)
        if COPIES not in request.node.stash:
            request.node.stash[COPIES] = copy.deepcopy(stood[-1].values)
        return request.node.stash[COPIES][name]

    # By name, so that pytest knows of those below where a test names only the one on top.
    asked = [inspect.Parameter(one, inspect.Parameter.KEYWORD_ONLY) for one in ("request", "db", *below)]
    given.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined]
    given.__name__, given.__doc__, given.__module__ = name, build.__doc__, build.__module__
    given.build = build  # type: ignore[attr-defined]
    return pytest.fixture(given)


def commits(item: Any) -> bool:
    marker = item.get_closest_marker("django_db")
    asked = {"transactional_db", "live_server"} & {*getattr(item, "fixturenames", ())}
    return bool(asked or (marker and marker.kwargs.get("transaction")))


def wanted(item: Any) -> list[tuple[str, Build]]:
    """Which standing worlds this test asks for, each above those that it is built on."""
    found: dict[str, Build] = {}

    def add(name: str) -> bool:
        definitions = item._fixtureinfo.name2fixturedefs.get(name)
        build = getattr(definitions[-1].func, "build", None) if definitions else None
        if build is None or not all(add(one) for one in inspect.signature(build).parameters):
            return False
        found[name] = build
        return True

    for name in getattr(item, "fixturenames", ()) if not commits(item) else ():
        add(name)
    return list(found.items())


# Files that take longest, which begin first, so that in the end no worker is busy with one while the others wait.
LONGEST = [
    "api/test_fuzz.py",
    "admin/test_masking.py",
    "admin/test_matrix.py",
    "admin/test_roles.py",
    "admin/test_absurd.py",
    "reports/test_run_export.py",
    "journeys/test_second_factor_browser.py",
    "embedded/test_demo.py",
    "embedded/test_servers.py",
    "admin/test_scale.py",
    "transactions/test_model.py",
    "journeys/test_admin_browser.py",
    "embedded/test_bootstrap.py",
    "journeys/test_export_browser.py",
    "lessons/test_money.py",
    "viewings/test_read_only.py",
    "embedded/test_seed_demo.py",
    "evidence/test_files.py",
    "schedules/test_races.py",
    "reports/test_every_list.py",
    "admin/test_failed_jobs.py",
    "made_data/test_loading.py",
    "transactions/test_rail_calls.py",
    "transactions/test_replay.py",
    "journeys/test_fx_browser.py",
    "journeys/test_receivable_browser.py",
]


def together(items: list[Any]) -> None:
    """The longest files first; tests of one file that want the same worlds one after the other."""
    places = {name: place for place, name in enumerate(LONGEST)}
    order: dict[int, Any] = {}
    run, previous = 0, None
    for item in items:  # pytest-django has put those that commit behind the others
        kind = (item.path, commits(item))
        run += kind != previous
        previous = kind
        name = f"{item.path.parent.name}/{item.path.name}"
        order[id(item)] = (places.get(name, len(places)), run, [name for name, _ in wanted(item)])
    items.sort(key=lambda item: order[id(item)])


def keep_for(item: Any) -> None:
    """Take down what this test does not want; before any of its fixtures."""
    builds = [build for _, build in wanted(item)]
    if stood and (connection.closed_in_transaction or connection.needs_rollback):
        take_down(0)
    same = 0
    while same < min(len(stood), len(builds)) and stood[same].build is builds[same]:
        same += 1
    take_down(same)


def build_for(item: Any) -> None:
    """Build what this test wants and does not stand yet; before the savepoint of the test."""
    for name, build in wanted(item)[len(stood) :]:
        values = copy.deepcopy(stood[-1].values) if stood else {}
        atomic = Atomic(using=connection.alias, savepoint=True, durable=False)
        atomic._from_testcase = True  # what insists on being outermost finds only transactions of tests around it
        atomic.__enter__()
        stood.append(Level(build, atomic, values))
        try:
            with override_settings(VALKEY_PREFIX=f"test:{uuid4().hex}:"):
                values[name] = build(*(values[one] for one in inspect.signature(build).parameters))
        except BaseException:
            take_down(len(stood) - 1)
            raise
        forget()


def take_down(keep: int) -> None:
    while len(stood) > keep:
        level = stood.pop()
        connection.set_rollback(True)
        level.atomic.__exit__(None, None, None)
        forget()


def forget() -> None:
    """What a process remembers of rows that are gone."""
    tariff.forget()
    fx.selectors.forget()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    together(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: Any) -> None:
    if stood:
        with item.config.stash[blocking_manager_key].unblock():
            keep_for(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[Any]:
    if fixturedef.argname == "_django_db_helper":  # pytest-django is about to begin what it rolls back in the end
        forget()  # fees that the test before entered, and rolled back
        with request.config.stash[blocking_manager_key].unblock():
            build_for(request.node)
    return (yield)
