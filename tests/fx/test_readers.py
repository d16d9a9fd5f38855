"""Files in the shapes of the banks, written by hand: read whole and right, or refused with line and field."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from fx.errors import InvalidRateSource, RateFileRefused
from fx.models import RateSource
from fx.readers.base import Read
from fx.readers.generic import check_options
from fx.readers.reading import read

DAY = datetime(2026, 3, 2, tzinfo=UTC)
ECB_CSV = "Date,USD,JPY,CYP,\n2026-03-02,1.0389,163.06,N/A,\n2026-02-27,1.04,163,N/A,\n"
ECB_DAILY = "Date, USD, JPY, \n2 March 2026, 1.0389, 163.06, \n"
ECB_XML = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:Sender><gesmes:name>Invented</gesmes:name></gesmes:Sender>
<Cube>
<Cube time='2026-03-02'>
<Cube currency='USD' rate='1.0389'/>
<Cube currency='JPY' rate='163.06'/>
</Cube>
<Cube time='2026-02-27'><Cube currency='USD' rate='1.04'/><Cube currency='JPY' rate='163'/></Cube>
</Cube>
</gesmes:Envelope>
"""
CBK = "Date,Currency,Mean,Buy,Sell\n02/03/2026,US DOLLAR,130.5,130.1,130.9\n02/03/2026,KES / USHS,28.5,28.4,28.6\n"
CBK_AVERAGE = '"Date","Currency","EXCHANGE RATE"\n"02/03/2026","JPY (100)","83.0702"\n"02/03/2026","EURO","140.8864"\n'
CBN = '"DATE","NFEM RATE","HIGHEST RATE","LOWEST RATE","FILE NO"\n"March-02-2026","1500.25","1510","1490","001"\n'
CBN_LIST = (
    "Rate Date,Currency,Rate Year,Rate Month,Buying Rate,Central Rate,Selling Rate\n"
    "3/2/2026,US DOLLAR,2026,March,1500,1500.5,1501\n3/2/2026,WAUA,2026,March,1,2,3\n"
)
JSON = '{"date": "2026-03-02",\n "usd": {\n  "kes": 130.5,\n  "rwf": 1450,\n  "btc": 0.00001,\n  "usd": 1\n }}'
BY_PATHS = {"date": "date", "rates": "usd", "base": "USD"}


def rates(form: str, content: str | bytes, of: date | None = None, **options: Any) -> list[Read]:
    raw = content.encode() if isinstance(content, str) else content
    return read(RateSource(format=form, options=options), raw, of=of).rates


def said(found: list[Read]) -> list[tuple[str, str, str]]:
    return [(f"{one.base}/{one.quote}", f"{one.as_of:%m-%d}", f"{one.mid.normalize():f}") for one in found]


@pytest.mark.parametrize(
    "content", [ECB_CSV, "\ufeff" + ECB_CSV.replace("\n", "\r\n"), ECB_XML], ids=["csv", "bom", "xml"]
)
def test_the_ecb_says_units_per_euro(content: str) -> None:
    assert said(rates("ecb", content)) == [
        ("EUR/USD", "03-02", "1.0389"), ("EUR/JPY", "03-02", "163.06"),
        ("EUR/USD", "02-27", "1.04"), ("EUR/JPY", "02-27", "163"),
    ]  # fmt: skip


def test_its_daily_csv_writes_days_in_words() -> None:
    assert said(rates("ecb", ECB_DAILY)) == [("EUR/USD", "03-02", "1.0389"), ("EUR/JPY", "03-02", "163.06")]


def test_kenya_says_shillings_per_unit_but_for_its_neighbours() -> None:
    found = rates("cbk", CBK)

    assert said(found) == [("USD/KES", "03-02", "130.5"), ("KES/UGX", "03-02", "28.5")]
    assert (found[0].bid, found[0].ask) == (Decimal("130.1"), Decimal("130.9"))


def test_kenya_prices_a_hundred_yen_and_its_lines_may_end_in_cr_alone() -> None:
    assert said(rates("cbk", CBK_AVERAGE.replace("\n", "\r"))) == [
        ("JPY/KES", "03-02", "0.830702"), ("EUR/KES", "03-02", "140.8864"),
    ]  # fmt: skip


def test_a_snapshot_is_of_the_day_that_is_said() -> None:
    content = "\ufeffCurrency,Mean,Buy,Sell\nEURO,140,139,141\n"

    assert said(rates("cbk", content, of=date(2026, 3, 2))) == [("EUR/KES", "03-02", "140")]


def test_nigeria_in_both_shapes() -> None:
    assert said(rates("cbn", CBN)) == [("USD/NGN", "03-02", "1500.25")]
    found = rates("cbn", CBN_LIST)
    assert said(found) == [("USD/NGN", "03-02", "1500.5")]
    assert (found[0].bid, found[0].ask) == (1500, 1501)


def test_json_by_paths_and_csv_by_columns() -> None:
    assert said(rates("json", JSON, **BY_PATHS)) == [("USD/KES", "03-02", "130.5"), ("USD/RWF", "03-02", "1450")]
    assert said(rates("json", JSON, **BY_PATHS, turned=True, per=100))[0] == ("KES/USD", "03-02", "1.305")
    content = "on,rate\n02/03/2026,17.5\n"
    options = {"date": "on", "base": "=USD", "quote": "=ZAR", "rate": "rate", "day": "d/m/y"}
    assert said(rates("csv", content, **options)) == [("USD/ZAR", "03-02", "17.5")]


@pytest.mark.parametrize("stamp", ["1772409600", '"2026-03-02T00:00:00Z"', '"2026-03-02"'])
def test_a_time_in_json_is_a_day_an_instant_or_seconds(stamp: str) -> None:
    assert rates("json", JSON.replace('"2026-03-02"', stamp), **BY_PATHS)[0].as_of == DAY


def test_the_same_rate_twice_is_one_and_utf_16_is_text() -> None:
    twice = CBN + CBN.splitlines()[1]
    reading = read(RateSource(format="cbn"), twice.encode("utf-16"))

    assert (len(reading.rates), reading.left_out) == (1, {"the same rate again": 1})


REFUSED = {
    "another rate for the same day": ("cbk", CBK + "02/03/2026,US DOLLAR,131,130,132\n", 4, "US DOLLAR"),
    "no number": ("ecb", ECB_CSV.replace("163.06", "163,06"), 2, ""),
    "a comma for a point": ("ecb", ECB_CSV.replace("163.06", '"163,06"'), 2, "JPY"),
    "an exponent": ("ecb", ECB_CSV.replace("163.06", "1e2"), 2, "JPY"),
    "nothing where a rate should be": ("ecb", ECB_CSV.replace("163.06", ""), 2, "JPY"),
    "zero": ("ecb", ECB_CSV.replace("163.06", "0"), 2, "JPY"),
    "a sign": ("ecb", ECB_CSV.replace("163.06", "-163.06"), 2, "JPY"),
    "more digits than are kept": ("ecb", ECB_CSV.replace("163.06", "0.1234567890123"), 2, "JPY"),
    "a currency nobody knows": ("ecb", ECB_CSV.replace("JPY", "QQQ"), 1, "qqq"),
    "the same column twice": ("ecb", ECB_CSV.replace("JPY", "USD"), 1, "usd"),
    "a line cut off": ("ecb", ECB_CSV[:-8], 3, ""),
    "a day that is none": ("ecb", ECB_CSV.replace("2026-02-27", "2026-02-30"), 3, "Date"),
    "the future": ("ecb", ECB_CSV.replace("2026-03-02", "2126-03-02"), 2, "USD"),
    "an empty file": ("ecb", "", 1, ""),
    "a head alone": ("ecb", "Date,USD,\n", 1, ""),
    "a web page": ("ecb", "<html><body>Not found</body>", 1, ""),
    "xml cut off": ("ecb", ECB_XML[:-40], 9, ""),
    "a rate outside of a day": ("ecb", ECB_XML.replace(" time='2026-03-02'", ""), 6, "USD"),
    "a document type": ("ecb", ECB_XML.replace("?>", '?><!DOCTYPE a [<!ENTITY b "c">]>', 1), 1, "DOCTYPE"),
    "words nobody knows": ("cbk", CBK.replace("US DOLLAR", "US DOLLARS"), 2, "Currency"),
    "month before day": ("cbk", CBK.replace("02/03/2026,US", "03/22/2026,US"), 2, "Date"),
    "mean outside of buy and sell": ("cbk", CBK.replace("130.5", "13.05"), 2, "US DOLLAR"),
    "a column less": ("cbk", CBK.replace(",Sell", "").replace(",130.9", "").replace(",28.6", ""), 1, "sell"),
    "no day anywhere": ("cbk", "Currency,Mean,Buy,Sell\nEURO,140,139,141\n", 1, "Date"),
    "a rate outside of the day's trades": ("cbn", CBN.replace("1500.25", "15002.5"), 2, "NFEM RATE"),
    "another bank's file": ("cbn", CBK, 1, "rate date"),
    "NUL": ("cbk", CBK.replace("EURO", "\x00") + "\x00", 4, ""),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_cannot_be_read_is_refused_with_line_and_field(what: str) -> None:
    form, content, line, field = REFUSED[what]

    with pytest.raises(RateFileRefused) as refused:
        rates(form, content)

    assert (refused.value.facts["line"], refused.value.facts["field"]) == (line, field)
    assert f"Line {line}" in refused.value.detail


@pytest.mark.parametrize(
    ("content", "line", "field"),
    [
        (JSON[:-3], 7, ""),
        (JSON.replace("130.5", "true"), 3, "usd.kes"),
        (JSON.replace("130.5", "NaN"), 3, "usd.kes"),
        (JSON.replace("130.5", "1e999999999"), 3, "usd.kes"),
        (JSON.replace("130.5", "1e-999999999"), 3, "usd.kes"),
        (JSON.replace("130.5", "1." + "0" * 40 + "1"), 3, "usd.kes"),
        (JSON.replace('"rwf": 1450', '"kes": 131'), 1, "kes"),
        (JSON.replace('"usd": {', '"gbp": {'), 6, "usd"),
        (JSON.replace('"date"', '"when"'), 1, "date"),
        (JSON.replace("2026-03-02", "yesterday"), 1, "date"),
        (JSON.replace('"2026-03-02"', "1e999999999"), 1, "date"),
        (JSON.replace('"2026-03-02"', "1772409600.5"), 1, "date"),
        ("[1, 2]", 1, "date"),
        ("[" * 100_000, 1, ""),
    ],
)
def test_json_too(content: str, line: int, field: str) -> None:
    with pytest.raises(RateFileRefused) as refused:
        rates("json", content, **BY_PATHS)

    assert refused.value.facts["line"] == line
    assert refused.value.facts["field"].startswith(field)


def test_text_that_is_not_utf_8_says_where() -> None:
    with pytest.raises(RateFileRefused, match="Line 2: not UTF-8 text"):
        rates("cbk", CBK.encode().replace(b"US DOLLAR", b"US D\xd6LLAR"))


@pytest.mark.parametrize(
    ("form", "options"),
    [("json", {}), ("json", BY_PATHS | {"per": 7}), ("csv", BY_PATHS), ("ecb", {"rates": "x"}),
     ("json", BY_PATHS | {"speed": 1}), ("json", BY_PATHS | {"turned": "yes"})],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(form: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRateSource):
        check_options(form, options)
