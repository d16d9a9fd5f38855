# mypy: allow-untyped-defs, no-check-untyped-defs
"""The first step, on the system's Python: a `.venv` with exactly the packages of the lock file.

Old Pythons must be able to read this file, if only to say that they are too old: no f-strings, no annotations, ASCII.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time

OLDEST = (3, 11)
OTHERS = ("python3.13", "python3.12", "python3.11", "python3.14")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
UNFINISHED = os.path.join(VENV, "tekana-install-unfinished")
WITHOUT_PACKAGES = ("stop", "reset", "code")
FREE_MB = 1500
BEGAN = "TEKANA_BEGAN"  # in the environment: when the command was given
NO_SPACE = "No space left on device"


def prepare():
    """Return when this process runs in a `.venv` that holds what the command needs; until then, make it and exec it."""
    os.chdir(ROOT)
    os.environ.setdefault(BEGAN, str(time.time()))
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if sys.version_info < OLDEST:
        continue_in_newer_python()
    if command in WITHOUT_PACKAGES or command in ("help", "-h", "--help"):
        return
    in_venv = os.path.abspath(sys.prefix) == VENV
    lock = "requirements.txt" if command == "demo" else "requirements-dev.txt"
    if not installed(lock):
        if in_venv:  # the venv may have to be made anew, which cannot be done from inside it
            os.execv(sys._base_executable, [sys._base_executable, "-m", "tekana.embedded"] + sys.argv[1:])
        with only_one_installation():
            if not installed(lock):
                install(lock)
    if not in_venv:
        os.execv(PYTHON, [PYTHON, "-m", "tekana.embedded"] + sys.argv[1:])


def continue_in_newer_python():
    """Exec a Python on the PATH that is new enough, or exit with what to do."""
    for name in OTHERS:
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            candidate = os.path.join(folder, name)
            check = "import sys; sys.exit(sys.version_info < (%d, %d))" % OLDEST
            if not os.access(candidate, os.X_OK):
                continue
            trial = subprocess.Popen([candidate, "-c", check], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            trial.communicate()
            if trial.returncode == 0:
                os.execv(candidate, [candidate, "-m", "tekana.embedded"] + sys.argv[1:])
    stop(
        "Tekana needs Python %d.%d or newer; %s is Python %d.%d and there is no newer one on the PATH.\n"
        "Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or say where it is: "
        "make demo PYTHON=/path/to/python3.11" % (OLDEST + (sys.executable,) + tuple(sys.version_info[:2]))
    )


def stamp(lock):
    return os.path.join(VENV, "tekana-" + lock + ".sha256")


def digest(lock):
    with open(os.path.join(ROOT, lock), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def installed(lock):
    """True if pip finished with this very lock file, or with one that has all its pins, and the Python still exists."""
    if os.path.exists(UNFINISHED) or not os.path.exists(PYTHON):  # a dangling link if Python was upgraded away
        return False
    return any(stamped(other) and pins(lock) <= pins(other) for other in (lock, "requirements-dev.txt"))


def stamped(lock):
    try:
        with open(stamp(lock)) as file:
            return file.read().strip() == digest(lock)
    except (IOError, OSError):
        return False


def pins(lock):
    with open(os.path.join(ROOT, lock)) as file:
        return {line.split()[0] for line in file if "==" in line and not line.startswith("#")}


class only_one_installation:
    """Two commands started at once: the second waits for the first. The lock is on a file that is always there."""

    def __enter__(self):
        try:
            import fcntl
        except ImportError:
            stop("The launcher needs Linux or macOS. On Windows use WSL, or docker compose up.")
        self.file = open(os.path.join(ROOT, "requirements.in"))
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (IOError, OSError):
            say("Another command is installing packages; waiting for it.")
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def install(lock):
    """Make or repair `.venv` and install what the lock file lists. What an interrupted pip left is thrown away."""
    began = time.time()
    if not os.access(ROOT, os.W_OK) or (os.path.isdir(VENV) and not os.access(VENV, os.W_OK)):
        stop("%s is not yours to write to. Run as its owner, or copy the folder." % ROOT)
    if os.path.exists(UNFINISHED) or not usable():
        free_mb = shutil.disk_usage(ROOT).free // 1000000
        if free_mb < FREE_MB:
            stop("Not enough disk space in %s: %d MB free, %d MB needed." % (ROOT, free_mb, FREE_MB))
        make_venv()
    open(UNFINISHED, "w").close()
    run_pip(lock)
    with open(stamp(lock), "w") as file:
        file.write(digest(lock) + "\n")
    os.remove(UNFINISHED)
    say("Packages installed in %.0f s." % (time.time() - began))


def usable():
    """True if the venv's Python starts, is new enough and can import all of the venv's own start-up code."""
    if not os.path.exists(PYTHON):
        return False
    check = "import sys, encodings; sys.exit(sys.version_info < (%d, %d))" % OLDEST
    return subprocess.call([PYTHON, "-c", check], stderr=subprocess.DEVNULL) == 0


def make_venv():
    say("Making .venv with Python %d.%d ..." % tuple(sys.version_info[:2]))
    if os.path.islink(VENV):
        os.unlink(VENV)
    elif os.path.isdir(VENV):
        shutil.rmtree(VENV)
    python = getattr(sys, "_base_executable", None) or sys.executable
    made = subprocess.run([python, "-m", "venv", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode != 0:  # Debian without python3-venv has no ensurepip: the system's pip installs into the venv
        shutil.rmtree(VENV, ignore_errors=True)
        bare = subprocess.run(
            [python, "-m", "venv", "--without-pip", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if bare.returncode != 0:
            explain(made.stdout.decode("utf-8", "replace"), "Could not make .venv.")


def pip():
    """The pip of the venv, or the system's pip (22.3 or newer) told to work on the venv."""
    if subprocess.call([PYTHON, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
        return [PYTHON, "-m", "pip"]
    python = getattr(sys, "_base_executable", None) or sys.executable
    if subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
        return [python, "-m", "pip", "--python", PYTHON]
    stop("This Python has no pip. Install it (Debian, Ubuntu: apt-get install python3-venv python3-pip) and try again.")


def run_pip(lock):
    """Run pip with one moving line on a terminal, and a line now and then elsewhere."""
    total = len(pins(lock))
    quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command = pip() + ["install", "--require-hashes", "-r", os.path.join(ROOT, lock)] + quiet
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        env=dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1"),
    )
    seen, output, progress = 0, [], Progress()
    for line in process.stdout:
        output.append(line)
        if line.startswith(("Collecting ", "Requirement already satisfied", "Ignoring ")):
            seen += 1
            progress.show("Fetching packages: %d of %d" % (min(seen, total), total))
        elif line.startswith("Installing collected"):
            progress.show("Unpacking %d packages (the longest step, some 20 s) ..." % line.count(","), at_once=True)
    progress.close()
    if process.wait() != 0:
        explain("".join(output), "pip could not install %s." % lock)


class Progress:
    """One line that is written over on a terminal; a new line every five seconds elsewhere."""

    def __init__(self):
        self.terminal, self.last = sys.stdout.isatty(), 0.0

    def show(self, text, at_once=False):
        if self.terminal:
            sys.stdout.write("\r\033[K" + text)
            sys.stdout.flush()
        elif at_once or time.time() - self.last > 5:
            say(text)
            self.last = time.time()

    def close(self):
        if self.terminal:
            sys.stdout.write("\r\033[K")


def explain(output, sentence):
    """Exit with the end of a failed command's output and, where we know it, the reason."""
    tail = "\n".join(output.strip().splitlines()[-12:])
    if NO_SPACE in output:
        sentence += " The disk is full: free some space and run the same command again."
    elif "Temporary failure in name resolution" in output or "NewConnectionError" in output:
        sentence += " The package index cannot be reached. Check the network, or name a mirror in PIP_INDEX_URL."
    stop("%s\n%s" % (tail, sentence))


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def stop(text):
    sys.stderr.write("tekana: " + text + "\n")
    sys.exit(1)
