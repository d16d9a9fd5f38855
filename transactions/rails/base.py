"""What a rail is. Small on purpose: four verbs fit any bank, mobile-money operator or card network.

The contract that makes money move once: every call about one movement carries the same end-to-end ``reference``, by
which the rail recognises it. A call without a clear answer raises `NoAnswer`; the movement is then *unknown*, its money
stays held, and only an inquiry, a callback or a settlement file decides. A client must answer `Refused` only where the
rail said in so many words that it did not and will not do it; "duplicate reference" is no refusal but `NoAnswer`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.errors import BadRequest, NotFound, Unauthenticated


class RailNotFound(NotFound):
    code, title = "rail_not_found", "No such rail"


class InvalidSignature(Unauthenticated):
    code, title = "invalid_signature", "The signature does not fit the message"


class UnreadableMessage(BadRequest):
    code, title = "unreadable_message", "The message could not be read"


class NoAnswer(Exception):
    """The rail may or may not have done it: timeout, broken connection, an error of its own, an unreadable answer."""


class Operation(StrEnum):
    COLLECT = "collect"  # money comes to us: a top-up
    PAY = "pay"  # money leaves us: a cash-out


@dataclass(frozen=True, slots=True)
class Instruction:
    """What we ask of a rail. ``counterparty`` names the account on its side, in the rail's own fields."""

    reference: str
    operation: Operation
    amount_minor: int
    currency: str
    counterparty: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """It will be done or not; a callback or an inquiry will tell."""

    rail_reference: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not done and will not be."""

    code: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Completed:
    """Done; for this amount, which the caller compares with its own."""

    rail_reference: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Not done, finally."""

    code: str
    rail_reference: str = ""


@dataclass(frozen=True, slots=True)
class InProgress:
    """The rail knows it and has not decided."""

    rail_reference: str = ""


@dataclass(frozen=True, slots=True)
class NotKnown:
    """The rail has never heard of the reference."""


@dataclass(frozen=True, slots=True)
class Callback:
    """What a rail says of its own accord, once the signature held: ``result`` about the movement ``reference``."""

    reference: str
    result: Completed | Failed


class Rail(ABC):
    """One rail, shared by the threads of a process. It is never called inside a database transaction."""

    # True where "never heard of it" is a promise: the rail has not executed the reference, and executes it at most once
    # however often it is submitted. Only then may a movement be submitted again after an inquiry.
    not_known_is_final: bool = False

    def __init__(self, *, name: str) -> None:
        self.name = name

    @abstractmethod
    def submit(self, instruction: Instruction) -> Accepted | Refused:
        """Ask for the movement. Raises: NoAnswer."""

    @abstractmethod
    def inquire(self, reference: str) -> Completed | Failed | InProgress | NotKnown:
        """Ask what became of it. Raises: NoAnswer."""

    @abstractmethod
    def verify(self, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
        """Check signature and age of a callback on its raw bytes; its message id (at most 80 characters) and content.

        Raises: InvalidSignature; a BadRequest where a genuine message is not one JSON object that can be stored.
        """

    @abstractmethod
    def read(self, content: dict[str, Any]) -> Callback:
        """What a verified callback means; read from the stored row, so that a misread message is never a lost one.

        Raises: UnreadableMessage.
        """
