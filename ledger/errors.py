"""What the books refuse."""

from core.errors import Conflict, NotFound


class AccountNotFound(NotFound):
    code, title = "account_not_found", "No such ledger account"


class AccountNotEmpty(Conflict):
    code, title = "account_not_empty", "The account still holds or promises money"
