"""What this app refuses. A refusal of a payment that was understood (Declined) is kept with its attempt."""

from core.errors import BadRequest, Conflict, Declined, NotFound


class RequestNotFound(NotFound):
    """No payment request has this code or id, or it is not one of yours."""

    code, title = "payment_request_not_found", "No such payment request"
    for_customer = "We could not find this payment request. Please check the link."


class RequestExpired(Declined):
    """Its time was over, by our clock under the lock; ``expired_at`` says when."""

    code, title = "payment_request_expired", "The payment request has expired"
    for_customer = "This payment request has expired. Please ask for a new one."


class RequestCancelled(Declined):
    """Who asked for the money called it off, or we did."""

    code, title = "payment_request_cancelled", "The payment request was cancelled"
    for_customer = "This payment request was cancelled. Please ask who sent it to you."


class RequestUsedUp(Declined):
    """It has been paid as often as it may be in all; what awaits confirmation counts."""

    code, title = "payment_request_used_up", "The payment request has been paid already"
    for_customer = "This has been paid already. Nothing was taken from you."


class RequestUsedUpByPayer(Declined):
    """You have paid it as often as one payer may; ``max_uses_per_payer`` is how often."""

    code, title = "payment_request_used_up_by_payer", "You have paid this payment request already"
    for_customer = "You have paid this already. Nothing more was taken from you."


class RequestAmountMissing(BadRequest):
    """The request leaves the amount open: say how much."""

    code, title = "payment_request_amount_missing", "This payment request needs an amount"
    for_customer = "Please enter the amount that you want to pay."


class RequestAmountMismatch(Declined):
    """The request asks for another amount, ``amount``; leave it out, or give the same."""

    code, title = "payment_request_amount_mismatch", "The payment request asks for another amount"
    for_customer = "This request is for another amount. Please pay what it asks for."


class RequestAmountOutOfBounds(Declined):
    """The amount is below ``least`` or above ``most`` of the request."""

    code, title = "payment_request_amount_out_of_bounds", "The amount is not within what the payment request allows"
    for_customer = "The amount is too low or too high for this request. It says how much it can be."


class RequestNotWhole(BadRequest):
    """A fixed amount has no bounds; bounds of an open one are positive, and the least is not above the most."""

    code, title = "payment_request_not_whole", "Amount and bounds do not go together"
    for_customer = "Give one amount, or the least and the most that you want to be paid."


class RequestExpiry(BadRequest):
    """It expires in the future, and no later than ``latest``."""

    code, title = "payment_request_expiry", "This cannot be its expiry"
    for_customer = "Please choose an earlier day, in the future, for it to expire."


class RequestClosed(Conflict):
    """It has expired, or was paid as often as it may be, and so is not cancelled; ``state`` says which."""

    code, title = "payment_request_closed", "The payment request is closed"
    for_customer = "This payment request is over already. What was paid stays paid."


class UseNotFound(NotFound):
    """Nobody's payment of this request has that id, or there is nothing to confirm about it."""

    code, title = "payment_request_use_not_found", "No such payment of this request to confirm"
    for_customer = "We could not find this payment."


class UseAnswered(Conflict):
    """It was answered otherwise, or not in time; ``outcome`` says which."""

    code, title = "payment_request_use_answered", "This payment no longer awaits confirmation"
    for_customer = "This payment has been answered already, or its time was over."
