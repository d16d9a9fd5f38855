"""A mail server that is more than out of order: what is sent to some addresses kills or breaks the worker."""

import os
import signal
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend

KILLS, BREAKS = "kills@example.com", "breaks@example.com"


class PoisonedMail(EmailBackend):
    def send_messages(self, messages: Sequence[EmailMessage]) -> int:
        to = [address for message in messages for address in message.to]
        if KILLS in to:
            os.kill(os.getpid(), signal.SIGKILL)
        if BREAKS in to:
            raise RuntimeError(f"the mail server does not like {BREAKS}")
        return super().send_messages(messages) or 0
