"""The sandbox bank and its client, over real HTTP; no database."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from core.errors import BadRequest
from tests.fakes.bank import NOWHERE, SECRET, rail_settings, running_bank
from transactions.rails import rail
from transactions.rails.base import (
    Accepted,
    Callback,
    Completed,
    Failed,
    InProgress,
    Instruction,
    InvalidSignature,
    NoAnswer,
    NotKnown,
    Operation,
    RailNotFound,
    Refused,
    UnreadableMessage,
)
from transactions.rails.sandbox import SandboxRail
from transactions.rails.sandbox_server import MAGIC
from transactions.rails.signing import Signer


@pytest.fixture
def bank(tmp_path):
    with running_bank(tmp_path / "bank.jsonl") as bank:
        yield bank


@pytest.fixture
def client(bank):
    return SandboxRail(name="sandbox", url=bank.url, secret=SECRET, callback_url=NOWHERE, timeout_seconds=0.4)


def pay(amount_minor, reference=None):
    return Instruction(reference or str(uuid4()), Operation.PAY, amount_minor, "KES", {"account_number": "0123"})


def eventually(said, client, reference, seconds=3.0):
    """Ask until the bank says ``said``, or for so long."""
    deadline = time.monotonic() + seconds
    while (answer := client.inquire(reference)) != said and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


def test_an_instruction_is_taken_on_then_carried_out(client, bank):
    order = pay(5000)

    taken = client.submit(order)

    assert isinstance(taken, Accepted)
    done = Completed(taken.rail_reference, 5000, "KES")
    assert eventually(done, client, order.reference) == done
    assert bank.executed("pay", "KES") == 5000


def test_the_same_reference_is_carried_out_once_and_another_body_is_no_answer(client, bank):
    order = pay(5000)

    first, second = client.submit(order), client.submit(order)

    assert first == second
    with pytest.raises(NoAnswer, match="409"):
        client.submit(pay(5001, order.reference))
    eventually(Completed(first.rail_reference, 5000, "KES"), client, order.reference)
    assert bank.executed("pay", "KES") == 5000


@pytest.mark.parametrize(
    ("amount", "answer", "later"),
    [
        (1901, Refused, NotKnown()),
        (1902, Accepted, Failed),
        (1903, Accepted, InProgress),
        (1904, NoAnswer, Completed),
        (1905, NoAnswer, NotKnown()),
        (1906, Accepted, Completed),
        (1907, Accepted, Completed),
        (1908, Accepted, Completed),
        (1909, Accepted, Completed),
    ],
)
def test_a_magic_amount_misbehaves_as_it_says(client, amount, answer, later):
    order = pay(amount)

    if answer is NoAnswer:
        with pytest.raises(NoAnswer):
            client.submit(order)
    else:
        assert isinstance(client.submit(order), answer)

    time.sleep(0.2)
    found = client.inquire(order.reference)
    assert found == later or isinstance(found, later if isinstance(later, type) else type(later))
    if amount == 1908:
        assert found.amount_minor == 1909


def test_the_bank_explains_its_magic_amounts(bank):
    page = urllib.request.urlopen(bank.url).read().decode()

    assert all(str(amount) in page for amount in MAGIC)


def test_the_bank_remembers_after_a_restart_even_with_a_torn_last_line(tmp_path):
    data, order = tmp_path / "bank.jsonl", pay(5000)
    with running_bank(data) as bank:
        client = SandboxRail(name="s", url=bank.url, secret=SECRET, callback_url=NOWHERE, timeout_seconds=0.4)
        taken = client.submit(order)  # still in progress when the bank stops
    with data.open("a") as file:
        file.write('{"reference": "cut sh')

    with running_bank(data) as bank:
        client = SandboxRail(name="s", url=bank.url, secret=SECRET, callback_url=NOWHERE, timeout_seconds=0.4)
        done = Completed(taken.rail_reference, 5000, "KES")
        assert eventually(done, client, order.reference) == done
        assert client.submit(order) == taken
        assert bank.executed("pay", "KES") == 5000


def test_a_caller_without_the_secret_gets_nothing_done(bank):
    stranger = SandboxRail(name="s", url=bank.url, secret="x" * 24, callback_url=NOWHERE, timeout_seconds=0.4)

    with pytest.raises(NoAnswer, match="401"):
        stranger.submit(pay(5000))

    assert bank.orders == {}


@pytest.mark.parametrize(
    "broken",
    [{"operation": "steal"}, {"amount_minor": 0}, {"amount_minor": 1.5}, {"callback_url": "file:///etc/passwd"}, {}],
)
def test_an_instruction_that_makes_no_sense_is_not_taken_on(bank, broken):
    order = {"reference": "r", "operation": "pay", "amount_minor": 5, "currency": "KES", "callback_url": NOWHERE}
    body = json.dumps(order | broken if broken else {}).encode()

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{bank.url}/instructions", body, Signer(SECRET).sign(body)))

    assert refused.value.code == 400
    assert bank.orders == {}


# --- a bank that answers badly, or not at all ----------------------------------------------------------------------
def served(answer):
    """A socket that sends ``answer`` to whoever connects; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        connection.recv(65536)
        for piece in answer:
            try:
                connection.sendall(piece)
            except OSError:
                break
            time.sleep(0.05)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def http(status, body, length=None):
    size = len(body) if length is None else length
    return [f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode() + body]


DRIP = http("202 Accepted", b"", 100) + [b"x"] * 60


@pytest.mark.parametrize(
    "answer",
    [
        http("500 Oops", b"{}"),
        http("302 Found", b""),
        http("202 Accepted", b"not json"),
        http("202 Accepted", b'{"rail_reference": 5}'),
        http("202 Accepted", b'{"rail', 500),  # cut short
        http("202 Accepted", b"x" * 100_000),  # endless
        DRIP,  # a byte now and then keeps a read timeout from ever striking
        [b"SSH-2.0\r\n"],
        [],
    ],
)
def test_what_is_not_a_clear_answer_is_no_answer(answer):
    client = SandboxRail(name="s", url=served(answer), secret=SECRET, callback_url=NOWHERE, timeout_seconds=0.4)
    began = time.monotonic()

    with pytest.raises(NoAnswer):
        client.submit(pay(5000))

    assert time.monotonic() - began < 2


def test_nobody_there_is_no_answer():
    client = SandboxRail(name="s", url="http://127.0.0.1:1", secret=SECRET, callback_url=NOWHERE, timeout_seconds=0.4)

    with pytest.raises(NoAnswer):
        client.inquire(str(uuid4()))


# --- what it tells us unasked --------------------------------------------------------------------------------------
REPORT = {
    "reference": "8c5f", "rail_reference": "SBX1", "status": "completed", "amount_minor": 5000, "currency": "KES",
}  # fmt: skip


def test_a_signed_message_is_read(client):
    body = json.dumps(REPORT).encode()

    message_id, content = client.verify(Signer(SECRET).sign(body, message_id="msg_1"), body)

    assert message_id == "msg_1"
    assert client.read(content) == Callback("8c5f", Completed("SBX1", 5000, "KES"))


def test_another_order_of_fields_is_another_message_but_spaces_count_too(client):
    body = json.dumps(REPORT).encode()
    headers = Signer(SECRET).sign(body)

    with pytest.raises(InvalidSignature):
        client.verify(headers, json.dumps(REPORT, indent=1).encode())


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_stale_or_early_message_is_refused(client, seconds):
    body = json.dumps(REPORT).encode()

    with pytest.raises(InvalidSignature):
        client.verify(Signer(SECRET).sign(body, at=datetime.now(UTC) + timedelta(seconds=seconds)), body)


@pytest.mark.parametrize(
    "forged",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-id": "another"},
        {"webhook-id": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "9" * 400},
    ],
)
def test_a_forged_message_is_refused(client, forged):
    body = json.dumps(REPORT).encode()

    with pytest.raises(InvalidSignature):
        client.verify(Signer(SECRET).sign(body) | forged, body)


def test_a_flipped_byte_anywhere_is_refused(client):
    body = json.dumps(REPORT).encode()
    headers = Signer(SECRET).sign(body)

    for position in range(len(body)):
        flipped = bytearray(body)
        flipped[position] ^= 1
        with pytest.raises(InvalidSignature):
            client.verify(headers, bytes(flipped))


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b'{"a": 1, "a": 2}'])
def test_a_genuine_message_that_cannot_be_stored_is_a_bad_request(client, body):
    with pytest.raises(BadRequest):
        client.verify(Signer(SECRET).sign(body), body)


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": "5000"},
        {"amount_minor": 50.5},
        {"amount_minor": True},
        {"status": "in_progress"},
        {"status": "gone"},
        {"reference": None},
    ],
)
def test_a_genuine_message_that_makes_no_sense_is_unreadable(client, change):
    with pytest.raises(UnreadableMessage):
        client.read(REPORT | change)


def test_an_unknown_rail_is_not_found(bank, settings):
    settings.RAILS = rail_settings(bank)

    assert rail("sandbox") is rail("sandbox")
    with pytest.raises(RailNotFound):
        rail("mpesa")


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="24 bytes"):
        Signer("too short")


# --- as a command --------------------------------------------------------------------------------------------------
def test_the_command_serves_until_it_is_asked_to_stop_and_remembers(tmp_path):
    command = [sys.executable, "manage.py", "sandbox_rail", "--port", "0", "--data", str(tmp_path / "bank.jsonl")]
    order, taken = pay(5000), []
    for known in ("0", "1"):
        with subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as server:
            said = server.stdout.readline()
            assert f"{known} instructions known" in said
            url = re.search(r"http://[0-9.:]+", said)[0]
            client = SandboxRail(name="s", url=url, secret=settings.RAIL_SANDBOX_SECRET, callback_url=NOWHERE)
            taken.append(client.submit(order))
            server.terminate()
            assert server.wait(5) == 0

    assert taken[0] == taken[1]


def test_the_command_says_when_the_port_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CommandError, match="in use"):
        call_command("sandbox_rail", port=taken.getsockname()[1], data=tmp_path / "bank.jsonl")
