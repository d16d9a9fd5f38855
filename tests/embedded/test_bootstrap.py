"""The first step: any Python makes a `.venv` with exactly what the lock file lists. The package index is a folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tekana.embedded.bootstrap import ROOT

pytestmark = pytest.mark.timeout(120)
SYSTEM_PYTHON = sys._base_executable  # type: ignore[attr-defined]


class Bare:
    """A checkout without a `.venv`, whose lock file lists one small package of our own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bare check out"
        self.venv = self.path / ".venv"
        shutil.copytree(Path(ROOT, "tekana/embedded"), self.path / "tekana/embedded")
        shutil.copy(Path(ROOT, "tekana/__init__.py"), self.path / "tekana")
        (self.path / "requirements.in").write_text("")
        (self.path / "tekana/embedded/cli.py").write_text(
            "def main(words):\n    import tiny\n    print(tiny.VERSION)\n"
        )
        self.lock("1.0")

    def lock(self, version: str, digest: str = "") -> None:
        wheel = self.path / f"tiny-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            info = f"tiny-{version}.dist-info"
            archive.writestr("tiny.py", f"VERSION = 'tiny {version}'\n")
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        text = f"--no-index\n--find-links '{self.path}'\ntiny=={version} \\\n    --hash=sha256:{digest}\n"
        for name in ("requirements.txt", "requirements-dev.txt"):
            (self.path / name).write_text(text)

    def start(self, *words: str, python: str = SYSTEM_PYTHON, path: str | None = None) -> "subprocess.Popen[str]":
        environment = {"PATH": path or os.environ["PATH"], "HOME": str(self.path)}
        return subprocess.Popen(
            [python, "-m", "tekana.embedded", *(words or ("run",))], cwd=self.path, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def __call__(self, *words: str, **how: str) -> tuple[int, str]:
        process = self.start(*words, **how)
        output, _ = process.communicate(timeout=100)
        return process.returncode, output


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    return Bare(tmp_path_factory.mktemp("bare"))


def test_the_first_command_makes_the_venv_and_the_second_does_not(bare: Bare) -> None:
    code, output = bare()
    assert code == 0, output
    assert "Making .venv" in output and output.endswith("tiny 1.0\n")

    code, output = bare()

    assert (code, output) == (0, "tiny 1.0\n")


def test_a_changed_lock_file_is_installed_into_the_same_venv(bare: Bare) -> None:
    bare()
    bare.lock("1.1")

    code, output = bare()

    assert code == 0 and "Making .venv" not in output
    assert output.endswith("tiny 1.1\n")


def test_what_an_interrupted_installation_left_is_made_anew(bare: Bare) -> None:
    bare()
    (bare.venv / "tekana-install-unfinished").touch()
    next(bare.venv.glob("lib/python*/site-packages/tiny.py")).unlink()  # the worst case: pip believes it is there

    code, output = bare()

    assert code == 0 and "Making .venv" in output
    assert output.endswith(("tiny 1.1\n", "tiny 1.0\n"))


def test_a_venv_whose_python_was_removed_is_made_anew(bare: Bare) -> None:
    bare()
    python = bare.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")

    code, output = bare()

    assert code == 0 and "Making .venv" in output


def test_a_venv_without_pip_is_filled_by_the_systems_pip(bare: Bare) -> None:
    """What Debian's Python can make without the package python3-venv."""
    if subprocess.run([SYSTEM_PYTHON, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        pytest.skip("this Python has no pip")
    shutil.rmtree(bare.venv, ignore_errors=True)
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", str(bare.venv)], check=True)

    code, output = bare()

    assert code == 0 and "Making .venv" not in output, output
    assert "tiny 1." in output


def test_a_package_that_is_not_the_locked_one_is_refused(bare: Bare) -> None:
    bare()
    bare.lock("1.2", digest="0" * 64)

    code, output = bare()

    assert code == 1
    assert "pip could not install requirements-dev.txt" in output and "Traceback" not in output
    bare.lock("1.3")
    assert bare()[0] == 0  # and the next start repairs it


def test_of_two_first_commands_one_waits_for_the_other(bare: Bare) -> None:
    shutil.rmtree(bare.venv, ignore_errors=True)

    both = [bare.start(), bare.start()]

    outputs = [process.communicate(timeout=100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum("Making .venv" in output for output in outputs) == 1
    assert sum("waiting for it" in output for output in outputs) == 1


def test_a_pretended_old_python_is_told_what_to_do(bare: Bare) -> None:
    script = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_module('tekana.embedded', run_name='__main__')"

    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", script], cwd=bare.path, env={"PATH": "/nowhere"}, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "Tekana needs Python 3.11 or newer" in done.stderr and "make demo PYTHON=" in done.stderr
    assert "Traceback" not in done.stderr


def old_pythons() -> list[str]:
    """Really old ones, where pyenv or the system has them."""
    names = ("python2.7", "python3.6", "python3.7", "python3.8", "python3.9", "python3.10")
    folders = [*os.environ["PATH"].split(os.pathsep), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    candidates = [Path(folder, name) for name in names for folder in folders if "shims" not in folder]
    return sorted(str(path) for path in candidates if os.access(path, os.X_OK))


@pytest.mark.parametrize("python", old_pythons() or [pytest.param("", marks=pytest.mark.skip("no old Python here"))])
def test_an_old_python_reads_the_first_step_and_finds_a_newer_one(bare: Bare, tmp_path: Path, python: str) -> None:
    code, output = bare(python=python, path="/nowhere")
    assert code == 1 and "Tekana needs Python 3.11 or newer" in output and "Traceback" not in output

    (tmp_path / "python3.11").symlink_to(SYSTEM_PYTHON)
    code, output = bare(python=python, path=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert code == 0 and output.endswith(("tiny 1.1\n", "tiny 1.3\n", "tiny 1.0\n")), output


def test_a_full_disk_is_said_before_anything_is_made(bare: Bare, tmp_path: Path) -> None:
    script = (
        "import runpy, shutil, sys; shutil.disk_usage = lambda _: shutil._ntuple_diskusage(9**9, 9**9, 5_000_000);"
        "sys.argv = ['', 'run']; runpy.run_module('tekana.embedded', run_name='__main__')"
    )
    shutil.rmtree(bare.venv, ignore_errors=True)

    done = subprocess.run([SYSTEM_PYTHON, "-c", script], cwd=bare.path, capture_output=True, text=True)

    assert done.returncode == 1
    assert "Not enough disk space" in done.stderr and "5 MB free" in done.stderr
    assert not bare.venv.exists()
