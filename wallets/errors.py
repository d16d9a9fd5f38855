"""The refusals that wallets can give. Posting gives some of them too: a frozen or closed wallet moves no money."""

from core.errors import BadRequest, Conflict, Declined, NotFound


class WalletNotFound(NotFound):
    """There is no such wallet, or it is somebody else's: the two look the same."""

    code, title = "wallet_not_found", "No such wallet"
    for_customer = "We could not find this wallet."


class WalletExists(Conflict):
    """A customer has at most one open wallet in a currency."""

    code, title = "wallet_exists", "There is an open wallet in this currency already"
    for_customer = "You have a wallet in this currency already."


class WalletNotEmpty(Conflict):
    """Move the money out first, and wait for cash-outs under way: a wallet is closed at zero with nothing set aside."""

    code, title = "wallet_not_empty", "The wallet is not empty"
    for_customer = "There is money in this wallet, or on its way out of it. Please move it out first."


class WalletPromised(Conflict):
    """Holds promise money to this wallet: capture or void them first, or wait until they expire."""

    code, title = "wallet_promised", "Money is promised to this wallet"
    for_customer = "Money is set aside for this wallet. Take it or let it go first."


class WalletClosed(Declined):
    """A closed wallet stays closed; another one can be opened in its currency."""

    code, title = "wallet_closed", "The wallet is closed"
    for_customer = "This wallet is closed. You can open a new one in the app."


class WalletFrozen(Declined):
    """Staff stopped the wallet for a while; support can say more."""

    code, title = "wallet_frozen", "The wallet is frozen"
    for_customer = "Your wallet is on hold. Please contact us: we will tell you what is needed."


class FreezeNotFound(NotFound):
    code, title = "freeze_not_found", "No such freeze"


class FreezeKeyUsed(Conflict):
    """What comes under a key again is the freeze of then, which is another wallet's or a colleague's."""

    code, title = "freeze_key_used", "This has been sent for another freeze"


class FreezeLifted(Conflict):
    """A freeze is lifted once, by a person or by its expiry."""

    code, title = "freeze_lifted", "The freeze has been lifted already"


class ReasonMissing(BadRequest):
    """Staff act with a reason, which the audit trail keeps."""

    code, title = "reason_missing", "Say why"


class ExpiryPassed(BadRequest):
    """The moment at which a freeze ends must lie in the future."""

    code, title = "expiry_passed", "The expiry is not in the future"


class ExpiryNotLater(BadRequest):
    """Extending makes a freeze last longer; one that lasts until it is lifted has no end to move."""

    code, title = "expiry_not_later", "It would not last longer"


class InstantNotReached(BadRequest):
    """A balance can be asked for as of now or of any moment before."""

    code, title = "instant_not_reached", "The instant lies in the future"
    for_customer = "Please choose a date that has passed."
