"""What this app refuses."""

from core.errors import BadRequest, Conflict, NotFound


class StandingOrderNotFound(NotFound):
    """No such standing order, or it is not yours."""

    code, title = "standing_order_not_found", "No such standing order"
    for_customer = "We could not find this standing order."


class StandingOrderClosed(Conflict):
    """It was cancelled, or has no date any more; ``state`` says which. Set up another one."""

    code, title = "standing_order_closed", "This standing order is closed"
    for_customer = "This standing order has ended. You can set up another one."


class StandingOrderPausedByUs(Conflict):
    """Staff paused it, and only staff let it go on."""

    code, title = "standing_order_paused_by_us", "This standing order was paused by us"
    for_customer = "We have paused this standing order. Please contact us: we will tell you why."


class StandingOrderPaused(Conflict):
    """Only a standing order that runs has a next date to skip. Resume it first."""

    code, title = "standing_order_paused", "This standing order is paused"
    for_customer = "This standing order is paused. Please resume it first."


class TooManyStandingOrders(Conflict):
    """So many standing orders that have not ended are the most for one customer: ``most``."""

    code, title = "too_many_standing_orders", "Too many standing orders"
    for_customer = "You have as many standing orders as one can have. Please cancel one that you no longer need."


class ChangedTooOften(Conflict):
    """A standing order is changed ``most`` times at most. Set up another one."""

    code, title = "standing_order_changed_too_often", "This standing order was changed too often"
    for_customer = "This standing order was changed very often. Please cancel it and set up another one."


class NotNextDate(Conflict):
    """Only the next date, or one that waits for money, can be skipped; ``next_on`` is the next, absent where there is
    none."""

    code, title = "not_next_date", "This is not the next date"
    for_customer = "The next date of this standing order is another one now. Please look at it again."


class StartPassed(BadRequest):
    """The first date is today or later, in your country."""

    code, title = "start_passed", "The start is in the past"
    for_customer = "Please choose a start today or later."


class StartTooFarAhead(BadRequest):
    """The first date is at most ``years`` ahead."""

    code, title = "start_too_far_ahead", "The start is too far ahead"
    for_customer = "Please choose an earlier start."


class NoDates(BadRequest):
    """Between start and end there is no date left on which it would run."""

    code, title = "no_dates", "It would never run"
    for_customer = "With this start and end there is no date to pay on. Please choose a later end."


class CalendarUnchanged(Conflict):
    """The calendar says this of that day already."""

    code, title = "calendar_unchanged", "The calendar says so already"


class CalendarEntryUnclear(BadRequest):
    """Name the holiday; a day like any other has no name. The day lies in this year or the next ten."""

    code, title = "calendar_entry_unclear", "This calendar entry makes no sense"
