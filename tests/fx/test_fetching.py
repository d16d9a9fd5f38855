"""Fetching over real HTTP from a server of our own; and the addresses that are not asked."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.models import JobRun
from fx import fetching, services
from fx.errors import InvalidRateSource, NotFetched, RateFileRefused
from fx.models import Rate, RateLoad
from tests.fx.conftest import cbk, today

pytestmark = pytest.mark.django_db


class Server(ThreadingHTTPServer):
    answer: Any = (200, {}, b"")
    asked: int = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.asked += 1
        status, headers, body = server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    settings.FX_FETCH_PRIVATE, settings.FX_FETCH_HOUR = True, 0
    made = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    made.answer = (200, {}, cbk(f"{today():%d/%m/%Y},US DOLLAR,130,129,131"))
    settings.FX_SOURCE_URLS = {"cbk": f"http://localhost:{made.server_port}/rates/today.csv"}
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_source_with_an_address_is_fetched_and_loaded(server: Server) -> None:
    load = services.fetch_rates("cbk")

    assert (load.state, load.added, load.file_name) == ("loaded", 1, "today.csv")
    assert Rate.objects.get().mid == 130


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b""), "answered 404"),
        ((302, {"Location": "http://127.0.0.1/"}, b""), "answered 302"),
        ((200, {"Content-Encoding": "gzip"}, b"x"), "packed"),
        ((200, {}, b"x" * 3_000_000), "larger than"),
    ],
)
def test_what_is_no_file_of_rates_is_not_taken(server: Server, settings: Any, answer: Any, said: str) -> None:
    server.answer, settings.FX_FILE_BYTES = answer, 2**20

    with pytest.raises(NotFetched, match=said):
        services.fetch_rates("cbk")

    assert RateLoad.objects.get().state == "not_fetched" and said in RateLoad.objects.get().problem
    assert server.asked == 1, "no redirect is followed"


def test_a_server_that_is_slow_or_gone_is_given_up(server: Server, settings: Any) -> None:
    settings.FX_FETCH_SECONDS = -1
    with pytest.raises(NotFetched, match="longer than"):
        services.fetch_rates("cbk")
    settings.FX_SOURCE_URLS = {"cbk": "http://127.0.0.1:1/"}
    with pytest.raises(NotFetched, match="could not be reached"):
        services.fetch_rates("cbk")


def test_a_page_instead_of_a_file_is_refused_as_a_file(server: Server) -> None:
    server.answer = (200, {}, b"<html>maintenance</html>")
    with pytest.raises(RateFileRefused):
        services.fetch_rates("cbk")
    assert RateLoad.objects.get().state == "refused"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fd00::1",
     "fe80::1%eth0", "::ffff:127.0.0.1", "2002:7f00:1::", "224.0.0.1"],
)  # fmt: skip
def test_an_address_inside_is_never_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [public, entry])
    connected: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: connected.append(args))

    with pytest.raises(NotFetched, match="not on the public internet"):
        fetching.fetch("https://rates.example/daily.xml")

    assert connected == []


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means something else a moment later leads nowhere else."""
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [public])
    asked: list[Any] = []

    def connect(address: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(address)
        raise OSError("not from here")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(NotFetched):
        fetching.fetch("https://rates.example/daily.xml")

    assert asked == [("93.184.215.14", 443)]


@pytest.mark.parametrize(
    "url", ["http://rates.example/", "https://rates.example:22/", "ftp://rates.example/", "https:///x", "https://[::1"]
)
def test_an_address_that_is_none_of_ours_is_refused_before_anybody_is_asked(url: str) -> None:
    with pytest.raises(InvalidRateSource):
        fetching.fetch(url)


# --- By the clock -----------------------------------------------------------------------------------------------------


@pytest.fixture
def weekday(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "is_business_day", lambda day, calendar: True)


@pytest.mark.django_db(transaction=True)
def test_a_daily_source_is_asked_once_a_day(server: Server, weekday: None) -> None:
    assert [services.fetch_all_due(), services.fetch_all_due()] == [1, 0]

    assert server.asked == 1
    assert JobRun.objects.get(job="fx-rates-cbk").finished_at is not None


@pytest.mark.django_db(transaction=True)
def test_what_fails_is_tried_again_later_and_stops_nobody_else(server: Server, weekday: None, settings: Any) -> None:
    settings.FX_SOURCE_URLS |= {"cbn": "http://127.0.0.1:1/"}

    assert services.fetch_all_due() == 1

    assert RateLoad.objects.get(source="cbn").state == "not_fetched"
    assert JobRun.objects.get(job="fx-rates-cbn").finished_at is None


@pytest.mark.django_db(transaction=True)
def test_a_live_source_is_asked_at_every_tick(server: Server) -> None:
    services.set_source(
        code="live", name="Live", format="cbk", daily=False, max_age=15, url=server_url(server), actor=None
    )
    settings_free = services.fetch_all_due(), services.fetch_all_due()

    assert settings_free[0] >= 1 and RateLoad.objects.filter(source="live").count() == 2


def server_url(server: Server) -> str:
    return f"http://localhost:{server.server_port}/"


def test_without_an_address_nobody_is_asked(db: None) -> None:
    assert services.fetch_all_due() == 0
    with pytest.raises(NotFetched, match="no address"):
        services.fetch_rates("ecb")
