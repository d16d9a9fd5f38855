"""The process's one Valkey client, for counters and streams; Celery keeps its own connections."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def client() -> redis.Redis:
    """Made at first use, shared by all threads. Every call is bounded: a customer waits for no counter.

    Raises (on use): redis.RedisError within about a second when Valkey is away. One retry replaces a pooled connection
    that the server has closed meanwhile; nothing else is retried.
    """
    pool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=64,
        timeout=2,  # seconds for one of them to come free
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 1),
    )
    return redis.Redis(connection_pool=pool)


def key(*parts: str) -> str:
    """``key("throttle", who)``: below the prefix of this installation, so that several may share one server."""
    return settings.VALKEY_PREFIX + ":".join(parts)
