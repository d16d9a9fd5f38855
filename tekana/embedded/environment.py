"""The settings that the launcher gives to what it runs; names as in `.env.example`."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from tekana.embedded.folders import ROOT, DataFolder, environment_file
from tekana.embedded.processes import write_whole
from tekana.embedded.servers import Urls, servers_of

TEST_RUNS_AT_ONCE = 8


@contextmanager
def of_run(folder: DataFolder) -> Iterator[dict[str, str]]:
    """The whole environment for one command on ``folder``'s servers, which run within the block.

    `var/demo` gives a command what the demo has. Other folders are sealed off from it: VAR_DIR is the folder, and test
    runs at the same time get a test database and a Valkey database each.
    """
    given = with_env_file(os.environ) if folder.name == "demo" else dict(os.environ)
    with ExitStack() as stack:
        urls = stack.enter_context(servers_of(folder, given).held())
        if folder.name == "demo":
            yield given | urls | {k: v for k, v in of_demo(folder, given, urls).items() if k not in given}
            return
        settings = {"SECRET_KEY": folder.secret("SECRET_KEY", 64), "VAR_DIR": str(folder.path), "HTTPS": "false"}
        number = _free_slot(folder, stack)
        if number > 1:
            settings |= {"TEST_DB": f"tekana_{number}", "VAR_DIR": f"{folder.path}/{number}"}
        if "REDIS_URL" not in given:
            urls["REDIS_URL"] = urlsplit(urls["REDIS_URL"])._replace(path=f"/{number - 1}").geturl()
        yield settings | given | urls


def _free_slot(folder: DataFolder, stack: ExitStack) -> int:
    """A number from 1 up that no other run on this folder has."""
    for number in range(1, TEST_RUNS_AT_ONCE):
        lock = folder.take(f"run-{number}", wait=False)
        if lock:
            stack.enter_context(lock)
            return number
    lock = folder.take(f"run-{TEST_RUNS_AT_ONCE}", waiting=f"{TEST_RUNS_AT_ONCE} runs on {folder.path}; waiting.")
    assert lock is not None
    stack.enter_context(lock)
    return TEST_RUNS_AT_ONCE


def with_env_file(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, and under it what `.env` sets; the demo takes servers and secrets from both."""
    return environment_file(ROOT / ".env") | dict(environ)


def of_demo(folder: DataFolder, given: Mapping[str, str], urls: Urls, port: int | None = None) -> dict[str, str]:
    """The demo's settings. What the environment or `.env` gives takes precedence, but for the servers' URLs.

    Args:
        port: of the web server; None keeps the last one.
    """
    if port is None:
        port = urlsplit(environment_file(folder.path / "env").get("PUBLIC_URL", "")).port or 8000
    ours = {
        "SECRET_KEY": folder.secret("SECRET_KEY", 64),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "ENVIRONMENT": "demo",
        "HTTPS": "false",  # plain HTTP on loopback; cookies would not be sent otherwise
        "RAIL_SANDBOX_URL": f"http://127.0.0.1:{folder.port('rail')}",
        "RAIL_SANDBOX_CALLBACK_URL": f"http://127.0.0.1:{port}/v1/rails/sandbox/callbacks",
        "RAIL_SANDBOX_SECRET": folder.secret("RAIL_SANDBOX_SECRET"),
        "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "EMAIL_FILE_PATH": str(folder.path / "mail"),
        "EXPORTS_DIR": str(folder.path / "exports"),
    }
    return {name: given.get(name) or value for name, value in ours.items()} | urls


def without_proxy(given: Mapping[str, str]) -> dict[str, str]:
    """So that a proxy in the environment is not asked for what is on this machine, such as the sandbox bank."""
    here = "127.0.0.1,localhost"
    return {name: f"{given[name]},{here}" if given.get(name) else here for name in ("no_proxy", "NO_PROXY")}


def write_env(folder: DataFolder, settings: Mapping[str, str]) -> None:
    """`var/demo/env`, which settings.py reads, so that `manage.py` works on the demo from another terminal."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in settings.items()]
    write_whole(folder.path / "env", "".join(lines))
