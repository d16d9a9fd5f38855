import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are the kernel's affair there")

SIBLING = """
import os, sys, threading
from core import cores
early = threading.Event()
threading.Thread(target=early.wait, daemon=True).start()
core = cores.keep_to_one()
print(core, [sorted(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")], flush=True)
sys.stdin.read()
"""


def sibling() -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SIBLING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_siblings_keep_to_different_cores_and_a_core_outlives_its_process():
    cores = sorted(os.sched_getaffinity(0))
    siblings = [sibling() for _ in cores]
    try:
        assert sorted(map(told, siblings)) == sorted(f"{core} [[{core}], [{core}]]" for core in cores)
        one_too_many = sibling()
        siblings.append(one_too_many)
        assert told(one_too_many) == f"None [{cores}, {cores}]"

        siblings[0].kill()
        siblings[0].wait()
        siblings.append(sibling())

        assert told(siblings[-1]).startswith(tuple(f"{core} " for core in cores))
    finally:
        for process in siblings:
            process.kill()
            process.communicate()
