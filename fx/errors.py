"""What this app refuses. `Declined` ones are final for a movement and stay with it; the others leave no row."""

from core.errors import BadRequest, Conflict, Declined, NotFound, TooMany, Unavailable

# --- Quotes ----------------------------------------------------------------------------------------------------------


class QuoteNotFound(Declined):
    """No such quote, or it was given to somebody else: the two look the same."""

    code, title = "quote_not_found", "No such quote"
    for_customer = "We could not find this rate. Please ask for a new one."


class QuoteExpired(Declined):
    """The quote was honoured until ``expires_at`` and is not any more."""

    code, title = "quote_expired", "The quote has expired"
    for_customer = "This rate is no longer valid. Please ask for a new one."


class QuoteUsed(Declined):
    """A quote is good for one conversion."""

    code, title = "quote_used", "The quote has been used"
    for_customer = "This rate has been used already. Please ask for a new one."


class QuoteMismatch(Declined):
    """The conversion is in other currencies, or of another amount, than the quote."""

    code, title = "quote_mismatch", "The quote is for something else"
    for_customer = "This rate is for another amount or currency. Please ask for a new one."


class TooManyQuotes(TooMany):
    """So many quotes of one caller may be open at once; each counts towards what providers take in a day."""

    code, title = "too_many_quotes", "Too many open quotes"
    for_customer = "You have asked for several rates already. Please use one of them, or wait a minute."


class SameCurrency(Declined):
    """Both sides are in one currency: there is nothing to exchange."""

    code, title = "fx_same_currency", "Both currencies are the same"
    for_customer = "Both are the same currency. Please choose another one."


class AmountTooSmallToConvert(Declined):
    """After fee and rounding nothing would be left of it in the other currency."""

    code, title = "fx_amount_too_small", "The amount is too small to convert"
    for_customer = "This amount is too small to exchange. Please choose a larger one."


class NoRoute(Declined):
    """No provider, alone or with others, takes this amount now, neither directly nor through other currencies."""

    code, title = "fx_no_route", "Nobody exchanges this now"
    for_customer = "We cannot exchange this amount between these currencies right now. A smaller amount may work."


class FxExposureExceeded(Declined):
    """With what open quotes promise, it would take our position in ``currency`` above its cap."""

    code, title = "fx_exposure_exceeded", "We cannot take on so much of a currency"
    for_customer = "We cannot exchange this much between these currencies right now. A smaller amount may work."


class RateStale(Unavailable):
    """The newest rate is older than its source's limit (``source``, ``as_of``), or a newer file of the source was
    refused because a rate leaps, so that nothing is quoted with it."""

    code, title = "fx_rate_stale", "The exchange rate is too old"
    for_customer = "We have no current exchange rate for this. Please try again a little later."


class RateMissing(Declined):
    """No source has a rate for these currencies, directly or through others."""

    code, title = "fx_rate_missing", "There is no exchange rate"
    for_customer = "We have no exchange rate for these currencies yet."


# --- Rates -----------------------------------------------------------------------------------------------------------


class RateFileRefused(BadRequest):
    """A file of rates is read whole or not at all: ``line`` and ``field`` say where it could not be."""

    code, title = "rate_file_refused", "The file of rates cannot be read"


class RateLeaps(RateFileRefused):
    """A rate is further from the one before it than the source's rates may move. Nothing is quoted with what the source
    said earlier, until a file of it is read: by the next one, or when the limit was raised."""

    code, title = "rate_leaps", "A rate in the file is far from the one before it"


class UnknownRateSource(NotFound):
    """No source of rates has this code."""

    code, title = "unknown_rate_source", "There is no such source of rates"


class InvalidRateSource(BadRequest):
    """An address or option of a source does not make sense."""

    code, title = "invalid_rate_source", "The source cannot be set up like that"


class NotFetched(Unavailable):
    """The source's server did not give us a file: not reached, not allowed, too slow, too large, or an error."""

    code, title = "rates_not_fetched", "The rates could not be fetched"


# --- Providers, terms, margins ---------------------------------------------------------------------------------------


class InvalidTerms(BadRequest):
    """Terms, a margin or a cap that make no sense: a minimum above the maximum, a cost above the whole amount."""

    code, title = "invalid_fx_terms", "These terms make no sense"


class ProviderNotFound(NotFound):
    code, title = "fx_provider_not_found", "No such provider"


class ProviderSwitched(Conflict):
    code, title = "fx_provider_switched", "The provider is so already"


class FxDayPassed(BadRequest):
    """Terms, margins and caps begin today or later: what was is not changed."""

    code, title = "fx_day_passed", "The day has passed"
