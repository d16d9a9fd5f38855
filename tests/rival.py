"""A process that posts for itself: ``python -m tests.rival WALLET WALLET HOW_MANY`` sends 1 back and forth.

So that accounts are locked from more than one process; run by `tests/racing.py`. Prints how many ended how.
"""

import collections
import json
import sys

import django

if __name__ == "__main__":
    django.setup()

    from tests.books import transfer
    from transactions.posting import post_one
    from wallets.models import Wallet

    here, there, times = sys.argv[1:]
    wallets = [Wallet.objects.get(pk=here), Wallet.objects.get(pk=there)]
    states: collections.Counter[str] = collections.Counter()
    for n in range(int(times)):
        outcome = post_one(transfer(wallets[n % 2], wallets[1 - n % 2], 1))
        states[outcome.error.code if outcome.error else outcome.state] += 1
    print(json.dumps(states))
