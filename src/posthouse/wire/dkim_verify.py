"""DKIM signatures of other people's mail, checked (RFC 6376 6, 8301, 8463).

A message is whatever a stranger sent, and so is the key record: every way they can be wrong is a result, never an exception.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from posthouse.model.limits import DKIM_RSA_BITS_ACCEPTED, DKIM_RSA_BITS_CHECKED, DKIM_SIGNATURES_CHECKED
from posthouse.model.values import dataclass
from posthouse.wire import tags
from posthouse.wire.canonical import relaxed_body, relaxed_field, simple_body, simple_field
from posthouse.wire.dkim_keys import Algorithm
from posthouse.wire.headers import Field, fields, split
from posthouse.wire.lookups import Found, Lookups

_REQUIRED: Final = ("v", "a", "b", "bh", "d", "h", "s")
_SIGNATURE_VALUE: Final = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")
_KEY_TYPES: Final = {"rsa": Algorithm.RSA, "ed25519": Algorithm.ED25519}
_CANONICAL_BODY: Final = {"simple": simple_body, "relaxed": relaxed_body}
_CANONICAL_FIELD: Final = {"simple": simple_field, "relaxed": relaxed_field}
_CLOCK_SKEW_S: Final = 300

MAIL: Final = frozenset({"*", "email"})
"""The services of keys that sign mail (RFC 6376 3.6.1)."""
TLS_REPORTS: Final = frozenset({"tlsrpt"})
"""... and of those that sign reports about TLS alone (RFC 8460 3)."""


class DkimStatus(StrEnum):
    """Results as RFC 8601 2.7.1 names them."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class DkimResult:
    """What one signature proved, and the reason in words unless it passed."""

    status: DkimStatus
    reason: str = ""
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    identity: str = ""  # i=, or @ and the domain
    testing: bool = False  # the domain says it is only trying (t=y)
    partial: bool = False  # l= leaves the end of the body to anybody
    services: frozenset[str] = frozenset()  # what the domain publishes the key for (s=)


@dataclass(frozen=True, slots=True)
class _Signature:
    field: Field
    algorithm: Algorithm
    signature: bytes
    body_hash: bytes
    domain: str
    selector: str
    identity: str
    signed_names: tuple[bytes, ...]
    header_form: str
    body_form: str
    body_length: int | None


@dataclass(frozen=True, slots=True)
class _Published:
    key: RSAPublicKey | Ed25519PublicKey
    testing: bool
    services: frozenset[str]


class _Refused(Exception):  # noqa: N818 - a result on its way out, not an error
    """Leaves the checks with a result; never leaves this module."""

    def __init__(self, status: DkimStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claim:
    """One signature with what the message itself says of it; whether its domain says the same, only the DNS knows.

    `result` is final unless `signature` is there, and says pass until then. `data` is what the key has to have signed.
    """

    result: DkimResult
    signature: _Signature | None = None
    data: bytes = b""


async def verify(content: bytes, lookups: Lookups, now: datetime) -> tuple[DkimResult, ...]:
    """One result per DKIM-Signature from the top, at most ten; empty for a message without any. Never raises."""
    return tuple([await judge(claim, lookups) for claim in claims(content, now)])


def claims(content: bytes, now: datetime) -> tuple[Claim, ...]:
    """The part of `verify` that asks nobody, and takes time by the size of the message: tens of milliseconds for 10 MB."""
    block, body = split(content)
    found = fields(block)
    signatures = [field for field in found if field.name == b"dkim-signature"][:DKIM_SIGNATURES_CHECKED]
    canonical = _Bodies(body)
    return tuple([_claim(field, found, canonical, now) for field in signatures])


async def judge(claim: Claim, lookups: Lookups, services: Set[str] = MAIL) -> DkimResult:
    """What a claim comes to, by the key its domain publishes for one of these services. Never raises."""
    signature, result = claim.signature, claim.result
    if signature is None:
        return result
    try:
        published = await _published_key(signature, lookups, services)
        _check_header(signature, claim.data, published.key)
    except _Refused as refused:
        return replace(result, status=refused.status, reason=refused.reason)
    return replace(result, testing=published.testing, services=published.services)


class _Bodies:
    """Both canonical forms of one body, made once however many signatures ask."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._made: dict[str, bytes] = {}

    def form(self, name: str) -> bytes:
        if name not in self._made:
            self._made[name] = _CANONICAL_BODY[name](self._body)
        return self._made[name]


def _claim(field: Field, found: Sequence[Field], bodies: _Bodies, now: datetime) -> Claim:
    named = tags.parse(field.value.decode("utf-8", "replace")) or {}
    result = DkimResult(
        DkimStatus.PASS,
        domain=named.get("d", "").lower(),
        selector=named.get("s", "").lower(),
        algorithm=named.get("a", ""),
        identity=named.get("i") or f"@{named.get('d', '')}",
    )
    try:
        signature = _read_signature(field, named, now)
        partial = _check_body(signature, bodies.form(signature.body_form))
    except _Refused as refused:
        return Claim(replace(result, status=refused.status, reason=refused.reason))
    return Claim(replace(result, partial=partial), signature, _signed_data(signature, found))


def _read_signature(field: Field, named: dict[str, str], now: datetime) -> _Signature:
    missing = [name for name in _REQUIRED if not named.get(name)]
    if missing:
        raise _permerror(f"the signature lacks {', '.join(f'{name}=' for name in missing)}")
    header_form, _, body_form = tags.without_folding(named.get("c", "simple/simple")).lower().partition("/")
    signature = _Signature(
        field=field,
        algorithm=_algorithm(named),
        signature=_base64(named["b"], "b="),
        body_hash=_base64(named["bh"], "bh="),
        domain=named["d"].lower(),
        selector=named["s"].lower(),
        identity=named.get("i") or f"@{named['d']}",
        signed_names=tuple(name.encode() for name in tags.without_folding(named["h"]).lower().split(":")),
        header_form=header_form,
        body_form=body_form or "simple",
        body_length=_number(named, "l"),
    )
    _check_tags(signature, named, now)
    return signature


def _check_tags(signature: _Signature, named: dict[str, str], now: datetime) -> None:
    if signature.header_form not in _CANONICAL_FIELD or signature.body_form not in _CANONICAL_BODY:
        raise _permerror("c= is no known canonicalization")
    if not _NAME.fullmatch(signature.domain) or not _NAME.fullmatch(signature.selector):
        raise _permerror("d= or s= is no domain name")
    if b"from" not in signature.signed_names:
        raise _permerror("h= leaves out From")
    host = signature.identity.rpartition("@")[2].lower()
    if host != signature.domain and not host.endswith(f".{signature.domain}"):
        raise _permerror("i= is outside d=")
    signed_at, expires_at = _number(named, "t"), _number(named, "x")
    if expires_at is not None and (expires_at < now.timestamp() or expires_at <= (signed_at or 0)):
        raise _Refused(DkimStatus.FAIL, "the signature has expired")
    if signed_at is not None and signed_at > now.timestamp() + _CLOCK_SKEW_S:
        raise _Refused(DkimStatus.FAIL, "the signature is from the future")


async def _published_key(signature: _Signature, lookups: Lookups, services: Set[str]) -> _Published:
    answer = await lookups.txt(f"{signature.selector}._domainkey.{signature.domain}")
    if answer.found is Found.FAILED:
        raise _Refused(DkimStatus.TEMPERROR, "the key record could not be looked up")
    records = [record for text in answer.values if (record := tags.parse(text)) is not None and "p" in record]
    if not records:
        raise _permerror("there is no key record")
    if len(records) > 1:
        raise _permerror("there are several key records")
    of_key = frozenset(tags.without_folding(records[0].get("s", "*")).split(":"))
    if not services & of_key:
        raise _permerror("the key is not for mail")
    _check_record(records[0], signature)
    key = _public_key(tags.without_folding(records[0]["p"]), signature.algorithm)
    return _Published(key, "y" in _flags(records[0]), of_key)


def _check_record(record: dict[str, str], signature: _Signature) -> None:
    if record.get("v", "DKIM1") != "DKIM1":
        raise _permerror("the key record has an unknown version")
    if not record["p"]:
        raise _permerror("the key has been revoked")
    if _KEY_TYPES.get(record.get("k", "rsa")) is not signature.algorithm:
        raise _permerror("the key is of another type than the signature")
    if "h" in record and "sha256" not in tags.without_folding(record["h"]).split(":"):
        raise _permerror("the key does not allow SHA-256")
    if "s" in _flags(record) and signature.identity.rpartition("@")[2].lower() != signature.domain:
        raise _permerror("the key does not allow subdomains in i=")


def _public_key(encoded: str, algorithm: Algorithm) -> RSAPublicKey | Ed25519PublicKey:
    try:
        octets = base64.b64decode(encoded, validate=True)
        if algorithm is Algorithm.ED25519:
            return Ed25519PublicKey.from_public_bytes(octets)
        key = serialization.load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _permerror("the key record holds no key") from error
    if not isinstance(key, RSAPublicKey):
        raise _permerror("the key is of another type than the record says")
    if key.key_size < DKIM_RSA_BITS_ACCEPTED:
        raise _permerror(f"the key has {key.key_size} bits, fewer than {DKIM_RSA_BITS_ACCEPTED}")
    if key.key_size > DKIM_RSA_BITS_CHECKED:
        raise _permerror(f"the key has {key.key_size} bits, more than {DKIM_RSA_BITS_CHECKED}")
    return key


def _check_body(signature: _Signature, canonical: bytes) -> bool:
    """Whether there is more of the body than was signed."""
    signed = canonical
    if signature.body_length is not None:
        if signature.body_length > len(canonical):
            raise _permerror("l= is longer than the body")
        signed = canonical[: signature.body_length]
    if hashlib.sha256(signed).digest() != signature.body_hash:
        raise _Refused(DkimStatus.FAIL, "the body was altered")
    return len(signed) < len(canonical)


def _check_header(signature: _Signature, data: bytes, key: RSAPublicKey | Ed25519PublicKey) -> None:
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(signature.signature, data, PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature.signature, hashlib.sha256(data).digest())
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as error:
        raise _Refused(DkimStatus.FAIL, "the header was altered, or another key signed") from error


def _signed_data(signature: _Signature, found: Sequence[Field]) -> bytes:
    form = _CANONICAL_FIELD[signature.header_form]
    waiting: dict[bytes, list[bytes]] = {}  # of each name the lowest comes first (5.4.2); pop() takes from the end
    for field in found:
        waiting.setdefault(field.name, []).append(field.raw)
    lines = [form(waiting[name].pop()) for name in signature.signed_names if waiting.get(name)]
    name, colon, value = signature.field.raw.partition(b":")
    own = name + colon + _SIGNATURE_VALUE.sub(rb"\1", value.removesuffix(b"\r\n"), count=1)
    return b"\r\n".join([*lines, form(own)])


def _algorithm(named: dict[str, str]) -> Algorithm:
    if named["v"] != "1":
        raise _permerror("v= is not 1")
    try:
        return Algorithm(named["a"].lower())
    except ValueError:
        raise _permerror(f"a= is no algorithm that is accepted: {named['a'][:40]}") from None


def _base64(value: str, tag: str) -> bytes:
    try:
        return base64.b64decode(tags.without_folding(value), validate=True)
    except (binascii.Error, ValueError):
        raise _permerror(f"{tag} is no base64") from None


def _number(named: dict[str, str], tag: str) -> int | None:
    value = named.get(tag)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 12):
        raise _permerror(f"{tag}= is no number")
    return int(value)


def _flags(record: dict[str, str]) -> set[str]:
    return set(tags.without_folding(record.get("t", "")).split(":"))


def _permerror(reason: str) -> _Refused:
    return _Refused(DkimStatus.PERMERROR, reason)
