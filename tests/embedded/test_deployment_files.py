"""Files for people who run Tekana without the launcher say the same as the code."""

import re
from pathlib import Path
from typing import Any

import yaml

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


def test_only_the_migration_has_the_owners_password() -> None:
    holders = {name for name, service in compose()["services"].items() if "OWNER_PASSWORD" in str(service)}

    assert holders == {"postgres", "migrate"}


def test_the_image_holds_every_app() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    apps = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}

    assert apps <= allowed
