"""The proof of the books, run and kept: by a command when somebody asks, by the clock once a day."""

import logging
from collections.abc import Callable

from core.jobs import once_a_day
from ledger.services import keep_proof
from ledger.verify import Check
from transactions.verify import Proof, verify

logger = logging.getLogger(__name__)


def prove(progress: Callable[[Check], None] = lambda check: None) -> Proof:
    """Check every invariant and keep what was found; each offender is an error in the log."""
    proof = verify(progress)
    keep_proof(at=proof.at, findings=proof.findings, counts=proof.counts, milliseconds=proof.milliseconds)
    for number, name, wrong in proof.findings:
        logger.error("the books are broken", extra={"invariant": number, "offender": name, "wrong": wrong})
    return proof


def prove_daily() -> None:
    with once_a_day("prove_books") as day:
        if day:
            prove()
