"""The chain verified by the clock and on demand, and what was found, kept."""

import logging
import random
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from core.jobs import once_a_day
from evidence import selectors
from evidence.models import Check
from evidence.verify import Progress, Result, Stretch, verify

logger = logging.getLogger(__name__)

STRETCHES = 10  # of old blocks, so that their tables are not read from one end to the other for each single block
LOGGED = 100


def check(
    stretches: Sequence[Stretch] | None,
    scope: str,
    heads: Sequence[Path] = (),
    progress: Progress = lambda done, of: None,
) -> Result:
    """Verify and keep what was found; each fault is an error in the log."""
    result = verify(stretches, heads, progress)
    Check.objects.create(
        at=result.at, ok=result.ok, scope=scope, blocks=result.blocks, rows=result.rows, head=result.head,
        findings=[fault._asdict() for fault in result.faults], milliseconds=result.milliseconds,
    )  # fmt: skip
    for fault in result.faults[:LOGGED]:
        logger.error("the chain is broken", extra={"fault": fault._asdict()})
    return result


def check_daily() -> None:
    with once_a_day("check_chain") as day:
        if day and (head := selectors.head()):
            stretches, scope = todays(head.pk)
            check(stretches, scope, heads_files())


def heads_files() -> list[Path]:
    """Where we append heads ourselves; nothing before the first."""
    path = Path(settings.EVIDENCE_HEADS_FILE)
    return [path] if path.exists() or selectors.published_number() else []


def todays(head: int) -> tuple[list[Stretch], str]:
    """The last blocks, and stretches of older ones that nobody can foresee."""
    recent = max(head - settings.EVIDENCE_CHECK_BLOCKS + 1, 1)
    length = max(settings.EVIDENCE_CHECK_SAMPLE // STRETCHES, 1)
    starts = range(1, recent - length + 1, length)
    chosen = sorted(random.SystemRandom().sample(starts, min(STRETCHES, len(starts))))
    old = [Stretch(start, start + length - 1) for start in chosen]
    scope = f"blocks {recent} to {head}" + (f", and {len(old) * length} older ones by chance" if old else "")
    return [*old, Stretch(recent, head)], scope
