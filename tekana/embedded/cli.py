"""The commands behind the Makefile: `demo`, `code`, `run`, `setup`, `stop`, `reset`."""

import argparse
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tekana.embedded import bootstrap, environment
from tekana.embedded.folders import ROOT, VAR, DataFolder, data_folders
from tekana.embedded.servers import servers_of
from tekana.embedded.trouble import Trouble, say, stderr


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    began = float(os.environ.pop(bootstrap.BEGAN, time.time()))  # what we start has beginnings of its own
    options = _parser().parse_args(arguments, argparse.Namespace(began=began))
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that what was started is stopped
    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        return 130
    except Trouble as trouble:
        stderr(str(trouble))
        return 1
    except PermissionError as error:
        stderr(f"Not allowed: {error.filename or error}. Run this as the user who made {VAR}.")
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        stderr(f"No disk space left for {VAR}. Free some and run the same command again.")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tekana.embedded", description=__doc__)
    commands = parser.add_subparsers(required=True)

    demo = commands.add_parser("demo", help="everything, until Ctrl-C")
    demo.add_argument("--port", default="8000", help="of the web server (default: 8000)")
    demo.set_defaults(command=_demo)

    code = commands.add_parser("code", help="the six digits with which staff sign in to the demo")
    code.add_argument("role", nargs="?", default="", help="one of them (default: all)")
    code.add_argument("--data", default="demo", metavar="NAME", help="data folder var/NAME (default: demo)")
    code.set_defaults(command=_code)

    run = commands.add_parser("run", help="start the servers, run a command with their URLs, stop them")
    run.add_argument("--data", default="test", metavar="NAME", help="data folder var/NAME (default: test)")
    run.add_argument("words", nargs="+", metavar="COMMAND")
    run.set_defaults(command=_run)

    setup = commands.add_parser("setup", help="only make .venv with all packages")
    setup.set_defaults(command=lambda _: 0)  # `bootstrap` has done it before we came here

    stop = commands.add_parser("stop", help="end a demo that lost its terminal, and servers nobody uses")
    stop.set_defaults(command=_stop)

    reset = commands.add_parser("reset", help="stop, then delete var/ and all data in it")
    reset.set_defaults(command=_reset)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from tekana.embedded.demo import Demo

    return Demo(options.port, options.began).run()


def _code(options: argparse.Namespace) -> int:
    from tekana.embedded import codes

    codes.show(DataFolder(options.data), options.role)
    return 0


def _run(options: argparse.Namespace) -> int:
    """Ctrl-C reaches the command by itself; we wait for it to end, then stop what we started."""
    folder = DataFolder(options.data)
    with environment.of_run(folder) as settings:
        with _passing_on() as passed_to:
            try:
                child = subprocess.Popen(options.words, env=settings)
            except OSError as exc:
                raise Trouble(f"{options.words[0]}: {exc.strerror}") from exc
            passed_to(child)
            code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_on() -> Iterator[Callable[[subprocess.Popen[Any]], None]]:
    """SIGTERM and SIGHUP go on to the child; SIGINT it has from the terminal already."""
    children: list[subprocess.Popen[Any]] = []

    def pass_on(number: int, _: Any) -> None:
        for child in children:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield children.append
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(_: argparse.Namespace) -> int:
    ended = _end_everything()
    say(f"Stopped: {', '.join(ended)}." if ended else "Nothing of Tekana is running here.")
    return 0


def _reset(_: argparse.Namespace) -> int:
    from tekana.embedded.unprivileged import delete_refuge

    ended = _end_everything()
    if busy := [folder.name for folder in data_folders() if servers_of(folder, {}).stop_unused() is None]:
        raise Trouble(f"Something still runs on var/{busy[0]} (a test run?). End it, then `make reset` again.")
    delete_refuge()
    if VAR.exists():
        shutil.rmtree(VAR)
    say(("Stopped: " + ", ".join(ended) + ". " if ended else "") + "var/ is deleted; the next start makes a new one.")
    return 0


def _end_everything() -> list[str]:
    """End the demo, then, in every data folder, servers whose users are gone. Returns the names of what ran."""
    from tekana.embedded.demo import end_demo

    ended = []
    for folder in data_folders():
        ended += end_demo(folder)
        ended += servers_of(folder, {}).stop_unused() or []
    return ended
