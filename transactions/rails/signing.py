"""Standard Webhooks signatures (standardwebhooks.com), both ways: HMAC-SHA-256 over id, timestamp and raw body.

The sandbox bank runs without Django and signs with this too; keep it free of imports that need settings.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

from core.ids import uuid7
from transactions.rails.base import InvalidSignature


class Signer:
    """Holds one shared secret: ``whsec_`` and base64, as the standard writes it, or any text of at least 24 bytes."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret if secret.startswith("whsec_") else secret.encode())
        if len(self._webhook._whsecret) < 24:
            raise ValueError("A rail's secret must have at least 24 bytes.")

    def sign(self, body: bytes, *, message_id: str = "", at: datetime | None = None) -> dict[str, str]:
        """The headers to send with ``body``: a retry passes the ``message_id`` of the first try."""
        message_id, at = message_id or f"msg_{uuid7().hex}", at or datetime.now(UTC)
        return {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(message_id, at, body.decode()),
        }

    def check(self, headers: Mapping[str, str], body: bytes) -> str:
        """The message id, if the signature fits and the time is within five minutes. Raises: InvalidSignature."""
        try:
            self._webhook.verify(body, dict(headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as exc:  # a malformed header surfaces as ValueError
            raise InvalidSignature("The message is not signed with our shared secret, or is too old.") from exc
        return next(value for name, value in headers.items() if name.lower() == "webhook-id")
