"""What there is only so much of, and what a movement takes: a quote, one use of a payment request.

A movement names a `Claim`. Those of one batch that are of a kind are read together, locked where rivals would disagree,
judged in memory as the movements are decided, and written with the transactions: no more statements than those that
read, however many claims. Whoever has something to claim brings the two classes along; the road to the books does not
know what it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, LiteralString

from core.work import Work

if TYPE_CHECKING:
    from transactions.attempt import Attempt


class Claims(ABC):
    """The claims of one kind in one batch."""

    def __init__(self, claims: Sequence[Any]) -> None:
        self.claims = claims

    @abstractmethod
    def ask(self, work: Work, *, peek: bool) -> None:
        """Send the one statement that reads, and unless it is a ``peek`` locks, what is claimed. Fetch nothing yet.

        Locks: before any account, in an order that is the same for everybody.
        """

    @abstractmethod
    def fetch(self) -> None:
        """Take in the rows of `ask`."""

    @abstractmethod
    def check(self, claim: Any, attempt: "Attempt") -> None:
        """Whether there is something left to take. Raises: a refusal, Declined where the attempt is to be kept."""

    @abstractmethod
    def take(self, claim: Any, attempt: "Attempt") -> None:
        """The movement is accepted: whoever comes later in this batch finds that much less."""

    @abstractmethod
    def taken(self) -> tuple[LiteralString, Sequence[Any]]:
        """A table and its new rows, as `Work.write` takes them: all that was taken, none if nothing was.

        They are written by the statement that writes the transactions, whose rows the guards of the table see.
        """


class Claim:
    """Names what is taken. A frozen dataclass: its fields are part of what the movement asks for."""

    batch: ClassVar[type[Claims]]
