"""Files of rates over HTTP, from addresses that people typed in: only the public internet, over TLS, small, soon.

The name is resolved once, every address it has must be public, and the connection goes to the one that was looked at: a
name that means another address a moment later leads nowhere. No redirect is followed, no proxy of the environment used.
"""

import ipaddress
import socket
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
from django.conf import settings

from fx.errors import InvalidRateSource, NotFetched

CONNECT_SECONDS = 5
CHUNK = 64 * 1024


class Fetched(NamedTuple):
    name: str
    content: bytes


def check_url(url: str) -> None:
    """What can be said of an address without asking anybody. Raises: InvalidRateSource."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise InvalidRateSource("This is no address.") from exc
    schemes = ("https", "http") if settings.FX_FETCH_PRIVATE else ("https",)
    if parts.scheme not in schemes or not parts.hostname or parts.username or parts.password:
        raise InvalidRateSource("An address begins with https:// and names a host, without a user.")
    if not settings.FX_FETCH_PRIVATE and port not in (None, 443):
        raise InvalidRateSource("An address has no port of its own.")


def fetch(url: str) -> Fetched:
    """The file behind ``url``, within ``settings.FX_FETCH_SECONDS``. Raises: InvalidRateSource, NotFetched."""
    check_url(url)
    parts, deadline = urlsplit(url), time.monotonic() + settings.FX_FETCH_SECONDS
    assert parts.hostname
    address = _address(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
    host = f"[{address}]" if ":" in address else address
    to = parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host, fragment="").geturl()
    headers = {"Host": parts.netloc, "User-Agent": "Tekana", "Accept-Encoding": "identity"}
    content = bytearray()
    try:
        with (
            httpx2.Client(timeout=CONNECT_SECONDS, follow_redirects=False, trust_env=False) as client,
            # The certificate is that of the name, though the connection goes to a number.
            client.stream("GET", to, headers=headers, extensions={"sni_hostname": parts.hostname}) as answer,
        ):
            if answer.status_code != 200:
                raise NotFetched(f"{parts.hostname} answered {answer.status_code}.")
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise NotFetched(f"{parts.hostname} sent something packed, unasked.")
            for chunk in answer.iter_raw(CHUNK):
                content += chunk
                if len(content) > settings.FX_FILE_BYTES:
                    raise NotFetched(f"It is larger than {settings.FX_FILE_BYTES // 2**20} MB.")
                if time.monotonic() > deadline:
                    raise NotFetched(f"{parts.hostname} took longer than {settings.FX_FETCH_SECONDS} s.")
    except httpx2.HTTPError as exc:
        raise NotFetched(f"{parts.hostname} could not be reached ({type(exc).__name__}).") from exc
    return Fetched(parts.path.rpartition("/")[2][:200] or parts.hostname[:200], bytes(content))


def _address(host: str, port: int) -> str:
    """The address to connect to. Raises: NotFetched where one of the name's is not public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise NotFetched(f"There is no {host[:80]}.") from exc
    addresses = [str(entry[4][0]) for entry in found]
    if not settings.FX_FETCH_PRIVATE and not all(_is_public(address) for address in addresses):
        raise NotFetched(f"{host[:80]} is not on the public internet.")
    return addresses[0]


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (mapped is None or mapped.is_global)
