"""Questions about views: is this one open, for this agent and here; how did it end."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from django.utils.timezone import now

from staff.models import User
from viewings.errors import ViewingNotFound, ViewingOver
from viewings.models import Viewing, ViewingEnd

VIEW_AS = "customers.view_as"
SEE = "viewings.view_viewing"


class Ended(NamedTuple):
    at: datetime
    how: str

    @property
    def words(self) -> str:
        return str(ViewingEnd.How(self.how).label)


def ended(viewing: Viewing) -> Ended | None:
    """How it ended, None while it has not. The clock decides even before anybody has written it down.

    Reads nothing of a viewing that came with its ``end``.
    """
    end: ViewingEnd | None = getattr(viewing, "end", None)
    if end is not None:
        return Ended(end.at, end.how)
    return Ended(viewing.ends_at, ViewingEnd.How.TIME) if now() >= viewing.ends_at else None


def live(agent: User) -> QuerySet[Viewing]:
    """Of this agent, as far as the clock and the rows say."""
    return Viewing.objects.filter(agent=agent, end=None, ends_at__gt=now()).select_related("customer", "end")


def viewing_of(agent: User, viewing_id: UUID) -> Viewing:
    """Raises: ViewingNotFound, also for a colleague's."""
    found = Viewing.objects.select_related("customer", "agent", "end").filter(pk=viewing_id, agent=agent).first()
    if found is None:
        raise ViewingNotFound()
    return found


def check_open(viewing: Viewing, session_began_at: datetime | None) -> None:
    """Whether its agent may still look at it, from the session of staff that began then. Raises: ViewingOver."""
    if (over := ended(viewing)) is not None:
        said = "You ended it." if over.how == ViewingEnd.How.DONE else f"It ended because {over.words}."
        raise ViewingOver(said, how=over.how)
    if session_began_at != viewing.session_began_at:
        raise ViewingOver("It began in a session of yours that is over, or in another browser.")
