"""Child processes that can be found and ended again by someone else, even after we were killed.

Every child leads its own session, so that Ctrl-C reaches the launcher alone, and has a pid file that says when it was
born: a pid that the system has given to another program since is never touched.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROC = Path("/proc/self/stat").exists()


@dataclass(frozen=True)
class Child:
    """A process, known by pid and birth. ``birth`` is unique on this machine across restarts of it."""

    pid: int
    birth: str

    def alive(self) -> bool:
        return birth_of(self.pid) == self.birth

    def members(self) -> list[int]:
        """The living processes of its group, also when the leader has died and left its workers behind."""
        leader = birth_of(self.pid)
        if leader is not None and leader != self.birth:
            return []  # the pid was given away, so nothing of the old group can be left
        return [pid for pid in group(self.pid) if age_key(pid) >= age_key_of(self.birth)]


def birth_of(pid: int) -> str | None:
    """When this process was started, or None if there is none (a zombie is none)."""
    if not PROC:
        shown = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        state, _, started = shown.stdout.strip().partition(" ")
        return started.strip() if started and not state.startswith("Z") else None
    stat = _stat(pid)
    return f"{_boot_id()} {stat['start']}" if stat and stat["state"] not in "ZX" else None


def group(pgid: int) -> list[int]:
    """Living processes of a process group."""
    if not PROC:
        shown = subprocess.run(["ps", "-axo", "pid=,pgid=,stat="], capture_output=True, text=True, check=False).stdout
        rows = (line.split() for line in shown.splitlines())
        return [int(pid) for pid, its_group, state in rows if int(its_group) == pgid and not state.startswith("Z")]
    found = []
    for pid in _pids():
        stat = _stat(pid)
        if stat and stat["group"] == pgid and stat["state"] not in "ZX":
            found.append(pid)
    return found


def age_key(pid: int) -> int:
    stat = _stat(pid) if PROC else None
    return stat["start"] if stat else 0


def age_key_of(birth: str) -> int:
    return int(birth.split()[-1]) if PROC else 0


def working_in(folder: Path) -> list[int]:
    """Processes whose working directory is this folder; how a PostgreSQL is found that has lost its pid file."""
    found = []
    for pid in _pids() if PROC else []:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.append(pid)
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> dict[str, Any] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return {"state": fields[0], "group": int(fields[2]), "start": int(fields[19])}


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "boot"


@dataclass
class Keeper:
    """Starts, remembers and ends named processes. One file per process in ``folder``."""

    folder: Path
    started: dict[str, subprocess.Popen[Any]] = field(default_factory=dict)

    def start(
        self, name: str, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str], **popen: Any
    ) -> subprocess.Popen[Any]:
        """Start a process in a session of its own, with its output appended to ``log``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            os.fchmod(output.fileno(), 0o600)  # also one that an earlier version made
            process = subprocess.Popen(
                [str(part) for part in command],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=dict(env),
                **{"stdin": subprocess.DEVNULL} | popen,
            )
        self.started[name] = process
        try:
            self.remember(name, process.pid)
        except OSError:  # a full disk, most likely; nobody would ever find this process again
            process.kill()
            raise
        return process

    def remember(self, name: str, pid: int) -> None:
        birth = birth_of(pid)
        if birth is not None:
            write_whole(self._file(name), json.dumps({"pid": pid, "birth": birth, "kept_in": str(self.folder)}))

    def known(self, name: str) -> Child | None:
        """The process last remembered under this name, whether it lives or not.

        A note that came here with a copy of another checkout is about that one's process.
        """
        try:
            note = json.loads(self._file(name).read_text())
            return Child(note["pid"], note["birth"]) if note["kept_in"] == str(self.folder) else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def running(self, name: str) -> bool:
        self._reap(name)
        child = self.known(name)
        return child is not None and child.alive()

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.pid")) if self.folder.is_dir() else []

    def end(self, name: str, *, how: signal.Signals = signal.SIGTERM, grace: float = 10) -> bool:
        """Ask the process to end, then insist, then end what is left of its group. True if there was anything to end.

        Args:
            how: the signal that asks; PostgreSQL's fast shutdown is SIGINT.
            grace: seconds until SIGKILL.
        """
        child = self.known(name)
        if child is None:
            return False
        found = bool(child.members())
        if child.alive():
            _signal(child.pid, how)
            _until(lambda: not self.running(name), grace)
        for pid in child.members():
            _signal(pid, signal.SIGKILL)
        _until(lambda: not self._left(name, child), 5)
        self.forget(name)
        return found

    def forget(self, name: str) -> None:
        self._file(name).unlink(missing_ok=True)

    def _left(self, name: str, child: Child) -> list[int]:
        self._reap(name)
        return child.members()

    def _reap(self, name: str) -> None:
        """Collect our own dead child, so that it is not a zombie; someone else's is none of our business."""
        if name in self.started:
            self.started[name].poll()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.pid"


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that a reader sees all of it or the old one, never readable by others on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _until(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.03)
