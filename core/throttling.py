"""A token bucket per customer, or per address while nobody is signed in; one round trip to Valkey."""

import logging
import math
import time
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core import context, valkey
from core.errors import RateLimited, Unavailable

if TYPE_CHECKING:  # DRF's views read this class while they are being imported
    from rest_framework.views import APIView

logger = logging.getLogger("tekana.throttling")

# The bucket as one number (GCRA): the moment at which it will be full again. A request takes one interval; it passes
# when the bucket was not empty. Valkey's own clock, so that all web processes agree.
TAKE = valkey.Script("""
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + interval
local wait = full - burst * interval - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return 0
""")
# After a failure Valkey is left alone so long: a web thread that waits for it serves nobody.
PAUSE_SECONDS = 1.0
_paused_until = 0.0


class CustomerThrottle(BaseThrottle):
    """THROTTLE_RATE tokens a second, THROTTLE_BURST at most. Without Valkey requests pass, except to views that say
    ``throttle_fails_closed = True``: what guards passwords must not be switched off by switching off a cache."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        principal = getattr(request.user, "principal", None)
        wait = take(principal or f"ip:{context.client_ip.get()}")
        if wait is None:
            if getattr(view, "throttle_fails_closed", False):
                raise Unavailable(retry_after=2)
            return True
        if wait:
            raise RateLimited(retry_after=math.ceil(wait), rate_limit=settings.THROTTLE_BURST)
        return True


class FileThrottle(BaseThrottle):
    """For doors that read whole files, beside the bucket of all: FILES_BURST at once, then one every FILES_SECONDS."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if request.method != "POST":
            return True
        who = getattr(request.user, "principal", None) or f"ip:{context.client_ip.get()}"
        wait = take(f"files:{who}", settings.FILES_SECONDS * 1_000_000, settings.FILES_BURST)
        if wait:
            raise RateLimited(retry_after=math.ceil(wait), rate_limit=settings.FILES_BURST)
        return True


def take(who: str, interval: int = 0, burst: int = 0) -> float | None:
    """Take one token: 0 when there was one, else the seconds until there is; None when Valkey does not answer.

    Args:
        interval, burst: microseconds in which a token comes back, and how many there are; 0: those of the settings.
    """
    global _paused_until
    if time.monotonic() < _paused_until:
        return None
    interval, burst = interval or 1_000_000 // settings.THROTTLE_RATE, burst or settings.THROTTLE_BURST
    try:
        wait = TAKE(valkey.key("throttle", who), interval, burst)
    except redis.RedisError:
        _paused_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("throttle is open: Valkey does not answer")
        return None
    return wait / 1_000_000
