import json
from decimal import Decimal
from io import BytesIO

import pytest
from django.test import RequestFactory

from core.chunks import MAX_BODY_BYTES
from core.errors import BodyTooLarge, MalformedBody
from core.parsing import read_object
from tekana.wsgi import application


def test_numbers_are_exact():
    assert read_object(b'{"a": 850.1, "b": 0.2, "c": 12, "d": 1e2}') == {
        "a": Decimal("850.1"),
        "b": Decimal("0.2"),
        "c": 12,
        "d": Decimal("1E+2"),
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"12",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": "\x00"}',
        b'{"a": "\\u0000"}',
        b'{"a\\u0000": 1}',
        b'{"a": ["\\ud800"]}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a": 1} {"b": 2}',
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"a": ' + b"9" * 5_000 + b"}",
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(body):
    with pytest.raises(MalformedBody):
        read_object(body)


def test_escaped_pairs_and_backslashes_are_text_like_any_other():
    assert read_object(rb'{"a": "\ud83d\ude00 \\u0000"}') == {"a": "\U0001f600 \\u0000"}


def test_a_body_over_64_kb_is_refused():
    with pytest.raises(BodyTooLarge):
        read_object(b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}')


def test_over_http_the_same(client):
    def sent(body, content_type="application/json"):
        return client.post("/v1/echo", body, content_type=content_type)

    assert (sent(b"{").status_code, sent(b"{").json()["code"]) == (400, "malformed_body")
    large = sent(b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}')
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a"):
        form = sent(b'{"name": "x"}', content_type)
        assert (form.status_code, form.json()["code"]) == (415, "unsupported_media_type")
    assert sent(b'{"name": "x"}', "application/json; charset=utf-8").status_code == 200


def test_a_body_in_chunks_is_read_and_bounded(db, settings):
    settings.ROOT_URLCONF = "tests.core.doors"

    def sent(body):
        answer = []
        environ = RequestFactory().post("/v1/echo", content_type="application/json").environ
        del environ["CONTENT_LENGTH"]
        environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO(body)}
        content = b"".join(application(environ, lambda status, headers: answer.append(status)))
        return answer[0], json.loads(content)

    assert sent(b'{"name": "x"}') == ("200 OK", {"name": "x"})
    assert sent(b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}')[1]["code"] == "body_too_large"
