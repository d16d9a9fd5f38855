"""An operation to try the mechanism with: it puts a word into a list, and what it would do can be changed under it."""

from typing import Any

from core.errors import Declined
from staff.approvals import About, Fact, Leg, Operation, Preview, Row
from staff.models import Approval, User

NAMES = "tests.staff.operations.word"


class NoMoreWords(Declined):
    code, title = "no_more_words", "There are words enough"


class Word(Operation):
    name = "word"
    title = "Word"
    request = "transactions.reverse"
    check = "transactions.approve_reversal"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.said: list[tuple[str, str, str]] = []
        self.world = "quiet"
        self.weather = "dry"
        self.refuses = False

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"word": str(params["word"])}

    def about(self, params: dict[str, Any]) -> About:
        return About(title=f"Say {params['word']}", subject=Row("tests.word", params["word"], "Word"))

    def preview(self, params: dict[str, Any]) -> Preview:
        if self.refuses:
            raise NoMoreWords()
        leg = Leg(account="a:b", name="Words", side="debit", amount_minor=100, currency="KES", balance_after_minor=1)
        return Preview(facts=[Fact("World", self.world)], legs=[leg], context=[Fact("Weather", self.weather)])

    def apply(self, approval: Approval, *, checker: User) -> Row:
        self.said.append((approval.params["word"], approval.maker.principal, checker.principal))
        return Row("tests.word", "1", "A word")


word = Word()
