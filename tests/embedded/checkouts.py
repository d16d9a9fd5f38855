"""A copy of the launcher, or of the whole project, in a folder of its own; what the tests here drive."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tekana.embedded.bootstrap import ROOT
from tekana.embedded.processes import PROC

LAUNCHER = ("Makefile", "requirements.in", "requirements.txt", "requirements-dev.txt", "tekana/__init__.py")
NOT_OURS = shutil.ignore_patterns(".git", ".venv", "var", "mutants", "__pycache__", ".*_cache", ".hypothesis", ".env")


class Checkout:
    """A copy of the launcher, or of the whole project, that uses this virtual environment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.var = path / "var"
        self.started: list[subprocess.Popen[str]] = []

    def __call__(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one launcher command to its end."""
        process = self.start(*words, **environment)
        output, _ = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, output)

    def start(self, *words: str, python: str = sys.executable, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, "-m", "tekana.embedded", *words],
            cwd=self.path,
            env=clean_environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def python(self, script: str, data: str = "test", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script on the servers of a data folder; fails unless it succeeds."""
        done = self("run", "--data", data, "--", self.interpreter, "-c", script, **environment)
        assert done.returncode == 0, done.stdout
        return done

    @property
    def interpreter(self) -> str:
        return str(self.path / ".venv" / "bin" / "python")

    def refuge(self) -> Path | None:
        note = self.var / "refuge"
        return Path(note.read_text().splitlines()[0]) if note.exists() else None

    def data(self, folder: str = "test") -> Path:
        """Where PostgreSQL keeps its files."""
        inside = self.var / folder / "postgres"
        place = self.refuge()
        return place / folder / "postgres" if place and not inside.exists() else inside

    def pid(self, name: str, folder: str = "test") -> int:
        """Of a process that runs; 0 while it is being replaced."""
        try:
            return int(json.loads((self.var / folder / "pids" / f"{name}.pid").read_text())["pid"])
        except FileNotFoundError:
            return 0

    def processes(self) -> list[str]:
        """Command lines of everything that still runs from here."""
        shown = subprocess.run(["ps", "-axww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True)
        places = [str(self.path), *([str(place)] if (place := self.refuge()) else [])]
        lines = [line for line in shown.stdout.splitlines() if any(place in line for place in places)]
        return [line for line in lines if not line.split()[1].startswith("Z")]

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        done = self("reset")
        assert done.returncode == 0, done.stdout
        assert not self.var.exists()


def clean_environment(**more: str) -> dict[str, str]:
    """Ours without what the launcher that runs these tests has put in."""
    keep = {name: value for name, value in os.environ.items() if name.split("_")[0] not in {"MAKEFLAGS", "MFLAGS"}}
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SECRET_KEY", "VAR_DIR", "TEST_DB", "MAKELEVEL"):
        keep.pop(name, None)
    return keep | {"PYTHONDONTWRITEBYTECODE": "1"} | more


def new_checkout(folder: Path, *, whole: bool = False) -> Checkout:
    path = folder / "a check out"
    if whole:
        shutil.copytree(ROOT, path, ignore=NOT_OURS)
    else:
        path.mkdir()
        shutil.copytree(Path(ROOT, "tekana/embedded"), path / "tekana/embedded", ignore=NOT_OURS)
        for name in LAUNCHER:
            shutil.copy(Path(ROOT, name), path / name)
    (path / ".venv").symlink_to(Path(sys.prefix))
    return Checkout(path)


def until(condition: Callable[[], object], seconds: float = 20) -> bool:
    """Wait for ``condition()``; True if it came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


needs_proc = pytest.mark.skipif(not PROC, reason="needs /proc")
