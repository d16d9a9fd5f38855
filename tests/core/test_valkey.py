"""The short way to a script, beside redis-py's own."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from core import valkey

COUNT = "return redis.call('INCRBY', KEYS[1], ARGV[1]) + ARGV[2]"


@pytest.fixture
def counter():
    name = valkey.key("test", "counter")
    valkey.client().delete(name)
    yield name
    valkey.client().delete(name)


def test_it_answers_what_eval_answers(counter):
    count = valkey.Script(COUNT)

    assert [count(counter, 2, 100), count(counter, 3, -1000)] == [102, -995]
    assert valkey.client().eval(COUNT, 1, counter, 1, 0) == 6


def test_many_threads_each_get_the_answer_to_their_own_question(counter):
    count = valkey.Script(COUNT)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: count(counter, 0, n), range(500)))

    assert answers == list(range(500))


def test_a_server_that_closed_the_connection_or_forgot_the_script_is_asked_anew(counter):
    count = valkey.Script(COUNT)
    count(counter, 1, 0)

    mine = max((c for c in valkey.client().client_list() if c["cmd"] == "evalsha"), key=lambda c: int(c["id"]))
    valkey.client().client_kill_filter(_id=mine["id"])
    assert count(counter, 1, 0) == 2
    valkey.client().script_flush()
    assert count(counter, 1, 0) == 3


def test_what_is_no_number_is_an_error_and_leaves_nothing_behind_for_the_next_question(counter):
    choose = valkey.Script("if ARGV[1] == '0' then return redis.error_reply('NO') end return ARGV[1] + 0")

    for _ in range(2):
        with pytest.raises(redis.RedisError, match="NO"):
            choose(counter, 0)
    assert choose(counter, 7) == 7


def test_a_server_that_is_away_is_an_error_of_redis(valkey_down):
    with pytest.raises(redis.RedisError):
        valkey.Script(COUNT)("any", 1, 1)
