"""The client of the sandbox bank (`sandbox_server.py`): what a client of a real bank looks like, over real HTTP."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

import httpx2
import msgspec

from core.parsing import read_object
from transactions.rails.base import (
    Accepted,
    Callback,
    Completed,
    Failed,
    InProgress,
    Instruction,
    NoAnswer,
    NotKnown,
    Rail,
    Refused,
    UnreadableMessage,
)
from transactions.rails.signing import Signer

LARGEST_ANSWER = 64 * 1024


class Answer(msgspec.Struct):
    """What the bank answers to an instruction: taken on (``rail_reference``) or refused (``code``)."""

    rail_reference: str = ""
    code: str = ""
    text: str = ""


class Report(msgspec.Struct):
    """What the bank says of an instruction, asked or unasked."""

    reference: str
    rail_reference: str
    status: Literal["in_progress", "completed", "failed"]
    amount_minor: int
    currency: str
    code: str = ""


class SandboxRail(Rail):
    """Speaks signed JSON with the sandbox bank.

    Args:
        url: the bank's. ``callback_url``: where it tells us how things ended. ``secret``: shared, base64.
        timeout_seconds: for a whole call, connecting and slow answers included.
    """

    not_known_is_final = True  # the bank knows an instruction before it answers, and does each reference once

    def __init__(self, *, name: str, url: str, secret: str, callback_url: str, timeout_seconds: float = 5) -> None:
        super().__init__(name=name)
        self.url, self.callback_url, self.timeout_seconds = url.rstrip("/"), callback_url, timeout_seconds
        self._signer = Signer(secret)
        self._making = threading.Lock()
        self._http: httpx2.Client | None = None

    def submit(self, instruction: Instruction) -> Accepted | Refused:
        order = asdict(instruction) | {"callback_url": self.callback_url}
        status, body = self._post("/instructions", order)
        if status == 202:
            return Accepted(rail_reference=_decoded(body, Answer).rail_reference)
        if status == 422:
            answer = _decoded(body, Answer)
            return Refused(code=answer.code, text=answer.text)
        raise NoAnswer(f"HTTP {status}")  # also 401: our own misconfiguration must not fail a customer's movement

    def inquire(self, reference: str) -> Completed | Failed | InProgress | NotKnown:
        status, body = self._post("/inquiries", {"reference": reference})
        if status == 404:
            return NotKnown()
        if status != 200:
            raise NoAnswer(f"HTTP {status}")
        report = _decoded(body, Report)
        if report.reference != reference:
            raise NoAnswer("the answer is about another reference")
        if report.status == "in_progress":
            return InProgress(rail_reference=report.rail_reference)
        return _result(report)

    def verify(self, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
        message_id = self._signer.check(headers, body)
        if len(message_id) > 80:
            raise UnreadableMessage("The message id is too long.")
        read_object(body)  # refuses what two readers could understand differently, or PostgreSQL cannot store
        return message_id, json.loads(body, parse_float=str)

    def read(self, content: dict[str, Any]) -> Callback:
        try:
            report = msgspec.convert(content, Report)
        except msgspec.ValidationError as exc:
            raise UnreadableMessage(str(exc)) from exc
        if report.status == "in_progress":
            raise UnreadableMessage("A callback tells how it ended.")
        return Callback(reference=report.reference, result=_result(report))

    def _post(self, path: str, document: dict[str, Any]) -> tuple[int, bytes]:
        """One signed call, once, within the time limit. Raises: NoAnswer."""
        body = msgspec.json.encode(document)
        headers = self._signer.sign(body) | {"accept-encoding": "identity"}
        give_up_at = time.monotonic() + self.timeout_seconds
        try:
            with self._client().stream("POST", self.url + path, content=body, headers=headers) as response:
                received = b""
                for chunk in response.iter_raw():
                    received += chunk
                    # A read timeout only bounds the wait for the next byte.
                    if len(received) > LARGEST_ANSWER or time.monotonic() > give_up_at:
                        raise NoAnswer("the answer is too long or too slow")
                return response.status_code, received
        except httpx2.HTTPError as exc:
            raise NoAnswer(type(exc).__name__) from exc

    def _client(self) -> httpx2.Client:
        with self._making:  # made on first use: a connection must not be shared across a fork
            if self._http is None:
                self._http = httpx2.Client(timeout=self.timeout_seconds, follow_redirects=False, trust_env=False)
            return self._http


def _result(report: Report) -> Completed | Failed:
    if report.status == "completed":
        return Completed(report.rail_reference, report.amount_minor, report.currency)
    return Failed(report.code, report.rail_reference)


def _decoded(body: bytes, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as exc:  # covers validation too
        raise NoAnswer("the answer is not what was agreed") from exc
