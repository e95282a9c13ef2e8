"""DKIM signatures of outgoing mail (RFC 6376), RSA and Ed25519 (RFC 8463) over one body hash.

Relaxed/relaxed survives what relays do to white space. The fields that decide how a message looks and to whom it answers are
oversigned: named once more than they occur, so that adding a second one breaks the signature. `l=` is never used, since it lets
anybody append. `t=` is written, `x=` is not: a mail that waited in a queue is not a forgery.
"""

import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

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
_SHA256: Final = Prehashed(hashes.SHA256())
_SHA256_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017 9.2 note 1
_LINE_CHARS: Final = 76
_NAMED: Final = frozenset(_OVERSIGNED + _SIGNED_IF_PRESENT)
_LAYOUTS: Final = 256  # kept: the mails of one program have the same fields in the same order
_LAYOUT_FIELDS: Final = 64  # ... and not many: what a stranger sends must not fill our memory


class Draft(NamedTuple):
    """A DKIM-Signature field as far as it is known before the arithmetic: up to its `b=`, and the SHA-256 to sign with the key."""

    key: SigningKey
    unsigned: bytes
    digest: bytes


def sign(content: bytes, keys: Sequence[SigningKey], now: datetime) -> bytes:
    """The DKIM-Signature fields to put before `content`, one per key, Ed25519 above RSA; nothing without keys.

    `content` is the complete message with CRLF line ends exactly as it will be sent.
    """
    return b"".join([finished(draft, sign_digest(draft.key, draft.digest)) for draft in drafts(content, keys, now)])


def drafts(content: bytes, keys: Sequence[SigningKey], now: datetime) -> list[Draft]:
    """The fields of `sign` before their signatures, in their order: for those who have the arithmetic done elsewhere."""
    if not keys:
        return []
    block, body = split(content)
    names, signed = _signed_header(fields(block))
    body_hash = binascii.b2a_base64(hashlib.sha256(relaxed_body(body)).digest(), newline=False)
    timestamp = int(now.timestamp())
    ordered = sorted(keys, key=lambda key: key.algorithm is Algorithm.RSA)
    return [_draft(key, names, signed, body_hash, timestamp) for key in ordered]


def finished(draft: Draft, signature: bytes) -> bytes:
    """The field with its signature, folded, with its CRLF."""
    text = binascii.b2a_base64(signature, newline=False)
    first = _LINE_CHARS - len(" b=")
    lines = [text[:first]]
    lines += [text[start : start + _LINE_CHARS - 1] for start in range(first, len(text), _LINE_CHARS - 1)]
    return draft.unsigned + b"\r\n ".join(lines) + b"\r\n"


def _draft(key: SigningKey, names: bytes, signed: bytes, body_hash: bytes, timestamp: int) -> Draft:
    tags = f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed;\r\n d={key.domain}; s={key.selector}; t={timestamp};\r\n"
    unsigned = tags.encode("ascii") + names + b" bh=" + body_hash + b";\r\n b="
    return Draft(key, unsigned, hashlib.sha256(signed + relaxed_field(unsigned)).digest())


def sign_digest(key: SigningKey, digest: bytes) -> bytes:
    """The signature over what has this SHA-256, by the key's own algorithm (RFC 8463 3: Ed25519 signs the digest itself)."""
    if isinstance(key.private_key, RSAPrivateKey):
        return key.private_key.sign(digest, _PADDING, _SHA256)
    return key.private_key.sign(digest)


def padded(digest: bytes, octets: int) -> bytes:
    """What RSA signs for this SHA-256 under a modulus of so many octets: EMSA-PKCS1-v1_5 (RFC 8017 9.2)."""
    return b"\0\1%s\0%s%s" % (b"\xff" * (octets - len(_SHA256_INFO) - len(digest) - 3), _SHA256_INFO, digest)


def _signed_header(found: Sequence[Field]) -> tuple[bytes, bytes]:
    """The folded `h=` line and the canonical fields in its order."""
    layout = _layout if len(found) <= _LAYOUT_FIELDS else _layout.__wrapped__
    names, order = layout(tuple([field.name if field.name in _NAMED else b"" for field in found]))
    return names, b"\r\n".join([*[relaxed_field(found[index].raw) for index in order], b""])


@lru_cache(_LAYOUTS)
def _layout(found: tuple[bytes, ...]) -> tuple[bytes, tuple[int, ...]]:
    """The folded `h=` line for fields of these names, and which of them it names, several of one name from the bottom up (5.4.2)."""
    by_name: dict[bytes, list[int]] = {}
    for index in reversed(range(len(found))):
        by_name.setdefault(found[index], []).append(index)
    names: list[bytes] = []
    order: list[int] = []
    for name in _OVERSIGNED:
        present = by_name.get(name, ())
        names += [name] * (len(present) + 1)
        order += present
    for name in _SIGNED_IF_PRESENT:
        present = by_name.get(name, ())
        names += [name] * len(present)
        order += present
    return _folded(names), tuple(order)


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
