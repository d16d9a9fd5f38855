"""Our camt.053 against the published schema of ISO 20022, where it lies beside the project."""

from pathlib import Path

import pytest

from statements.files import camt053
from statements.services import state
from tests.statements.conftest import Lived, at, clock, world  # noqa: F401 (fixtures)
from tests.xsd import Schema

XSD = Path(__file__).resolve().parents[3] / "shared" / "data" / "payment_files" / "xsd" / "camt.053.001.08.xsd"

pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not XSD.exists(), reason=f"no {XSD.name} beside the project")]


def test_camt053_is_valid_by_the_schema_of_iso_20022(world: Lived) -> None:  # noqa: F811
    schema = Schema(XSD)
    for first, last in ((at(1, 0), at(28, 0)), (at(1, 0, month=1), at(2, 0, month=1))):
        stated = state(world.shop, first.date(), last.date())
        document = b"".join(camt053.parts(stated._replace(number=3, sha256="0" * 64)))

        assert schema.faults(document) == []

    assert document.count(b"<Ntry>") == 0
    whole = b"".join(camt053.parts(state(world.shop, at(1, 0).date(), at(28, 0).date())))
    spoilt = {
        b"<CdtDbtInd>DBIT": b"<CdtDbtInd>DEBIT", b"<Cd>BOOK</Cd>": b"", b'Ccy="KES"': b"", b"<MsgId>": b"<MsgId>000000",
        b"<NtryRef>": b"<Ref>x</Ref><NtryRef>", b"110.00</Amt>": b"110.0000001</Amt>",
    }  # fmt: skip
    for right, wrong in spoilt.items():  # the reader of schemas sees what is wrong
        assert right in whole and schema.faults(whole.replace(right, wrong, 1)), right
