"""Why was I refused? Each code in the words of an agent: what it means, and what can be done about it."""

from typing import NamedTuple

from core.problems import catalogue


class Explanation(NamedTuple):
    code: str
    title: str
    meaning: str
    advice: str


STAFF_WORDS = {
    "self_transfer": (
        "The customer named their own wallet as the recipient.",
        "Nothing: they choose another recipient.",
    ),
    "recipient_not_found": (
        "Nobody here has the number, address or wallet id that the customer gave.",
        "Ask for it again, with the country code. The recipient may not have registered yet.",
    ),
    "recipient_has_no_wallet": (
        "The recipient is a customer, but holds no open wallet in this currency.",
        "The recipient opens a wallet in this currency in the app; then the customer tries again.",
    ),
    "recipient_unavailable": (
        "The recipient's wallet is closed or may not receive, or its owner is suspended.",
        "Open the recipient's wallet to see which. Do not tell the payer: it is the recipient's business.",
    ),
    "currency_mismatch": (
        "The amount is in another currency than a wallet of this movement.",
        "The customer sends in the currency of the wallet that they send from.",
    ),
    "insufficient_funds": (
        "What was available did not cover the amount and its fee.",
        "Open the wallet: money that is held is not available until its movement ends.",
    ),
    "amount_below_fee": (
        "The fee would have taken all of the amount that comes in.",
        "The customer tops up by more than the fee.",
    ),
    "limit_exceeded": (
        "It would have gone above what the payer's tier may move at once, in a day or in a month.",
        "The timeline says which limit and how much was left. Days and months start at midnight in the customer's "
        "country. A higher KYC tier has higher limits.",
    ),
    "balance_limit_exceeded": (
        "The receiving wallet would have held more than its owner's tier may.",
        "The recipient spends first, or moves to a higher KYC tier.",
    ),
    "limits_not_set": (
        "No limits are set for this tier, country and currency, and without limits nothing moves.",
        "This is our omission: tell an administrator.",
    ),
    "wallet_frozen": (
        "The wallet may not send, or may not receive.",
        "Open the wallet: its page says who froze it, why and until when. Lift the freeze if the reason is gone.",
    ),
    "wallet_closed": (
        "The wallet was closed for good.",
        "The customer opens another wallet in this currency.",
    ),
    "wallet_not_found": (
        "There is no such wallet, or it is not the caller's.",
        "Ask which wallet the customer means.",
    ),
    "customer_suspended": (
        "The customer was suspended.",
        "Open the customer: the audit trail says by whom and why.",
    ),
    "rail_refused": (
        "The bank or mobile-money partner refused. Nothing was taken; what was held is free again.",
        "The timeline has the partner's own answer. The customer asks the bank, or tries another account.",
    ),
    "rail_unreachable": (
        "The bank or mobile-money partner could not be reached. Nothing was taken; what was held is free again.",
        "The customer tries again later.",
    ),
    "recipient_short": (
        "The recipient has spent some of it, and a reversal never takes a customer below zero.",
        "Reverse at most what the recipient has, or wait until they have more.",
    ),
    "reversal_exceeds_original": (
        "Part of it had been reversed before.",
        "The page of the original says how much is left.",
    ),
}


def explain(code: str) -> Explanation:
    """A refusal code in words. What is no code of ours is the bank's or partner's own, and is shown as it came."""
    kind = catalogue().get(code)
    title = kind.title if kind else code.replace("_", " ").capitalize()
    meaning, advice = STAFF_WORDS.get(code) or ("This is the partner's own code.", STAFF_WORDS["rail_refused"][1])
    return Explanation(code, title, meaning, advice)


def codes() -> list[tuple[str, str]]:
    """For the filter: every code of ours by its title."""
    return sorted(((code, explain(code).title) for code in STAFF_WORDS), key=lambda choice: choice[1])
