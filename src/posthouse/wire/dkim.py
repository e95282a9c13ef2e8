"""DKIM signatures of outgoing mail (RFC 6376), RSA and Ed25519 (RFC 8463) over one body hash.

Relaxed/relaxed survives what relays do to white space. The fields that decide how a message looks and to whom it answers are
oversigned: named once more than they occur, so that adding a second one breaks the signature. `l=` is never used, since it lets
anybody append. `t=` is written, `x=` is not: a mail that waited in a queue is not a forgery.
"""

import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from posthouse.wire.canonical import relaxed_body, relaxed_field
from posthouse.wire.dkim_keys import Algorithm, SigningKey
from posthouse.wire.headers import Field, fields, split

_OVERSIGNED: Final = (
    b"from", b"to", b"cc", b"subject", b"date", b"reply-to", b"message-id",
    b"mime-version", b"content-type", b"content-transfer-encoding",
)  # fmt: skip
# Signed as often as they occur; a list server that adds its own later does not break the signature. List-Unsubscribe and its
# Post must be covered (RFC 8058 4), as must CFBL-Address (RFC 9477 3.1).
_SIGNED_IF_PRESENT: Final = (
    b"sender", b"in-reply-to", b"references", b"auto-submitted", b"list-id", b"list-unsubscribe", b"list-unsubscribe-post",
    b"feedback-id", b"cfbl-address", b"cfbl-feedback-id", b"content-id", b"content-disposition",
    b"resent-from", b"resent-to", b"resent-date", b"resent-message-id",
)  # fmt: skip
_PADDING: Final = PKCS1v15()
_SHA256: Final = hashes.SHA256()
_LINE_CHARS: Final = 76


def sign(content: bytes, keys: Sequence[SigningKey], now: datetime) -> bytes:
    """The DKIM-Signature fields to put before `content`, one per key, Ed25519 above RSA; nothing without keys.

    `content` is the complete message with CRLF line ends exactly as it will be sent.
    """
    if not keys:
        return b""
    block, body = split(content)
    names, signed = _signed_header(fields(block))
    body_hash = binascii.b2a_base64(hashlib.sha256(relaxed_body(body)).digest(), newline=False)
    timestamp = int(now.timestamp())
    ordered = sorted(keys, key=lambda key: key.algorithm is Algorithm.RSA)
    return b"".join([_signature(key, names, signed, body_hash, timestamp) for key in ordered])


def _signature(key: SigningKey, names: bytes, signed: bytes, body_hash: bytes, timestamp: int) -> bytes:
    tags = f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed;\r\n d={key.domain}; s={key.selector}; t={timestamp};\r\n"
    unsigned = tags.encode("ascii") + names + b" bh=" + body_hash + b";\r\n b="
    signature = binascii.b2a_base64(sign_octets(key, signed + relaxed_field(unsigned)), newline=False)
    first = _LINE_CHARS - len(" b=")
    lines = [signature[:first]]
    lines += [signature[start : start + _LINE_CHARS - 1] for start in range(first, len(signature), _LINE_CHARS - 1)]
    return unsigned + b"\r\n ".join(lines) + b"\r\n"


def sign_octets(key: SigningKey, data: bytes) -> bytes:
    """The signature over some octets, by the key's own algorithm."""
    if isinstance(key.private_key, RSAPrivateKey):
        return key.private_key.sign(data, _PADDING, _SHA256)
    return key.private_key.sign(hashlib.sha256(data).digest())  # RFC 8463 3: PureEdDSA over the SHA-256 of the data


def _signed_header(found: Sequence[Field]) -> tuple[bytes, bytes]:
    """The folded `h=` line and the canonical fields in its order, several of one name from the bottom up (5.4.2)."""
    by_name: dict[bytes, list[bytes]] = {}
    for field in reversed(found):
        by_name.setdefault(field.name, []).append(field.raw)
    names: list[bytes] = []
    canonical: list[bytes] = []
    for name in _OVERSIGNED:
        present = by_name.get(name, ())
        names += [name] * (len(present) + 1)
        canonical += map(relaxed_field, present)
    for name in _SIGNED_IF_PRESENT:
        present = by_name.get(name, ())
        names += [name] * len(present)
        canonical += map(relaxed_field, present)
    canonical.append(b"")
    return _folded(names), b"\r\n".join(canonical)


def _folded(names: Sequence[bytes]) -> bytes:
    # Folded at colons only: some receivers cannot put a name back together that was folded inside.
    lines = [b" h=" + names[0]]
    for name in names[1:]:
        if len(lines[-1]) + len(name) + 2 > _LINE_CHARS:
            lines[-1] += b":"
            lines.append(b" " + name)
        else:
            lines[-1] += b":" + name
    return b"\r\n".join(lines) + b";\r\n"
