"""10,000 payouts from one wallet through `post`, in chunks of 1,000, as a job makes them: rate and extra memory."""

import resource
import time

import django

django.setup()

from bench import data  # noqa: E402

PAYOUTS = 10_000

if __name__ == "__main__":
    wallets = data.everybody()
    payer, payees = wallets[0], wallets[1 : PAYOUTS + 1]
    data.bulk([data.transfer(payer, payee.id) for payee in payees[: data.CHUNK]])
    movements = [data.transfer(payer, payee.id) for payee in payees]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic_ns()
    data.bulk(movements)
    took = time.monotonic_ns() - started
    print("rate", PAYOUTS * 10**9 // took)
    print("extra_kb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
