"""The process's one Valkey client, for counters and streams; Celery keeps its own connections."""

import hashlib
import socket
import threading
from functools import cache
from typing import Any

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


class Script:
    """A Lua script that answers a whole number, asked at every request: on a connection of each thread's own, by one
    write and one read of the socket. redis-py connects (address, password, TLS, timeouts are its affair) and is then
    left out: its `eval` takes four times the processor time of the question."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest().encode()
        self._own = threading.local()

    def __call__(self, key: str, *args: int) -> int:
        """Run it for ``key``. Raises: redis.RedisError within about a second when Valkey is away.

        Where the server has closed the connection meanwhile, or forgotten the script, it is asked anew, once.
        """
        words = [b"EVALSHA", self._sha, b"1", key.encode(), *[b"%d" % arg for arg in args]]
        command = b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
        pool = client().connection_pool
        # Not kept while it is asked: what still comes after an error must not be taken for the next answer.
        made_by, connection = self._own.__dict__.pop("kept", (None, None))
        kept = made_by is pool
        try:
            if not kept:
                connection = self._connected(pool)
            answer = _exchange(connection._sock, command)
        except (OSError, redis.RedisError) as exc:
            if kept:
                return self(key, *args)
            raise redis.ConnectionError(str(exc)) from exc
        self._own.kept = pool, connection
        return answer

    def _connected(self, pool: redis.ConnectionPool) -> Any:
        connection = pool.connection_class(**pool.connection_kwargs)
        connection.connect()
        connection.send_command("SCRIPT", "LOAD", self._source)
        connection.read_response()
        return connection


def _exchange(sock: socket.socket, command: bytes) -> int:
    """Send a command and read the number it is answered with. Raises: OSError, redis.ResponseError."""
    sock.sendall(command)
    answer = b""
    while not answer.endswith(b"\r\n"):
        if not (part := sock.recv(4096)):
            raise ConnectionResetError("Valkey has closed the connection")
        answer += part
    if not answer.startswith(b":"):
        raise redis.ResponseError(answer.decode(errors="replace").strip())
    return int(answer[1:])
