"""Files for people who run Tekana without the launcher say the same as the code."""

import re
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from tekana.embedded.demo import parts
from tekana.embedded.folders import DataFolder

ROOT = Path(__file__).parents[2]
SETTINGS = set(re.findall(r'\benv\.\w+\(\s*"([A-Z_0-9]+)"', (ROOT / "tekana/settings.py").read_text()))
EXAMPLE = set(re.findall(r"^# ([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.M))
FOR_COMPOSE = {"OWNER_PASSWORD", "APP_PASSWORD", "VALKEY_PASSWORD", "PORT"}


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def test_the_example_names_every_setting_and_no_other() -> None:
    assert SETTINGS | FOR_COMPOSE == EXAMPLE


def test_the_example_sets_nothing_until_somebody_does() -> None:
    assert not re.findall(r"^\s*[^#\s]", (ROOT / ".env.example").read_text(), re.M)


def test_compose_gives_settings_that_exist() -> None:
    for name, service in compose()["services"].items():
        if service.get("image") == "tekana":
            assert set(service["environment"]) <= SETTINGS, name


def test_compose_runs_commands_that_exist() -> None:
    services = compose()["services"]

    for name in ("migrate", "rail", "seed"):
        command = services[name]["command"].split()[2]
        assert list(ROOT.glob(f"*/management/commands/{command}.py")), command


def test_every_way_of_running_serves_every_queue() -> None:
    """Compose, the launcher and the operator's table: a queue that nobody serves stands still in silence."""
    queues = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {"celery"}
    composed = [str(service.get("command", "")) for service in compose()["services"].values()]
    launched = [" ".join(part.command) for part in parts(8000, None, DataFolder("test"))]
    told = re.findall(r"`(celery .*?)`", (ROOT / "docs/operator.md").read_text())

    for commands in (composed, launched, told):
        workers = [command for command in commands if " worker " in command]
        assert {re.findall(r"-Q (\S+)", command)[0] for command in workers} == queues, workers


def test_only_the_migration_has_the_owners_password() -> None:
    holders = {name for name, service in compose()["services"].items() if "OWNER_PASSWORD" in str(service)}

    assert holders == {"postgres", "migrate"}


def test_the_image_holds_every_app() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    apps = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}

    assert apps <= allowed
