"""What this app refuses."""

from core.errors import Conflict, NotFound


class ViewingNotFound(NotFound):
    """No such view, or a colleague's."""

    code, title = "viewing_not_found", "No such view"


class ViewingOver(Conflict):
    """The view has ended, or began in another session. Another one takes another reason."""

    code, title = "viewing_over", "This view has ended"
