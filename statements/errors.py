"""The refusals of statements."""

from core.errors import BadRequest, Conflict, NotFound


class StatementNotFound(NotFound):
    code, title = "statement_not_found", "No such statement"
    for_customer = "We could not find this statement."


class StatementDaysReversed(BadRequest):
    """`from` and `to` are both part of a statement, the earlier day first."""

    code, title = "statement_days_reversed", "The statement would end before it begins"
    for_customer = "The first day must not be after the last. Please choose the days again."


class StatementTooLong(BadRequest):
    """A statement covers at most 366 days; ask for one after the other."""

    code, title = "statement_too_long", "Too many days for one statement"
    for_customer = "A statement covers at most one year. Please choose fewer days."


class StatementInFuture(BadRequest):
    """A statement ends today at the latest, by the calendar of the customer's country."""

    code, title = "statement_in_future", "The days have not come yet"
    for_customer = "Please choose days up to today."


class StatementFormatNotOffered(BadRequest):
    """camt.053, MT940 and `merchant` are for accounts of businesses: SMEs, exporters, e-commerce, NGOs and
    start-ups."""

    code, title = "statement_format_not_offered", "This format is not offered for this type of account"
    for_customer = "This format is for business accounts. Please choose PDF or CSV."


class MerchantStatementNotOffered(BadRequest):
    """It is for accounts of businesses: SMEs, exporters, e-commerce, NGOs and start-ups. Of other wallets ask for the
    statement."""

    code, title = "merchant_statement_not_offered", "Only businesses have a merchant's statement"
    for_customer = "This is for business accounts. Your statement has all your payments."


class StatementTooManyLines(BadRequest):
    """A PDF has at most 10,000 lines. Ask for fewer days, or for CSV, which has no such bound."""

    code, title = "statement_too_many_lines", "Too many movements for a PDF"
    for_customer = "There are too many movements for a PDF. Please choose fewer days, or CSV."


class StatementMade(Conflict):
    """Another worker has made it, or it is not due: a period has one statement."""

    code, title = "statement_made", "The statement of this period is made already, or not due"
