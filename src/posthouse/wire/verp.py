"""Signed return paths: one address per recipient, so that whatever comes back to it names the recipient by itself.

The local part is a purpose letter and 48 characters of base32 without padding: 4 octets workspace number, 16 octets recipient id
and 10 octets HMAC-SHA-256 over purpose and both. 49 octets fit the 64 of RFC 5321 4.5.3.1.1, base32 survives servers that change
the case, and 30 octets fill 48 characters exactly, so no character can be altered without the signature noticing.
"""

import base64
import hmac
import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import Final
from uuid import UUID

from posthouse.model.values import dataclass

_NUMBER_OCTETS: Final = 4
_ID_OCTETS: Final = 16
_MAC_OCTETS: Final = 10
_SIGNED_OCTETS: Final = _NUMBER_OCTETS + _ID_OCTETS
_LOCAL_OCTETS: Final = 1 + (_SIGNED_OCTETS + _MAC_OCTETS) * 8 // 5
_LOCAL: Final = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z][A-Za-z2-7]{%d}(?=@)" % (_LOCAL_OCTETS - 1))
_LOOKED_AT: Final = 50  # in one message: nobody quotes more of ours


class Purpose(StrEnum):
    """What mail to the address means; its first letter. A bounce address is no key to unsubscribe with."""

    BOUNCE = "b"
    COMPLAINT = "c"
    UNSUBSCRIBE = "u"
    REPORT = "r"  # what receivers report about the workspace's domains; its id is the workspace's own


@dataclass(frozen=True, slots=True)
class ReturnToken:
    """What a genuine address says."""

    purpose: Purpose
    workspace_number: int
    recipient_id: UUID


def encode(purpose: Purpose, workspace_number: int, recipient_id: UUID, secret: bytes) -> str:
    """The local part; `workspace_number` must fit 32 bits."""
    signed = workspace_number.to_bytes(_NUMBER_OCTETS, "big") + recipient_id.bytes
    return purpose + base64.b32encode(signed + _mac(purpose, signed, secret)).decode("ascii").lower()


def decode(local: str, secret: bytes) -> ReturnToken | None:
    """What the local part says if we wrote it with this secret, else None. Never raises."""
    if len(local) != _LOCAL_OCTETS or not local.isascii():
        return None
    try:
        purpose = Purpose(local[0].lower())
        octets = base64.b32decode(local[1:].upper())
    except ValueError:
        return None
    signed, mac = octets[:_SIGNED_OCTETS], octets[_SIGNED_OCTETS:]
    if not hmac.compare_digest(mac, _mac(purpose, signed, secret)):
        return None
    return ReturnToken(purpose, int.from_bytes(signed[:_NUMBER_OCTETS], "big"), UUID(bytes=signed[_NUMBER_OCTETS:]))


def found_in(content: bytes, secret: bytes) -> Iterator[ReturnToken]:
    """What addresses of ours a message quotes: the return path of the mail it is about outlives what redaction leaves of the rest."""
    for local in islice(_LOCAL.finditer(content), _LOOKED_AT):
        if token := decode(local[0].decode("ascii"), secret):
            yield token


def _mac(purpose: Purpose, signed: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, purpose.encode("ascii") + signed, "sha256")[:_MAC_OCTETS]
