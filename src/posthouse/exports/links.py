"""Links to an export that need no sign-in: they name it, when they end, and are signed with its own key. Pure."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.model.limits import EXPORT_LINK_S

KEY_OCTETS: Final = 32


def path(workspace_id: UUID, export_id: UUID, key: bytes, now: datetime) -> str:
    """Where it is found without sign-in for a while."""
    until = int((now + timedelta(seconds=EXPORT_LINK_S)).timestamp())
    return f"/export/{workspace_id}/{export_id}/{until}/{_signature(workspace_id, export_id, key, until)}"


def is_good(workspace_id: UUID, export_id: UUID, key: bytes, until: int, signature: str, now: datetime) -> bool:
    """Whether a link was made by us and has not ended."""
    wanted = _signature(workspace_id, export_id, key, until)
    fresh = until >= int(now.astimezone(UTC).timestamp())
    return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")) and fresh


def _signature(workspace_id: UUID, export_id: UUID, key: bytes, until: int) -> str:
    said = f"{workspace_id}.{export_id}.{until}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, said, hashlib.sha256)).decode().rstrip("=")
