"""Wrong passwords are counted before they are looked at, in Valkey, so that a thousand guesses at once are still five.

A guess counts for the account it is about and for the address it came from; being right takes it back.
"""

import logging
from collections.abc import Iterable

import redis
from django.conf import settings
from django.utils.crypto import salted_hmac

from core import context, valkey
from core.ids import uuid7

logger = logging.getLogger("tekana.guesses")

# One sorted set of moments per counter: the window slides, so no fresh set of guesses is ever handed out at once. All
# counters or none: a guess is taken only when every one has room, and a refused one does not lengthen the wait.
# Returns microseconds to wait, 0 when taken.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local window, wait = tonumber(ARGV[1]), 0
for i, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
    if redis.call('ZCARD', key) >= tonumber(ARGV[i + 1]) then
        wait = math.max(wait, redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] + window - now)
    end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[#ARGV])
    redis.call('PEXPIRE', key, math.ceil(window / 1000))
end
return 0
"""


def take(purpose: str, account: str | None = None) -> int:
    """Count one guess at ``account`` from the request's address: 0 when there was room, else the seconds to wait.

    LOGIN_GUESSES per account and LOGIN_GUESSES_PER_ADDRESS per address in any LOGIN_GUESS_WINDOW_SECONDS.
    Args:
        purpose: ``staff`` or ``customers``: they are counted apart.
        account: None where none is named, as at registration. A command has no address; with neither, nothing counts.
    Raises: redis.RedisError when nothing can be counted; the caller then takes no guess.
    """
    limits = {}
    if account is not None:
        limits[account_counter(purpose, account)] = settings.LOGIN_GUESSES
    if context.client_ip.get():
        limits[address_counter(purpose)] = settings.LOGIN_GUESSES_PER_ADDRESS
    if not limits:
        return 0
    window = settings.LOGIN_GUESS_WINDOW_SECONDS * 1_000_000
    wait = int(valkey.client().eval(TAKE, len(limits), *limits, window, *limits.values(), uuid7().hex))
    return -(-wait // 1_000_000)


def give_back(purpose: str, account: str | None = None) -> None:
    """The guess was right: the account starts anew, the address is charged one less (others behind it may guess on)."""
    try:
        with valkey.client().pipeline(transaction=False) as pipe:
            if account is not None:
                pipe.delete(account_counter(purpose, account))
            pipe.zpopmax(address_counter(purpose))
            pipe.execute()
    except redis.RedisError:
        logger.warning("a right guess stays counted: Valkey does not answer")


def waits(purpose: str, accounts: Iterable[str]) -> dict[str, int]:
    """Which of these accounts are locked, and for how many seconds more. Raises: redis.RedisError."""
    names, most = list(accounts), settings.LOGIN_GUESSES
    with valkey.client().pipeline(transaction=False) as pipe:
        pipe.time()
        for name in names:
            pipe.zrange(account_counter(purpose, name), -most, -most, withscores=True)
        (seconds, micros), *oldest = pipe.execute()
    now = seconds * 1_000_000 + micros
    found = {}
    for name, guess in zip(names, oldest, strict=True):
        left = int(guess[0][1]) + settings.LOGIN_GUESS_WINDOW_SECONDS * 1_000_000 - now if guess else 0
        if left > 0:
            found[name] = -(-left // 1_000_000)
    return found


def are_spent(purpose: str, account: str) -> bool:
    """Whether that was the last guess for now; whoever guesses on is not even looked at. False while Valkey is away."""
    try:
        return bool(waits(purpose, [account]))
    except redis.RedisError:
        return False


def forget(purpose: str, account: str) -> None:
    """The account may be guessed at anew. Raises: redis.RedisError."""
    valkey.client().delete(account_counter(purpose, account))


def account_counter(purpose: str, account: str) -> str:
    return counter(purpose, "account", account.strip().casefold())


def address_counter(purpose: str) -> str:
    return counter(purpose, "address", context.client_ip.get())


def counter(purpose: str, kind: str, whose: str) -> str:
    """Who it is about goes in as a keyed hash: phone numbers, names and addresses stay out of the cache."""
    digest = salted_hmac(f"guesses.{purpose}", whose, algorithm="sha256").hexdigest()
    return valkey.key("guesses", purpose, kind, digest)
