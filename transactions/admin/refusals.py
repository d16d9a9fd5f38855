"""Why was I refused? Each code as staff need it: what it means, what to look at, what to tell, and the words for the
customer, which are those that the API gives (`core/errors.py`).

Shown on the page of a refused transaction, listed on a page of its own and in docs/refusals.md.
"""

from typing import NamedTuple

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from core.admin import place
from core.problems import catalogue
from transactions.errors import RailRefused


class Explanation(NamedTuple):
    """``meaning``, ``look`` and ``tell`` are for staff; ``customer`` can be sent to a customer as it is."""

    code: str
    title: str
    meaning: str
    look: str
    tell: str
    customer: str


# Meaning, what to look at, what to tell. These stay with the transaction that was refused ...
OF_TRANSACTIONS = {
    "self_transfer": (
        "The customer named their own wallet as the recipient.",
        "Nothing: it is as it says.",
        "They choose another recipient.",
    ),
    "recipient_not_found": (
        "Nobody here has the number, address or wallet id that the customer gave.",
        "The timeline has what they asked for, masked. Search for the recipient as the customer writes them.",
        "Ask for it again, with the country code. The recipient may not have registered yet.",
    ),
    "recipient_has_no_wallet": (
        "The recipient is a customer, but holds no open wallet in this currency.",
        "The recipient's page lists their wallets.",
        "The recipient opens a wallet in this currency in the app; then the customer tries again.",
    ),
    "recipient_unavailable": (
        "The recipient's wallet is closed or may not receive, or its owner is suspended.",
        "Open the recipient's wallet to see which.",
        "Do not tell the payer why: it is the recipient's business. The recipient may ask us.",
    ),
    "payment_request_expired": (
        "Somebody paid a payment request whose time was over.",
        "The request, on the page of who asked: search for its code.",
        "They ask who sent it for a new one.",
    ),
    "payment_request_cancelled": (
        "The payment request was called off, by who made it or by us.",
        "The request's page says by whom; a reason of ours is for us.",
        "They ask who sent it.",
    ),
    "payment_request_used_up": (
        "The payment request had been paid as often as it may be, maybe by somebody else a moment before.",
        "The request's page lists its payments: is one of them theirs?",
        "Whether they have paid it already. Otherwise they ask who sent it for another one.",
    ),
    "payment_request_used_up_by_payer": (
        "They had paid it as often as one payer may.",
        "The request's page lists its payments.",
        "When they paid it, with the receipt.",
    ),
    "payment_request_amount_mismatch": (
        "The request asks for one amount, and they paid another.",
        "The request's page: its amount.",
        "They pay what it asks for; who made it can make another one.",
    ),
    "payment_request_amount_out_of_bounds": (
        "The amount is below or above what the request leaves open.",
        "The request's page: its bounds.",
        "They choose an amount within the bounds, which the app shows.",
    ),
    "no_wallet_in_currency": (
        "The customer converted into a currency of which they hold no open wallet.",
        "The wallets on the customer's page.",
        "They open a wallet in this currency in the app, which takes a moment, and convert again.",
    ),
    "currency_mismatch": (
        "The amount is in another currency than a wallet of this movement.",
        "The wallets' pages say which currency they hold.",
        "The customer sends in the currency of the wallet that they send from.",
    ),
    "insufficient_funds": (
        "What was available did not cover the amount and its fee.",
        "Open the wallet: money that is held is not available until its movement or recall ends.",
        "They bring in more, or send less; the fee comes on top of the amount.",
    ),
    "amount_below_fee": (
        "The fee would have taken all of the amount that comes in.",
        "The timeline has the fee of this movement.",
        "The customer tops up by more than the fee.",
    ),
    "limit_exceeded": (
        "It would have gone above what the payer's tier may move at once, in a day or in a month.",
        "The timeline says which limit and how much was left. Days and months start at midnight in the customer's "
        "country.",
        "A smaller amount, or tomorrow, or next month. A higher KYC tier has higher limits.",
    ),
    "balance_limit_exceeded": (
        "The receiving wallet would have held more than its owner's tier may.",
        "The recipient's wallet and the limits on their page.",
        "The recipient spends first, or moves to a higher KYC tier. How much they hold is not told to the payer.",
    ),
    "limits_not_set": (
        "No limits are set for this tier, country and currency, and without limits nothing moves.",
        "Limits, in the menu: there is no row for them.",
        "This is our omission: tell an administrator, and the customer that we are looking into it.",
    ),
    "wallet_frozen": (
        "The wallet may not send, or may not receive.",
        "The wallet's page says who froze it, why and until when.",
        "Lift the freeze if the reason is gone. If fraud is suspected, say only that the wallet is on hold.",
    ),
    "wallet_closed": (
        "The wallet was closed for good.",
        "The wallet's page says when, and the audit trail by whom.",
        "The customer opens another wallet in this currency.",
    ),
    "hold_over": (
        "The hold had been captured, voided or had expired before this capture came.",
        "The page of the hold says how it ended and what was captured of it.",
        "The payee asks the payer for a new hold or payment.",
    ),
    "hold_expired": (
        "The capture came after the time until which the money was set aside.",
        "The page of the hold says until when it ran.",
        "The payee asks the payer for a new hold or payment.",
    ),
    "too_many_holds": (
        "As many holds of the wallet are open as may be.",
        "Holds, on the wallet's page: for whom, and until when.",
        "One of them has to be captured, voided or expire first.",
    ),
    "capture_exceeds_hold": (
        "All captures together never come to more than the hold, and this one would have.",
        "The page of the hold lists its captures and what is left.",
        "The payee captures what is left, and asks the payer for the rest.",
    ),
    "payer_unavailable": (
        "The payer's wallet may not pay, or its owner is suspended. The hold stays as it is.",
        "Open the payer's wallet to see which.",
        "Do not tell the payee why: it is the payer's business. They may try again until the hold expires.",
    ),
    "rail_refused": (
        "The bank or mobile-money partner refused. Nothing was taken; what was held is free again.",
        "The timeline has the partner's own answer.",
        "The customer asks the bank, or tries another account.",
    ),
    "rail_unreachable": (
        "The bank or mobile-money partner could not be reached. Nothing was taken; what was held is free again.",
        "The timeline has each call. If many fail, operations know.",
        "The customer tries again later.",
    ),
    "recipient_short": (
        "The recipient has spent some of it, and a reversal never takes a customer below zero.",
        "The recipient's wallet says what is available and what is held.",
        "Reverse at most what the recipient has, or wait until they have more.",
    ),
    "shortfall_changed": (
        "The recipient's balance changed while it was decided what they are to owe.",
        "The request says what was missing then; the wallet says what is there now.",
        "Ask anew for the reversal: its preview says what is missing today.",
    ),
    "more_than_owed": (
        "More was to be collected or written off than is still owed.",
        "The receivable says what is left of it.",
        "Take at most what is left.",
    ),
    "reversal_exceeds_original": (
        "It was more than the payment, or part of that had gone back before.",
        "The page of the original says how much is left.",
        "Give back what is left of it.",
    ),
    "quote_not_found": (
        "There is no such quote, or it was given to another customer.",
        "Quotes, in the menu: search for its id and see whose it is.",
        "They ask for a new rate in the app. Whose a quote was is told to nobody.",
    ),
    "quote_expired": (
        "The customer confirmed after the quote's time; until then it was honoured.",
        "The quote's page says to the second until when it held.",
        "They ask for a new rate and confirm within its time.",
    ),
    "quote_used": (
        "The quote was taken by another conversion already. Nothing was taken a second time.",
        "The quote's page names the conversion that took it.",
        "The first conversion went through; for another they ask for a new rate.",
    ),
    "quote_mismatch": (
        "The conversion was of another amount or in other currencies than the quote.",
        "The quote's page says what it was for.",
        "They ask for a rate for what they want to convert.",
    ),
    "fx_same_currency": (
        "Both sides were in one currency.",
        "Nothing: it is as it says.",
        "They send it instead, or choose another currency.",
    ),
    "fx_amount_too_small": (
        "After fee and rounding nothing would have been left, or every provider asks for more.",
        "Try the amount under What would it cost, on the page of quotes: it says what each provider takes at least.",
        "They convert a larger amount.",
    ),
    "fx_rate_missing": (
        "No source has a rate that leads from one currency to the other.",
        "Rates, in the menu: which pairs there are.",
        "We do not exchange these currencies yet.",
    ),
    "fx_no_route": (
        "No provider took this amount at that moment: above their limits, closed, or switched off.",
        "Try the amount under What would it cost, on the page of quotes: it says who was left out and why.",
        "A smaller amount, or later. Tell finance if it happens often.",
    ),
    "fx_exposure_exceeded": (
        "With what open quotes promise, our position in one of the two currencies would have gone above its cap.",
        "Positions and results, in the menu: how far each position is, what is promised, and its cap.",
        "A smaller amount, or later. Tell finance, who may ask for another cap, or bring the position back.",
    ),
}  # fmt: skip
# ... these come at the door and leave none: the app shows a request id, which operators find in the log.
UPDATE = "They update the app. If it is up to date, tell operations, with the request id."
PROGRAM = "The app, not the customer, made a mistake in what it sent."
AT_THE_DOOR = {
    "declined": (
        "A refusal without a reason of its own.",
        "The log under the request id.",
        "That we will find out why.",
    ),
    "invalid_request": (PROGRAM, "Nothing here: ask which app and version.", UPDATE),
    "malformed_body": (PROGRAM, "Nothing here: ask which app and version.", UPDATE),
    "method_not_allowed": (PROGRAM, "Nothing here: ask which app and version.", UPDATE),
    "unsupported_media_type": (PROGRAM, "Nothing here: ask which app and version.", UPDATE),
    "missing_idempotency_key": (PROGRAM, "Nothing here: ask which app and version.", UPDATE),
    "invalid_idempotency_key": (PROGRAM, "Nothing here: ask which app and version.", UPDATE),
    "idempotency_key_reused": (
        "The app used the key of one payment for another one. Nothing was taken the second time.",
        "Search for the key: the first payment is found by it.",
        UPDATE,
    ),
    "body_too_large": ("What was sent is larger than any request of ours.", "Nothing here.", UPDATE),
    "validation_failed": (
        "A field was empty, unknown or in a form that we do not take.",
        "The answer names the field; the app should show it.",
        "They check what they entered: numbers with country code, amounts in digits.",
    ),
    "invalid_amount": (
        "The amount could not be read.", "Nothing here.", "They enter digits, with a point before the decimals.",
    ),
    "amount_too_precise": (
        "The amount had more decimals than the currency has; RWF and UGX have none.",
        "Nothing here.",
        "They round it.",
    ),
    "amount_too_large": ("No movement is ever that large.", "Nothing here.", "They check the amount."),
    "amount_not_positive": ("The amount was zero or below.", "Nothing here.", "They check the amount."),
    "too_many_quotes": (
        "The app asked for more rates than may be open at once without using one.",
        "Quotes, in the menu: theirs, and until when each holds.",
        "They use one of them, or wait a minute.",
    ),
    "fx_rate_stale": (
        "The newest rate for this pair is older than its source's limit, and nothing is quoted with it.",
        "Rates, in the menu: it is red there, with its source and age.",
        "They try again later. If it lasts, tell finance: a file of rates is missing.",
    ),
    "not_authenticated": (
        "The app asked without being signed in.", "Their sessions, on the customer's page.", "They sign in.",
    ),
    "invalid_access_token": (
        "What the app signs in with has expired or is not ours.", "Their sessions, on the customer's page.",
        "They sign in anew. If it happens every time, the clock of their phone may be wrong.",
    ),
    "invalid_refresh_token": (
        "The session has ended or was not used for a month.", "Their sessions, on the customer's page.",
        "They sign in anew.",
    ),
    "refresh_token_reused": (
        "One session was used from two places: somebody may have copied it. It was ended.",
        "Their sessions and the audit trail, on the customer's page: addresses and devices.",
        "They sign in anew and change their password. Ask whether the phone was lost or lent.",
    ),
    "session_ended": (
        "They signed out, here or on another device, or we ended the session.",
        "The audit trail on the customer's page.",
        "They sign in anew.",
    ),
    "session_not_found": (
        "The session that they wanted to end has ended, or is not theirs.", "Their sessions, on the customer's page.",
        "Nothing more is needed.",
    ),
    "invalid_credentials": (
        "No account has this number or address together with this password. Which of the two is not said.",
        "Search for the number or address: is it the one of the account?",
        "They try the other of number and e-mail, and type the password with care. Never ask for it.",
    ),
    "too_many_attempts": (
        "Too many wrong passwords for this account or from this address; it waits by itself.",
        "The audit trail on the customer's page.",
        "They wait a quarter of an hour. If it was not them who tried, somebody else did: look at their sessions.",
    ),
    "sign_in_unavailable": (
        "Signing in is closed for everybody, because wrong passwords cannot be counted.",
        "Operations know, or should.",
        "They try again in a few minutes. Whoever is signed in stays so.",
    ),
    "already_registered": (
        "The number or the e-mail address belongs to an account.",
        "Search for both. They may belong to two different accounts.",
        "They sign in instead. Do not say whose account it is.",
    ),
    "country_not_open": (
        "We do not serve this country, or not yet.", "Countries, in the menu.", "We do not say when it will open.",
    ),
    "weak_password": (
        "The password is short, common, or made of their own name or number.", "Nothing here.",
        "Some words that only they would put together. No digits or symbols are needed.",
    ),
    "business_stays_one": (
        "A business account does not become a personal one: its payouts take two people.",
        "Their account type, on the customer's page.", "They register an account of their own beside it.",
    ),
    "password_needed": (
        "Changing number or address takes the current password.", "Nothing here.", "They enter it. Never ask for it.",
    ),
    "wrong_password": (
        "The current password was wrong; it counts as an attempt.", "Nothing here.",
        "They try again. Never ask for it.",
    ),
    "customer_suspended": (
        "The customer was suspended: no signing in, no movement.",
        "Suspensions, on the page of the customer: why and by whom, and so whether compliance decides.",
        "What is needed from them, if the reason may be told; otherwise that we look into it.",
    ),
    "wallet_not_found": (
        "There is no such wallet, or it is not the caller's.", "The wallets on the customer's page.",
        "Ask which wallet the customer means.",
    ),
    "wallet_exists": (
        "They have an open wallet in this currency.", "The wallets on the customer's page.", "They use that one.",
    ),
    "wallet_not_empty": (
        "A wallet is closed at zero with nothing held.", "The wallet's page: its balance and what is held for what.",
        "They move the money out, and wait for what is under way.",
    ),
    "wallet_promised": (
        "Holds promise money to the wallet, which nobody could capture once it is closed.",
        "The open holds among the wallet's transactions.", "They capture or void them, or wait until they expire.",
    ),
    "instant_not_reached": (
        "A balance was asked for as of a moment to come.", "Nothing here.", "They choose a date that has passed.",
    ),
    "transaction_not_found": (
        "There is no such transaction, or the caller has no part in it.", "Search for its receipt.",
        "Ask for the receipt. A transaction of somebody else is not theirs to see.",
    ),
    "recipient_no_merchant": (
        "They paid a person as one pays a business. Persons are sent transfers, or ask for money by a request.",
        "The recipient's page says what type of account it is.",
        "They send it as a transfer, or the recipient makes a payment request.",
    ),
    "not_refundable": (
        "They wanted to refund what is no payment.", "The transaction's page: its kind.",
        "They send the money back, as a transfer.",
    ),
    "not_reversible": (
        "All of the payment has gone back, or it never moved any money.",
        "The transaction's page: what was given back.",
        "That nothing is left to refund.",
    ),
    "recall_open": (
        "The payer has asked for the payment back through us, and it is held until the merchant answers.",
        "The recall, on the transaction's page.",
        "They answer the recall in the app: agreeing gives the money back. A refund on top would give it twice.",
    ),
    "hold_not_found": (
        "There is no such hold, or they are neither its payer nor its payee.",
        "Search for the receipt that they have.",
        "Ask for the receipt.",
    ),
    "not_payee_of_hold": (
        "The payer of a hold tried to capture or void it, which only its payee does.",
        "The page of the hold says until when it runs.",
        "The payee lets it go, or it comes free by itself. We void it if the payee asks us to.",
    ),
    "hold_dates_impossible": (
        "The dates of a hold were in the past, beyond 30 days, or its capture was to come after its expiry.",
        "Nothing here: ask which app and version.",
        "They choose other dates.",
    ),
    "payment_request_not_found": (
        "No payment request has that code, or it is not the caller's own.",
        "Search for the code, with care for what looks alike.",
        "Ask for the link itself, or for the code once more.",
    ),
    "payment_request_amount_missing": (
        "The request leaves the amount open, and none was given.", "The request's page.", "They enter an amount.",
    ),
    "payment_request_not_whole": (
        "They asked for an amount and gave bounds as well, or a least above the most.", "Nothing here.",
        "Either one amount, or the least and the most.",
    ),
    "payment_request_expiry": (
        "It would have expired in the past, or later than we let it.", "Nothing here.", "They choose another day.",
    ),
    "payment_request_use_not_found": (
        "There is no such payment of that request, or nothing about it to confirm.", "The request's page.",
        "Ask which payment they mean.",
    ),
    "payment_request_use_answered": (
        "They had answered the other way, or too late.", "The request's page: what became of each payment.",
        "How it ended. What was let go can be paid again.",
    ),
    "payment_request_closed": (
        "The request had expired, or was paid as often as it may be, before they called it off.", "The request's page.",
        "Nobody can pay it any more. What was paid they can refund.",
    ),
    "reference_taken": (
        "Their own reference belongs to an earlier transaction of theirs.", "Search for the reference.",
        "They choose another one, or find that they have paid already.",
    ),
    "payout_not_found": (
        "There is no such payout, or they neither pay nor approve it.", "Payouts, on the customer's page.",
        "Ask which payout they mean. An approver must have accepted in the app first.",
    ),
    "payout_file_too_large": (
        "The file has more than 8 MB.", "Nothing here.", "They divide it, or leave out columns that we do not read.",
    ),
    "payout_file_unreadable": (
        "The file is no CSV in UTF-8 with a line of titles; the answer named the line.", "Nothing here.",
        "They save it as CSV UTF-8 with the titles to, amount, name, memo, reference.",
    ),
    "payout_lines_used_up": (
        "Their files had very many lines within 24 hours; drafts count too.", "Payouts, on the customer's page.",
        "They wait. Who pays that many people asks us for more; somebody else may be trying out numbers.",
    ),
    "too_many_items": ("The file has more than 10,000 lines.", "Nothing here.", "They divide it."),
    "no_items": ("The file has titles and nothing else.", "Nothing here.", "They send the file with its lines."),
    "invalid_execution_date": (
        "The day is over in their country, or more than a year away.", "Nothing here.", "They choose another day.",
    ),
    "payout_exists": (
        "They sent the same lines in the same currency before, which waits or was paid.",
        "Payouts, on the customer's page: the one with the same total.",
        "Which payout that is. If they mean to pay again they say so in the app; otherwise nobody is paid twice.",
    ),
    "payout_not_open": (
        "It was approved, paid or cancelled meanwhile, nobody approved it in time, or its file has lines to put right.",
        "The payout's page: what happened.",
        "How it stands. Once somebody is paid they can no longer call it off. What expired they send in again.",
    ),
    "nothing_to_retry": ("Every item of it was paid.", "The payout's page.", "That everybody has been paid."),
    "second_person_needed": (
        "The owner of a business approves alone only up to what an approver has set, in 24 hours.",
        "Approvers, on the customer's page: whether there are any, and what they have set.",
        "An approver approves it in their own app. Without one they name somebody, who accepts.",
    ),
    "not_a_business": (
        "Approvers are for businesses; individuals and freelancers approve for themselves.",
        "Their account type, on the customer's page.", "They need no approver: they approve the payout themselves.",
    ),
    "approver_not_found": (
        "Nobody has this number or address, or it is not about them.", "Approvers, on the customer's page.",
        "The approver registers first, and the business writes their number with its country code.",
    ),
    "too_many_approvers": (
        "So many approve for the business, or were asked within 24 hours.", "Approvers, on the customer's page.",
        "They end one who no longer does, or ask the next one tomorrow.",
    ),
    "approver_exists": (
        "This person approves already, or has been asked and has not answered.", "Approvers, on the customer's page.",
        "The other accepts in their own app.",
    ),
    "approver_is_owner": ("They named themselves.", "Nothing here.", "They choose somebody else."),
    "approver_closed": (
        "The invitation was declined or taken back.", "Approvers, on the customer's page.", "The business asks again.",
    ),
    "only_approvers_raise": (
        "The owner wanted to approve more alone: only an approver raises that, the owner may lower it.",
        "Approvers, on the customer's page.", "One of their approvers sets it, in their own app.",
    ),
    "recall_not_found": (
        "There is no such recall, or it does not ask for money of theirs.", "The recalls on the customer's page.",
        "Ask for the receipt of the payment.",
    ),
    "recall_closed": (
        "The recall was answered, withdrawn, or its time was over before they answered.",
        "The recall's page: its last step says which, and when.",
        "How it ended. If they would still return the money, they can send it.",
    ),
    "statement_not_found": (
        "The wallet has no statement of this number.", "The statements on the wallet's page.",
        "Which ones there are, or that they ask for the days they need.",
    ),
    "statement_days_reversed": ("The first day is after the last.", "Nothing here.", "They choose the days again."),
    "statement_in_future": (
        "The last day has not come yet, by the calendar of their country.", "Nothing here.",
        "They choose days up to today.",
    ),
    "statement_too_long": (
        "They asked for more than 366 days at once.", "Nothing here.",
        "One year after the other, as separate statements.",
    ),
    "statement_format_not_offered": (
        "camt.053, MT940 and payments by order are for accounts of businesses.",
        "Their account type, on the customer's page.", "They take PDF or CSV.",
    ),
    "merchant_statement_not_offered": (
        "The account is that of a person, and only businesses have a merchant's statement.",
        "Their account type, on the customer's page.", "Their statement has all that they were paid.",
    ),
    "statement_too_many_lines": (
        "A PDF has at most 10,000 lines.", "How much moves on their wallet.", "They choose fewer days, or CSV.",
    ),
    "standing_order_not_found": (
        "There is no such standing order, or it is not theirs.", "Standing orders, on the customer's page.",
        "Which ones they have.",
    ),
    "standing_order_closed": (
        "It was cancelled, its last date is over, or a wallet of it was closed.", "The order's page: its last step.",
        "How it ended, and that they can set up another one.",
    ),
    "standing_order_changed_too_often": (
        "It was changed a thousand times: most likely a program does it.", "The order's page: versions.",
        "They cancel it and set up another one.",
    ),
    "standing_order_paused": (
        "Only an order that runs has a next date to skip.", "The order's page.", "They resume it first.",
    ),
    "standing_order_paused_by_us": (
        "Staff paused it, so that they cannot let it go on themselves.", "The order's page: who paused it, and why.",
        "What is needed, as far as the reason may be told. Operations or support let it go on.",
    ),
    "too_many_standing_orders": (
        "They have a hundred that have not ended.", "Standing orders, on the customer's page.",
        "They cancel those that they no longer need.",
    ),
    "not_next_date": (
        "They wanted to skip a date that is not the next one: it has begun, or the calendar has moved it.",
        "The order's page: next dates and runs.", "Which date is the next now.",
    ),
    "start_passed": (
        "The first date is before today, in their country.", "Nothing here.", "They choose a later start.",
    ),
    "start_too_far_ahead": (
        "It would begin in more than five years.", "Nothing here.", "They choose an earlier start.",
    ),
    "no_dates": (
        "Between its start and its end no date is left.", "Nothing here.", "They choose a later end, or cancel it.",
    ),
    "notification_not_found": ("There is no such notification, or it is not theirs.", "Nothing here.", "Nothing more."),
    "not_found": ("There is no such thing, or it is not theirs.", "Search for what they mean.", "Ask what they mean."),
    "not_allowed": (
        "This is not open to customers.", "The log under the request id.", "Ask what they were trying to do.",
    ),
    "conflict": ("It cannot be done as things stand.", "The log under the request id.", "Ask what they were doing."),
    "illegal_transition": (
        "It had moved on before they acted.", "The timeline of what they mean.", "How it stands now.",
    ),
    "rate_limited": (
        "The app asked faster than anybody needs.", "Nothing here.",
        "They wait a moment. If it goes on, a program is using their account: look at their sessions.",
    ),
    "too_many_requests": ("Too much at once.", "Nothing here.", "They wait a moment."),
    "outcome_unknown": (
        "The database did not say whether it kept the payment.",
        "The wallet's page: if the payment is there, it was made; otherwise nothing was taken.",
        "They look at their history. Trying again from the same screen never pays twice.",
    ),
    "unavailable": ("Part of our system did not answer.", "Operations know, or should.", "They try again in a moment."),
    "internal_error": (
        "We made a mistake.", "The log under the request id.",
        "That we are sorry and look into it. Trying again from the same screen never pays twice.",
    ),
}  # fmt: skip
WORDS = OF_TRANSACTIONS | AT_THE_DOOR
PARTNERS_OWN = ("This is the partner's own code.", *OF_TRANSACTIONS[RailRefused.code][1:])


def explain(code: str) -> Explanation:
    """A refusal code in words. What is no code of ours is the bank's or partner's own, and is shown as it came."""
    kind = catalogue().get(code)
    title = kind.title if kind else code.replace("_", " ").capitalize()
    customer = kind.for_customer if kind and kind.for_customer else RailRefused.for_customer
    return Explanation(code, title, *WORDS.get(code, PARTNERS_OWN), customer)


def codes() -> list[tuple[str, str]]:
    """For the filter: every code of ours that a transaction keeps, by its title."""
    return sorted(((code, explain(code).title) for code in OF_TRANSACTIONS), key=lambda choice: choice[1])


@place("answers/", name="transactions_answers", permission="transactions.view_transaction")
def answers(request: HttpRequest) -> HttpResponse:
    """All of them, or those with the words of ``q`` in code, title or text: for questions without a transaction."""
    q = " ".join(request.GET.get("q", "")[:100].split())
    groups = [
        (
            title,
            [one for one in map(explain, group) if all(word in " ".join(one).lower() for word in q.lower().split())],
        )
        for title, group in (("Of a transaction", OF_TRANSACTIONS), ("At the door, without a transaction", AT_THE_DOOR))
    ]
    context = {**admin.site.each_context(request), "title": "Canned answers", "q": q, "groups": groups}
    return TemplateResponse(request, "admin/transactions/answers.html", context)
