"""What the journeys measure pages with notices what is wrong: each fault is made on a page that has none."""

from typing import Any

import pytest

from tests.admin.conftest import World
from tests.journeys import test_admin_browser as day
from tests.journeys.looks import faults, reach, well_seen

pytestmark = [*day.pytestmark, pytest.mark.django_db(transaction=True)]
staff, world, browser, troubles, _committed, page = (
    day.staff, day.world, day.browser, day.troubles, day._committed, day.page
)  # fmt: skip

FAULTS = {
    "too wide": "document.querySelector('#main').insertAdjacentHTML('beforeend', '<p style=\"width: 3000px\">x</p>')",
    "contrast of": "document.querySelector('.page-title').style.color = 'oklch(70% .05 250 / .4)'",
    "is covered": "document.body.insertAdjacentHTML('beforeend', '<div style=\"position:fixed;inset:0;z-index:99\">')",
    "is not in the window": "document.querySelector('.actions a').style.translate = '-4000px'",
}


def test_each_fault_is_noticed(page: Any, world: World, troubles: list[str]) -> None:
    address = f"/admin/customers/customer/{world.wanjiku.pk}/change/"
    for wrong, make_it in FAULTS.items():
        page.goto(address)
        well_seen(page)
        page.evaluate(make_it)
        found = faults(page)
        assert any(wrong in fault for fault in found), (wrong, found)

    page.goto(address)
    page.evaluate("document.querySelectorAll('.wrapper a').forEach(link => link.tabIndex = -1)")
    with pytest.raises(AssertionError, match="not reached"):
        reach(page, page.locator(".page-title"))
    assert troubles == []
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'alert(1)'}))")
    page.wait_for_timeout(100)
    assert "Content Security Policy" in troubles.pop() and troubles == []
