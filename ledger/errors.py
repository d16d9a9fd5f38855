"""What the books refuse."""

from core.errors import Conflict, NotFound


class AccountNotFound(NotFound):
    code, title = "account_not_found", "No such ledger account"


class AccountNotEmpty(Conflict):
    code, title = "account_not_empty", "The account still holds or promises money"


class PeriodNotOver(Conflict):
    code, title = "period_not_over", "This period is not over yet"


class NothingToClose(Conflict):
    """The books have nothing as early as that: closing is for good, and a mistyped year would be."""

    code, title = "nothing_to_close", "The books begin later"


class PeriodClosed(Conflict):
    code, title = "period_closed", "This period is closed already"


class BooksNotProven(Conflict):
    code, title = "books_not_proven", "The books are not proven since the end of this period"
