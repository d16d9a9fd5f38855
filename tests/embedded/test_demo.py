"""`make demo`, from nothing to ready and through every way of ending it. One demo for the whole file."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tekana.embedded.folders import ROOT, free_port
from tests.embedded.checkouts import Checkout, clean_environment, new_checkout, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Demo:
    """A demo that runs in a checkout, and what it has printed so far."""

    def __init__(self, checkout: Checkout, port: int) -> None:
        self.checkout, self.port, self.lines = checkout, port, []  # type: Checkout, int, list[str]
        self.launcher = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        launcher = self.checkout.start("demo", "--port", str(self.port))
        threading.Thread(target=lambda: self.lines.extend(iter(launcher.stdout.readline, "")), daemon=True).start()
        return launcher

    def again(self) -> None:
        self.lines = []
        self.launcher = self._start()
        self.wait_until_ready()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_until_ready(self) -> None:
        until(lambda: "Stop: Ctrl-C" in self.output or self.launcher.poll() is not None, 150)
        assert "\nready" in self.output, self.output
        assert self.get("/readyz")[0] == 200

    def post(self, path: str, body: dict[str, str]) -> int:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def get(self, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except OSError as error:
            return getattr(error, "code", 0), None

    def logins(self) -> list[dict[str, str]]:
        return list(json.loads((self.checkout.var / "demo" / "logins.json").read_text()))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    checkout = new_checkout(tmp_path_factory.mktemp("demo"), whole=True)
    running = Demo(checkout, free_port())
    try:
        running.wait_until_ready()
        yield running
    finally:
        checkout.close()


def test_the_first_start_says_what_a_visitor_needs(demo: Demo) -> None:
    logins = demo.checkout.var / "demo" / "logins.json"

    kept = json.loads(logins.read_text())

    assert stat.S_IMODE(logins.stat().st_mode) == 0o600
    assert {"support", "finance", "administrator", "customer"} <= {login["role"] for login in kept}
    assert sum(login["role"] == "customer" for login in kept) == 2
    for login in kept:
        assert login["username"] in demo.output and login["password"] in demo.output
        assert ("totp_secret" in login) == (login["role"] != "customer")
        assert login.get("totp_secret", "") in demo.output
    for path in ("/admin/login/", "/api/docs", "/api/schema"):
        assert demo.get(path)[0] == 200, path


def test_staff_sign_in_with_password_and_the_code_that_a_command_prints(demo: Demo) -> None:
    login = next(one for one in demo.logins() if one["role"] == "support")
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    base = f"http://127.0.0.1:{demo.port}"

    def send(path: str, **fields: str) -> tuple[str, str]:
        page = browser.open(base + path, timeout=10).read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, page
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode()
        answer = browser.open(urllib.request.Request(base + path, body, {"Referer": base}), timeout=10)
        return answer.url, answer.read().decode()

    where, page = send("/admin/login/", username=login["username"], password=login["password"])
    assert where == f"{base}/admin/second-factor/" and "make code ROLE=support" in page
    printed = demo.checkout("code", "support")
    where, page = send("/admin/second-factor/", proof_code=printed.stdout.split()[0])

    assert where == f"{base}/admin/" and "Dashboard" in page
    listed = {line.split()[0] for line in demo.checkout("code").stdout.splitlines()}
    assert listed >= {one["role"] for one in demo.logins() if one["role"] != "customer"}
    assert "No 'boss' among the demo's logins" in demo.checkout("code", "boss").stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_three_lines_work_as_pasted(demo: Demo) -> None:
    lines = [line for line in demo.output.splitlines() if line.startswith(("TOKEN=", "curl "))]
    assert len(lines) == 3

    pasted = subprocess.run(["sh"], input="\necho\n".join(lines), capture_output=True, text=True, timeout=60)

    wallets, transfer = (json.loads(line) for line in pasted.stdout.splitlines() if line)
    assert wallets["data"][0]["wallet_id"]
    assert transfer["status"] == "completed", transfer
    assert transfer["receipt"]


def test_a_registration_that_fails_leaves_no_trace_of_the_customer(demo: Demo) -> None:
    person = {
        "full_name": "Aline Mukamana", "email": "aline.twice@example.com", "phone_number": "+250788765432",
        "country": "RW", "account_type": "individual", "password": "correct horse battery staple",
    }  # fmt: skip
    statuses = [demo.post("/v1/auth/register", body) for body in (person, person | {"email": "other@example.com"})]

    assert statuses == [201, 409]
    for log in (demo.checkout.var / "demo/logs").iterdir():
        assert not [word for word in ("788765432", "aline.twice", "argon2") if word in log.read_text()], log
    for log in ("worker", "rails", "beat", "web"):
        lines = (demo.checkout.var / f"demo/logs/{log}.log").read_text()
        assert all(json.loads(line) for line in lines[lines.index("{") :].splitlines()), log


def test_what_has_names_in_it_is_readable_by_us_alone(demo: Demo) -> None:
    folder = demo.checkout.var / "demo"
    assert until(lambda: list((folder / "mail").iterdir()))

    for kept in (folder / "mail", folder / "exports"):
        assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    for file in [*(folder / "mail").iterdir(), *(folder / "logs").iterdir(), folder / "sandbox-bank.jsonl"]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_another_terminal_works_on_the_same_books(demo: Demo) -> None:
    checkout = demo.checkout
    env = checkout.var / "demo" / "env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600

    proof = subprocess.run(
        [checkout.interpreter, "manage.py", "verify_ledger"],
        cwd=checkout.path, env=clean_environment(), capture_output=True, text=True,
    )  # fmt: skip

    assert proof.returncode == 0, proof.stdout + proof.stderr


def test_a_second_demo_is_told_about_the_first(demo: Demo) -> None:
    second = demo.checkout("demo", "--port", str(free_port()))

    assert second.returncode == 1
    assert f"The demo runs already, at http://127.0.0.1:{demo.port}" in second.stdout


@pytest.mark.parametrize("name", ["worker", "rails", "web", "postgres", "valkey"])
def test_what_dies_is_started_again(demo: Demo, name: str) -> None:
    before = demo.checkout.pid(name, "demo")

    os.kill(before, signal.SIGKILL)

    assert until(lambda: f"{name} died and is started again" in demo.output)
    assert until(lambda: demo.checkout.pid(name, "demo") not in (0, before) and demo.get("/readyz")[0] == 200)
    assert demo.launcher.poll() is None


def test_ctrl_c_ends_all_and_the_next_start_keeps_the_data(demo: Demo) -> None:
    logins = (demo.checkout.var / "demo/logins.json").read_text()

    demo.launcher.send_signal(signal.SIGINT)

    assert demo.launcher.wait(60) == 0
    assert demo.checkout.processes() == []
    demo.again()
    assert "Migrating" not in demo.output and "pilot data" not in demo.output
    assert (demo.checkout.var / "demo/logins.json").read_text() == logins


def test_a_demo_whose_launcher_was_killed_is_ended_by_stop(demo: Demo) -> None:
    demo.launcher.kill()
    demo.launcher.wait()
    assert demo.get("/healthz")[0] == 200

    stopped = demo.checkout("stop")

    assert stopped.returncode == 0
    assert {"web", "worker", "rails", "beat", "rail", "postgres", "valkey"} <= set(
        stopped.stdout.strip(".\n").split(": ")[1].split(", ")
    )
    assert demo.checkout.processes() == [] and demo.get("/healthz")[0] == 0


def test_a_demo_without_a_terminal_is_ended_by_stop_and_the_next_cleans_up_after_a_killed_one(demo: Demo) -> None:
    demo.again()
    demo.launcher.kill()
    demo.launcher.wait()
    demo.again()
    assert "Ended what an earlier demo left behind" in demo.output

    stopped = demo.checkout("stop")

    assert "the demo" in stopped.stdout
    assert demo.launcher.wait(60) == 0
    assert demo.checkout.processes() == []


def test_a_taken_port_is_named_and_another_proposed(shared_checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = shared_checkout("demo", "--port", str(port))

    assert refused.returncode == 1
    assert f"Port {port} is taken" in refused.stdout and "make demo PORT=" in refused.stdout
    assert shared_checkout.processes() == []


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", ""])
def test_what_is_no_port_is_refused(shared_checkout: Checkout, port: str) -> None:
    refused = shared_checkout("demo", f"--port={port}")

    assert refused.returncode == 1 and "is no port" in refused.stdout


def test_a_part_that_keeps_dying_stops_everything_with_the_end_of_its_log(shared_checkout: Checkout) -> None:
    """In this checkout there is no Django project, so the first `manage.py` cannot run."""
    refused = shared_checkout("demo", "--port", str(free_port()))

    assert refused.returncode == 1
    assert "`manage.py migrate` failed" in refused.stdout and "can't open file" in refused.stdout
    assert "Traceback" not in refused.stdout and shared_checkout.processes() == []


def test_the_makefile_says_what_it_can_do() -> None:
    shown = subprocess.run(["make"], capture_output=True, text=True, cwd=ROOT, env=clean_environment())

    assert shown.returncode == 0
    for target in ("demo", "test", "check", "bench", "stop", "reset", "lock"):
        assert f"make {target} " in shown.stdout
