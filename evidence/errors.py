"""What this app refuses."""

from core.errors import Conflict, NotFound


class NothingIsLate(Conflict):
    """Every row dated before the head is sealed: there is nothing to let in."""

    code, title = "nothing_is_late", "No row came late"


class ChainIsBroken(Conflict):
    """Sealed rows were changed or removed. Sealing that time again would cover it up."""

    code, title = "chain_is_broken", "The chain has faults"


class NotSealedYet(NotFound):
    """It happened a moment ago; the next pass of the sealer takes it."""

    code, title = "not_sealed_yet", "Not sealed yet"
