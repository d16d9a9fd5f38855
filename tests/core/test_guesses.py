from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis

from core import context, guesses, valkey


@pytest.fixture
def at_home():
    token = context.client_ip.set("203.0.113.7")
    yield
    context.client_ip.reset(token)


def test_of_many_at_once_no_more_are_taken_than_allowed(settings):
    barrier = Barrier(200)

    def guess(_):
        barrier.wait()
        return [guesses.take("customers", "+254712345678") for _ in range(5)]

    with ThreadPoolExecutor(200) as pool:
        waits = [wait for found in pool.map(guess, range(200)) for wait in found]

    assert len(waits) == 1_000
    assert waits.count(0) == settings.LOGIN_GUESSES == 5
    assert all(0 < wait <= settings.LOGIN_GUESS_WINDOW_SECONDS for wait in waits if wait)


def test_an_address_may_be_wrong_more_often_than_an_account_and_not_for_ever(settings, at_home):
    settings.LOGIN_GUESSES_PER_ADDRESS = 12

    waits = [guesses.take("customers", f"account{n}") for n in range(15)]

    assert waits.count(0) == 12
    assert waits[-1] > 0


def test_being_right_clears_the_account_and_takes_one_off_the_address(settings, at_home):
    settings.LOGIN_GUESSES_PER_ADDRESS = 6
    for _ in range(5):
        assert guesses.take("customers", "a") == 0
    assert guesses.take("customers", "a") > 0

    guesses.give_back("customers", "a")

    assert [guesses.take("customers", "b") == 0 for _ in range(3)] == [True, True, False]


def test_the_window_slides(settings):
    settings.LOGIN_GUESS_WINDOW_SECONDS = 1
    key = guesses.account_counter("customers", "a")
    for _ in range(5):
        guesses.take("customers", "a")
    assert guesses.take("customers", "a") == 1
    oldest = valkey.client().zrange(key, 0, 0)

    # the first guess falls out of the window; the other four stay in it
    valkey.client().zincrby(key, -1_000_000, oldest[0])

    assert guesses.take("customers", "a") == 0
    assert guesses.take("customers", "a") == 1


def test_a_refused_guess_does_not_lengthen_the_wait(settings):
    for _ in range(5):
        guesses.take("customers", "a")
    first = guesses.take("customers", "a")

    for _ in range(20):
        assert guesses.take("customers", "a") <= first


def test_purposes_are_apart_and_names_are_one_in_any_case():
    for _ in range(5):
        guesses.take("customers", "Aline")

    assert guesses.take("customers", " ALINE ") > 0
    assert guesses.take("staff", "aline") == 0


def test_valkey_holds_no_names_or_addresses(at_home, settings):
    guesses.take("customers", "+254712345678")

    keys = [key.decode() for key in valkey.client().scan_iter(f"{settings.VALKEY_PREFIX}*", count=10_000)]
    assert len(keys) == 2
    assert not any("254712345678" in key or "203.0.113.7" in key for key in keys)
    assert all(valkey.client().pttl(key) > 0 for key in keys)


def test_without_valkey_nothing_can_be_counted(valkey_down):
    with pytest.raises(redis.RedisError):
        guesses.take("customers", "a")
