"""Who runs the servers, and where their data is, when the launcher is started by root.

PostgreSQL refuses to run as root. We use an account that exists (nobody), never create one, and never open a folder to
others. Where that account cannot get at the checkout (say, below /root) the binaries are copied to, and the data kept
in, a folder of our own that it can enter; `var/refuge` says which, and `make reset` deletes it.
"""

import functools
import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tekana.embedded.folders import ROOT, VAR, DataFolder
from tekana.embedded.processes import working_in, write_whole
from tekana.embedded.trouble import Trouble

PLACES = (Path("/var/lib"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 (see refuge)
NAME = "tekana-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
NOTE = VAR / "refuge"


@dataclass(frozen=True)
class Runner:
    """How a server is started: words before its command, arguments of Popen, and the owner of its files."""

    prefix: tuple[str, ...] = ()
    popen: dict[str, Any] = field(default_factory=dict)
    owner: tuple[int, int] | None = None

    def run(self, command: Sequence[str | Path], **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return its output, both streams in one."""
        return subprocess.run(
            [*self.prefix, *(str(part) for part in command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self.popen,
            **more,
        )

    def own(self, path: Path) -> None:
        if self.owner:
            os.chown(path, *self.owner)

    def may(self, path: Path, mode: int) -> bool:
        """True if the server's account has this access, all folders above included."""
        if not self.owner:
            return os.access(path, mode)
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(self.owner[1])
                os.setuid(self.owner[0])
                os._exit(0 if os.access(path, mode) else 1)
            finally:
                os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@functools.cache
def runner() -> Runner:
    """Plain users run the servers themselves; root hands them to an unprivileged account.

    Raises Trouble where root may neither change its uid nor open a user namespace (a tight container).
    """
    if os.geteuid() != 0:
        return Runner()
    account = _account()
    popen = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": "/"}
    if _works(Runner(popen=popen)):
        return Runner(popen=popen, owner=(account.pw_uid, account.pw_gid))
    namespace = Runner(prefix=("unshare", "-U", f"--map-user={account.pw_uid}"), popen={"cwd": "/"})
    if _works(namespace):
        return namespace
    raise Trouble(
        "PostgreSQL does not run as root, and this container lets root become nobody else. "
        "Run as a plain user, or set DATABASE_URL and REDIS_URL to servers elsewhere."
    )


def _account() -> pwd.struct_passwd:
    accounts = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in ("nobody", "daemon"):
        if name in accounts:
            return accounts[name]
    if accounts:
        return next(iter(accounts.values()))
    raise Trouble("PostgreSQL does not run as root, and this system has no other account. Run as a plain user.")


def _works(how: Runner) -> bool:
    try:
        return how.run(["/bin/sh", "-c", 'test "$(id -u)" != 0']).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def home(folder: DataFolder) -> Path:
    """The folder for the servers' data: where it is already, else `var/<name>`, else its counterpart in the refuge."""
    noted = _noted()
    if (folder.path / "postgres").exists():
        return folder.path
    if not (noted and (noted / folder.name / "postgres").exists()) and runner().may(folder.path, os.X_OK):
        return folder.path
    return _entered_by_all(refuge() / folder.name)


def usable(package: Path, libraries: Path, program: str) -> Path:
    """``package`` itself if the servers' account can run it, else a copy of it and its libraries in the refuge."""
    who = runner()
    if who.may(package / program, os.X_OK | os.R_OK) and who.may(package, os.R_OK | os.X_OK):
        return package
    binaries = _entered_by_all(refuge() / "binaries") / hashlib.sha256(_state_of(package / program)).hexdigest()[:12]
    copy = binaries / package.name
    if not copy.exists():
        part = binaries.with_name(binaries.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        for source in (package, libraries):
            if source.exists():
                shutil.copytree(source, part / source.name, symlinks=True, ignore=shutil.ignore_patterns("*.pyc"))
        for path in (part, *part.rglob("*")):
            if not path.is_symlink():  # pip under a strict umask leaves files that only root reads
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        (part / package.name / program).chmod(0o755)
        part.rename(binaries)
    return copy


def _state_of(program: Path) -> bytes:
    stat = program.stat()
    return f"{program} {stat.st_size} {stat.st_mtime_ns}".encode()


def refuge() -> Path:
    """Our folder outside the checkout, made on first use: root's, entered by all, written by root alone.

    Raises Trouble when a folder of that name is not ours (in /tmp anybody may make one).
    """
    if (place := _noted()) and place.is_dir():
        return _ours(place)
    for parent in PLACES:
        if not (parent.is_dir() and os.access(parent, os.W_OK) and runner().may(parent, os.X_OK)):
            continue
        place = parent / NAME
        if place.is_dir():  # of a var/ that was deleted by hand: its passwords are gone with it
            _remove(_ours(place))
        _entered_by_all(place)
        write_whole(NOTE, f"{place}\n{ROOT}\n", mode=0o644)
        return _ours(place)
    raise Trouble("No folder for PostgreSQL's data: none of /var/lib, /var/tmp and /tmp can be written to.")


def _entered_by_all(place: Path) -> Path:
    place.mkdir(exist_ok=True)
    place.chmod(0o755)  # whatever the umask says
    return place


def _noted() -> Path | None:
    """The refuge that `var/refuge` names. Raises Trouble when the note came here with a copy of another checkout."""
    if not NOTE.exists():
        return None
    place, made_for = NOTE.read_text().splitlines()
    if made_for != str(ROOT) and Path(made_for).exists():
        raise Trouble(f"{VAR} is a copy of {made_for}/var, whose checkout has the data. Delete {VAR} to start afresh.")
    return Path(place)


def _ours(place: Path) -> Path:
    stat = place.lstat()
    if place.is_symlink() or stat.st_uid != 0 or stat.st_mode & 0o022:
        raise Trouble(f"{place} was not made by us. Delete it, then run the same command again.")
    return place


def delete_refuge() -> None:
    """Delete the folder outside the checkout, if there is one. The servers must have been ended."""
    if (place := _noted()) and place.is_dir():
        _remove(_ours(place))


def _remove(place: Path) -> None:
    for data in place.glob("*/*"):
        for pid in working_in(data):
            os.kill(pid, 9)
    shutil.rmtree(place)
