"""What every staff page is made of: the read-only base admin, pages of panels, dialogs, capped lists, one search.

An app's `admin.py` describes what staff see of its nouns. Where a higher app has something to show on the page of a
lower app's noun (a customer's wallets, a wallet's freezes), it contributes a panel; what it can find, it contributes a
finder.
"""

from core.admin.base import StaffAdmin
from core.admin.dialogs import ReasonForm, StaffForm, staff_action
from core.admin.lists import MadeBetween, choice_filter
from core.admin.pages import (
    Facts,
    Header,
    Panel,
    Part,
    Table,
    badge,
    code,
    link,
    moment,
    money,
    notice,
    page_url,
    panel,
    words,
)
from core.admin.places import place
from core.admin.search import Hit, finder

__all__ = [
    "Facts",
    "Header",
    "Hit",
    "MadeBetween",
    "Panel",
    "Part",
    "ReasonForm",
    "StaffAdmin",
    "StaffForm",
    "Table",
    "badge",
    "choice_filter",
    "code",
    "finder",
    "link",
    "moment",
    "money",
    "notice",
    "page_url",
    "panel",
    "place",
    "staff_action",
    "words",
]
