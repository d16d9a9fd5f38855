"""Why a movement is refused. The code is stable and documented; the title answers "why was my transfer refused?".

Declined ones are kept as failed transactions; the others never reach the books and leave no row.
"""

from core.errors import BadRequest, Conflict, Declined, NotAllowed, NotFound, TekanaError


class TransactionNotFound(NotFound):
    """No such transaction, or you are neither its payer nor its payee."""

    code, title = "transaction_not_found", "No such transaction"
    for_customer = "We could not find this payment."


class MissingIdempotencyKey(BadRequest):
    """A request that moves money carries an Idempotency-Key header, so that a retry never pays twice."""

    code, title = "missing_idempotency_key", "Idempotency-Key header missing"
    for_customer = "The app sent something that we could not read. Please update the app and try again."


class InvalidIdempotencyKey(BadRequest):
    """Send 16 to 255 printable ASCII characters without spaces, e.g. a UUID."""

    code, title = "invalid_idempotency_key", "Idempotency-Key must be 16 to 255 printable characters"
    for_customer = "The app sent something that we could not read. Please update the app and try again."


class IdempotencyKeyReused(TekanaError):
    """The key came with another request before. A new movement takes a new key."""

    status, code, title = 422, "idempotency_key_reused", "This Idempotency-Key was used with another request"
    for_customer = "The app sent something that we could not read. Please update the app and try again."


class ReferenceTaken(Conflict):
    """Your own reference is unique for ever: it belongs to an earlier transaction of yours."""

    code, title = "reference_taken", "This reference was used before"
    for_customer = "You have used this reference before. Please choose another one."


class SelfTransfer(Declined):
    """Payer and recipient are the same wallet."""

    code, title = "self_transfer", "A wallet cannot pay itself"
    for_customer = "This is your own wallet. Please choose somebody else to send to."


class RecipientNotFound(Declined):
    """Nobody here has this wallet id, phone number or e-mail address."""

    code, title = "recipient_not_found", "No such recipient"
    for_customer = "We found nobody with this number or address. Please check it, with the country code."


class RecipientHasNoWallet(Declined):
    """The recipient is a customer but has no open wallet in this currency."""

    code, title = "recipient_has_no_wallet", "The recipient has no wallet in this currency"
    for_customer = "The recipient has no wallet in this currency yet. They can open one in the app."


class RecipientUnavailable(Declined):
    """The recipient's account or wallet takes no money at the moment. We do not say why."""

    code, title = "recipient_unavailable", "The recipient cannot receive money now"
    for_customer = "The recipient cannot receive money right now. Please ask them to contact us."


class CurrencyMismatch(Declined):
    """The wallet holds another currency than the one of the amount."""

    code, title = "currency_mismatch", "The wallet is in another currency"
    for_customer = "The amount is in another currency than the wallet. Please send in the wallet's currency."


class NoWalletInCurrency(Declined):
    """To convert, both wallets are the customer's own; one in the currency that is bought is opened first."""

    code, title = "no_wallet_in_currency", "You have no wallet in this currency"
    for_customer = "You have no wallet in this currency yet. Please open one first; it takes a moment."


class InsufficientFunds(Declined):
    """The available balance does not cover the amount and its fee. Money on hold is not available."""

    code, title = "insufficient_funds", "Not enough money available"
    for_customer = "There is not enough money in your wallet for the amount and its fee."


class AmountBelowFee(Declined):
    """The fee would take all that comes in: nothing would reach the wallet."""

    code, title = "amount_below_fee", "The amount does not cover its fee"
    for_customer = "This amount does not cover its fee. Please choose a larger one."


class LimitExceeded(Declined):
    """Above the tier's limit per movement, calendar day or month; `period`, `limit` and `left` tell which."""

    code, title = "limit_exceeded", "Above what this account may move"
    for_customer = "This is above the limit of your account. Please send less, or verify your account further."


class BalanceLimitExceeded(Declined):
    """With this amount the receiving wallet would hold more than its tier may."""

    code, title = "balance_limit_exceeded", "The receiving wallet may not hold this much"
    for_customer = "With this amount the wallet would hold more than it may. A smaller amount may fit."


class LimitsNotSet(Declined):
    """No limits are set for this tier, country and currency, and without limits nothing moves."""

    code, title = "limits_not_set", "No limits are set for this account and currency"
    for_customer = "This is not possible with your account yet. We are looking into it."


class HoldNotFound(NotFound):
    """No such hold, or you are neither its payer nor its payee."""

    code, title = "hold_not_found", "No such hold"
    for_customer = "We could not find this."


class NotPayeeOfHold(NotAllowed):
    """A hold is captured and voided by the one it is for. The payer waits until it is voided or expires."""

    code, title = "not_payee_of_hold", "Only the payee of a hold captures or voids it"
    for_customer = "Only the one this money is set aside for can take it or let it go. It comes free by itself in time."


class HoldDatesImpossible(BadRequest):
    """A hold expires in the future, 30 days from now at the latest, and is captured by itself before that."""

    code, title = "hold_dates_impossible", "A hold cannot run like this"
    for_customer = "These dates do not fit: money can be set aside for 30 days at the most."


class HoldOver(Declined):
    """All of it was captured, or it was voided or has expired; `state` tells which."""

    code, title = "hold_over", "This hold is over"
    for_customer = "Nothing is set aside any more: it was taken or let go before."


class HoldExpired(Declined):
    """It was to be captured before `expired_at`."""

    code, title = "hold_expired", "This hold has expired"
    for_customer = "This came too late: the money was set aside only until a certain time."


class TooManyHolds(Declined):
    """So many holds of this wallet are open that no other is placed until one ends; `limit` says how many may be."""

    code, title = "too_many_holds", "Too many holds are open"
    for_customer = "Too much is set aside at once. Please wait until some of it is taken or comes free."


class CaptureExceedsHold(Declined):
    """All captures together never come to more than the hold; `left` is what can still be captured."""

    code, title = "capture_exceeds_hold", "More than what is left of the hold"
    for_customer = "This is more than what is still set aside. The rest can be taken."


class PayerUnavailable(Declined):
    """The payer's account or wallet pays nothing at the moment. The hold stays; we do not say why."""

    code, title = "payer_unavailable", "The payer cannot pay now"
    for_customer = "The payer cannot pay right now. What is set aside stays so until it expires."


class RailRefused(Declined):
    """The bank or mobile-money partner refused; nothing was taken."""

    code, title = "rail_refused", "The bank or mobile-money partner refused"
    for_customer = "The bank or mobile-money service did not accept this. Nothing was taken. Please ask them why."


class RailUnreachable(Declined):
    code, title = "rail_unreachable", "The bank or mobile-money partner could not be reached"
    for_customer = "We could not reach the bank or mobile-money service. Nothing was taken. Please try again later."


class RailMessageNotFound(NotFound):
    code, title = "rail_message_not_found", "No such message that needs a person"


class NotReversible(Conflict):
    """Only completed transfers and payments are reversed; this one is in another state or of another kind."""

    code, title = "not_reversible", "This transaction cannot be reversed"
    for_customer = "Nothing of this payment is left to give back."


class NotRefundable(Conflict):
    """Payments are refunded, by who received them; this is a movement of another kind, `kind`."""

    code, title = "not_refundable", "Only a payment can be refunded"
    for_customer = "Only payments can be refunded. You can send the money back instead."


class RecipientNoMerchant(Declined):
    """Payments go to businesses. To a person you send a transfer, or pay a request of theirs."""

    code, title = "recipient_no_merchant", "The recipient is not a business"
    for_customer = "The recipient is not a business. Please send the money as a transfer."


class ReversalExceedsOriginal(Declined):
    """Refunds and reversals of a transaction together never exceed it; `left` is what may still be given back."""

    code, title = "reversal_exceeds_original", "More than what is left of the original"
    for_customer = "That is more than what is left of this payment to give back."


class RecipientShort(Declined):
    """The recipient has spent some of it; a reversal takes nobody below zero. `shortfall_minor` is missing."""

    code, title = "recipient_short", "The recipient no longer has this much"
    for_customer = "The recipient no longer has all of this money, so we cannot give all of it back."


class ShortfallChanged(Declined):
    """What the recipient lacks is another amount than the one that was to be owed; `shortfall_minor` is it now."""

    code, title = "shortfall_changed", "The recipient lacks another amount than before"
    for_customer = "The recipient no longer has all of this money. We are looking into it."


class MoreThanOwed(Declined):
    """More than what is still owed of this receivable; `owed_minor` is."""

    code, title = "more_than_owed", "More than what is still owed"
    for_customer = "This is more than what is still owed."


class ReceivableNotFound(NotFound):
    code, title = "receivable_not_found", "Nothing is owed of this payment"


class FeePolicyUnclear(BadRequest):
    """A share of the fee goes back with each part only where the fee goes back at all."""

    code, title = "fee_policy_unclear", "Say whether the fee goes back before saying how"


class PriceUnclear(BadRequest):
    """Amounts from which a price changes ascend; least and most are whole steps of the rounding, the one not above the
    other; a recipient bears fees only of what goes from wallet to wallet; it ends after it begins."""

    code, title = "price_unclear", "This is no price"


class PriceTrialNotFound(NotFound):
    """No such trial of a price, or somebody else's."""

    code, title = "price_trial_not_found", "No such trial of a price"


class TooManyPriceTrials(Conflict):
    """As many of yours are waiting or running as may be."""

    code, title = "too_many_price_trials", "Too many prices tried at once"


class WaiverUnclear(BadRequest):
    """A waiver spares between nothing and all of a fee, and ends after it begins."""

    code, title = "waiver_unclear", "Say how much is waived, from which day to which"


class NoFeeLeft(Conflict):
    """Nothing of this fee is left to waive: there was none, it went back, or the transaction did not go through."""

    code, title = "no_fee_left", "There is no fee left to waive"


class MoreThanFee(BadRequest):
    """More than what is left of the fee; `left_minor` is."""

    code, title = "more_than_fee", "More than what is left of the fee"


class UnknownReason(BadRequest):
    """The reason code is not on the list, or no longer in use."""

    code, title = "unknown_reason", "No such reversal reason"


class UnknownAccount(BadRequest):
    """There is no such wallet, or no such account of ours in this currency."""

    code, title = "unknown_account", "No such account"


class SameAccount(BadRequest):
    """What is debited and what is credited are two accounts."""

    code, title = "same_account", "Debit one account and credit another"


class RevaluationDone(Conflict):
    """That day, or a later one, was revalued already (`day`): days go forward, each is revalued once."""

    code, title = "revaluation_done", "This day was revalued already"


class RevaluationDayOpen(Conflict):
    """What positions were at the end of a day is known when it is over, ten minutes after midnight, UTC."""

    code, title = "revaluation_day_open", "This day is not over yet"


class RevaluationDayClosed(Conflict):
    """The books of that day are closed: nothing is posted in them any more."""

    code, title = "revaluation_day_closed", "The books of this day are closed"


class NothingToRevalue(Conflict):
    """No position was left at the end of that day, and no earlier revaluation to take back."""

    code, title = "nothing_to_revalue", "There is nothing to revalue"


class RevaluationRateUnclear(BadRequest):
    """A chosen rate is a decimal above zero, of a currency that a position depends on, and says why it was chosen."""

    code, title = "revaluation_rate_unclear", "This is no rate to revalue with"
