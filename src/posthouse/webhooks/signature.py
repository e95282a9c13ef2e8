"""Signatures as Standard Webhooks has them (specification 1.0, symmetric scheme v1). Pure."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

SECRET_OCTETS: Final = 32  # the specification wants 24 to 64
_PREFIX: Final = "whsec_"


def secret_of(entropy: bytes) -> str:
    """The secret as its owner keeps it."""
    return _PREFIX + base64.b64encode(entropy).decode()


def sign(secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The field webhook-signature: one signature for each secret, the newest first, so that either of two will do."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join(_v1(secret, signed) for secret in secrets)


def headers(secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> tuple[tuple[str, str], ...]:
    """Every field a consumer needs. `timestamp` is the time of this try in seconds, the id is the same at every try."""
    return (
        ("Content-Type", "application/json"),
        ("webhook-id", webhook_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", sign(secrets, webhook_id, timestamp, body)),
    )


def _v1(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
