"""Group commit: requests hand in their movement; one thread per process posts whatever queued during the last commit.

No waiting window: an idle system posts a batch of one at once, a busy one shares each commit among many. A hot account
is no special case, for contention only makes batches larger.

The processes of one machine take turns. They would wait for each other in the database anyway, at the account that the
fees go to; whoever waits before it has chosen its batch takes along what comes in meanwhile.
"""

import fcntl
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType

from django.conf import settings
from django.db import connection

from core.errors import Unavailable
from transactions.movements import Order, Outcome
from transactions.posting import post, post_one

logger = logging.getLogger(__name__)


class Slot:
    """One waiting request."""

    __slots__ = ("_done", "_told", "order")

    def __init__(self, order: Order) -> None:
        self.order = order
        self._told: Outcome | Exception | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def tell(self, told: Outcome | Exception) -> None:
        self._told = told
        self._done.release()

    def wait(self) -> Outcome:
        self._done.acquire()
        if isinstance(self._told, Exception):
            raise self._told
        assert self._told is not None
        return self._told


class Turn:
    """Which process of this machine posts now: a lock on a file, which a killed process gives back.

    Who is next has a lock too. Without it whoever has just posted would be at the first lock again before the one that
    sleeps there is awake, turn after turn.
    """

    def __init__(self, path: Path) -> None:
        self._posts, self._is_next = path.open("w"), path.with_suffix(".next").open("w")

    def __enter__(self) -> None:
        fcntl.flock(self._is_next, fcntl.LOCK_EX)
        fcntl.flock(self._posts, fcntl.LOCK_EX)
        fcntl.flock(self._is_next, fcntl.LOCK_UN)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        fcntl.flock(self._posts, fcntl.LOCK_UN)


def turn() -> AbstractContextManager[None]:
    """The turn at this database. Where no file can be kept, everybody posts at once: slower, not wrong."""
    if not settings.POSTER_TAKES_TURNS:
        return nullcontext()
    try:
        return Turn(settings.VAR_DIR.joinpath(f"poster-{connection.settings_dict['NAME']}.turn"))
    except OSError as error:
        logger.warning("posting without turns: %s", error)
        return nullcontext()


class Poster:
    """The queue and the thread that empties it, started at the first submission (so after any fork)."""

    def __init__(
        self,
        post: Callable[[Sequence[Order]], list[Outcome]],
        batch: int,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._post, self._batch, self._turn = post, batch, turn
        self._waiting: deque[Slot] = deque()
        self._ready = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(self, order: Order) -> Outcome:
        """Post ``order`` with whatever else is waiting; its outcome, after COMMIT. Raises what `post` raises."""
        slot = Slot(order)
        with self._ready:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="poster", daemon=True)
                self._thread.start()
            self._waiting.append(slot)
            self._ready.notify()
        return slot.wait()

    def _run(self) -> None:
        turn = self._turn()
        while True:
            with self._ready:
                while not self._waiting:
                    self._ready.wait()
            with turn:
                with self._ready:
                    batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
                told = self._settle([slot.order for slot in batch])
            for slot, outcome in zip(batch, told, strict=True):  # while the next process posts
                slot.tell(outcome)

    def _settle(self, batch: list[Order]) -> Sequence[Outcome | Exception]:
        """Post a batch; where it fails as a whole, each alone, so that a bad order harms nobody else.

        Where the database is away, or its answer to COMMIT is missing, nobody is posted again: whoever asked retries
        with the same key and is told what happened.
        """
        try:
            return self._post(batch)
        except Unavailable as error:
            return [error] * len(batch)
        except Exception as error:
            connection.close_if_unusable_or_obsolete()
            return [error] if len(batch) == 1 else [told for order in batch for told in self._settle([order])]


_poster = Poster(post, settings.POSTER_BATCH, turn)
submit = _poster.submit if settings.POSTER_BATCH else post_one
