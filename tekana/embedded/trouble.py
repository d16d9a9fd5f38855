"""What goes wrong on someone's machine, said in words that help; and printing that survives a lost terminal."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

NO_SPACE = "No space left on device"


class Trouble(Exception):
    """Something the person at the keyboard can put right. The text says what and how; it ends the command with 1."""


def say(text: str = "") -> None:
    """Print at once. A terminal that is gone must not keep us from stopping what we started."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Print ``text ...`` and, when the block is done, the seconds it took."""
    began = time.monotonic()
    with contextlib.suppress(OSError, ValueError):
        print(f"{text} ...", end="", flush=True)
    try:
        yield
    except BaseException:
        say()
        raise
    say(f" {time.monotonic() - began:.1f} s")


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log, indented, for showing under a sentence; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def why(log: Path) -> str:
    """The reason we recognise in a log, as a sentence to add; else where to look."""
    if NO_SPACE in tail(log, 60):
        return "The disk is full: free some space and run the same command again."
    return f"Its log is {log}"


def stderr(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"tekana: {text}", file=sys.stderr, flush=True)
