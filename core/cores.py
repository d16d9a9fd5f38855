"""One core for each web process.

Python runs one thread of a process at a time, and hands over at each wait. Where the threads wander between cores, each
hand-over wakes another core and finds its caches cold; on one core it is a quarter to a third cheaper.
"""

import os
import socket

_claims: list[socket.socket] = []  # held until the process ends, however it ends


def keep_to_one() -> int | None:
    """Move this process, with the threads it has and will have, to a core that no sibling keeps to; which one.

    None where each core has a process already, or the system (it must be Linux) has no say in it. Siblings are what has
    the same parent. The kernel lends each name to one socket and takes it back at the end, so a core is never lost.
    """
    for core in sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0tekana-core-{os.getppid()}-{core}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), {core})
        return core
    return None
