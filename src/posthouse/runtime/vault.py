"""Envelope encryption: what is secret is sealed under a data key, and data keys are wrapped under a key-encryption key (KEK).

The KEK lives in a file, in the environment or in a key management service, never in the database; a dump without it opens
nothing. Each workspace has its own data keys, so destroying them destroys the workspace's secrets. Rotating the KEK re-wraps data
keys only: `rewrap` each row, then drop the old KEK from the settings.

A sealed value is: format (1 octet, 0x01), key id (16), nonce (12), AES-256-GCM ciphertext with its tag (NIST SP 800-38D). The
additional data names table, column, workspace and row, so a value copied to another place does not open. A wrapped key has the
same shape without the key id. Keys live in rows that accounts owns; nothing here touches the database.
"""

import base64
import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from posthouse.model import limits
from posthouse.runtime.settings import Settings

_FORMAT: Final = b"\x01"
_KEY_OCTETS: Final = 32
_NONCE_OCTETS: Final = 12
_HEADER_OCTETS: Final = 17  # format and key id


class SealError(Exception):
    """A value that does not open: wrong key, wrong place, or changed."""


class KekError(Exception):
    """The key-encryption key cannot be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored: useless without the KEK called `kek_id`."""

    key_id: UUID
    kek_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value is kept; it opens nowhere else. `row_id` is the rest of the row's primary key as text."""

    table: str
    column: str
    workspace_id: UUID
    row_id: str

    def octets(self) -> bytes:
        """Additional authenticated data: unambiguous, as no part can contain the separator."""
        return "\0".join((self.table, self.column, str(self.workspace_id), self.row_id)).encode()


class KeyEncryption(Protocol):
    """What wraps data keys: a key in a file, or a key management service."""

    @property
    def kek_id(self) -> str:
        """A name that changes with the key and tells nothing about it."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a data key, bound to `context`."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key again. Raises SealError."""
        ...

    def derive(self, purpose: str) -> bytes:
        """32 octets that only a holder of the key can make, different for every purpose."""
        ...


class LocalKey:
    """A KEK held in memory: 32 octets."""

    __slots__ = ("_cipher", "_secret", "kek_id")

    def __init__(self, secret: bytes) -> None:
        assert len(secret) == _KEY_OCTETS
        self._secret = secret
        self._cipher = AESGCM(self.derive("wrap data keys"))
        self.kek_id = hashlib.sha256(b"posthouse kek id\0" + secret).hexdigest()[:16]

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Format, nonce, ciphertext."""
        nonce = os.urandom(_NONCE_OCTETS)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key again. Raises SealError."""
        return _decrypt(self._cipher, wrapped, len(_FORMAT), context)

    def derive(self, purpose: str) -> bytes:
        """HKDF-SHA256 (RFC 5869)."""
        return HKDF(SHA256(), _KEY_OCTETS, salt=None, info=b"posthouse " + purpose.encode()).derive(self._secret)


class Vault:
    """Seals and opens; remembers the data keys it unwrapped."""

    def __init__(self, kek: KeyEncryption, retired: tuple[KeyEncryption, ...] = ()) -> None:
        self._kek = kek
        self._keks = {each.kek_id: each for each in (*retired, kek)}
        self._ciphers: OrderedDict[UUID, AESGCM] = OrderedDict()

    @property
    def kek_id(self) -> str:
        """The KEK that new data keys are wrapped with."""
        return self._kek.kek_id

    def new_key(self, workspace_id: UUID, key_id: UUID) -> WrappedKey:
        """A fresh data key for a workspace, to be stored."""
        return self._wrap(workspace_id, key_id, os.urandom(_KEY_OCTETS))

    def rewrap(self, workspace_id: UUID, key: WrappedKey) -> WrappedKey:
        """The same data key under the current KEK. Raises SealError."""
        return self._wrap(workspace_id, key.key_id, self._unwrap(workspace_id, key))

    def seal(self, key: WrappedKey, plaintext: bytes, place: Place) -> bytes:
        """Encrypt a value for one place. Raises SealError when the data key does not open."""
        nonce = os.urandom(_NONCE_OCTETS)
        sealed = self._cipher(key, place.workspace_id).encrypt(nonce, plaintext, place.octets())
        return _FORMAT + key.key_id.bytes + nonce + sealed

    def open(self, key: WrappedKey, sealed: bytes, place: Place) -> bytes:
        """The plaintext again; `key` is the one `key_id_of(sealed)` names. Raises SealError."""
        if key_id_of(sealed) != key.key_id:
            raise SealError(f"sealed with another key than {key.key_id}")
        return _decrypt(self._cipher(key, place.workspace_id), sealed, _HEADER_OCTETS, place.octets())

    def derive(self, purpose: str) -> bytes:
        """32 octets for a purpose (signing return paths, cookies ...), the same in every process that has the KEK."""
        return self._kek.derive(purpose)

    def _cipher(self, key: WrappedKey, workspace_id: UUID) -> AESGCM:
        if key.key_id not in self._ciphers:
            self._ciphers[key.key_id] = AESGCM(self._unwrap(workspace_id, key))
            if len(self._ciphers) > limits.DATA_KEYS_CACHED:
                self._ciphers.popitem(last=False)
        self._ciphers.move_to_end(key.key_id)
        return self._ciphers[key.key_id]

    def _wrap(self, workspace_id: UUID, key_id: UUID, secret: bytes) -> WrappedKey:
        return WrappedKey(key_id, self._kek.kek_id, self._kek.wrap(secret, _context(workspace_id, key_id)))

    def _unwrap(self, workspace_id: UUID, key: WrappedKey) -> bytes:
        if key.kek_id not in self._keks:
            raise SealError(
                f"data key {key.key_id} is wrapped with a key-encryption key that is not here: {key.kek_id}"
            )
        return self._keks[key.kek_id].unwrap(key.wrapped, _context(workspace_id, key.key_id))


def _context(workspace_id: UUID, key_id: UUID) -> bytes:
    return b"data key\0" + workspace_id.bytes + key_id.bytes


def _decrypt(cipher: AESGCM, sealed: bytes, header: int, context: bytes) -> bytes:
    nonce = sealed[header : header + _NONCE_OCTETS]
    if sealed[:1] != _FORMAT or len(nonce) < _NONCE_OCTETS:
        raise SealError("of an unknown format")
    try:
        return cipher.decrypt(nonce, sealed[header + _NONCE_OCTETS :], context)
    except InvalidTag as error:
        raise SealError("wrong key, wrong place, or changed") from error


def key_id_of(sealed: bytes) -> UUID:
    """Which data key a value was sealed with. Raises SealError."""
    if sealed[:1] != _FORMAT or len(sealed) < _HEADER_OCTETS:
        raise SealError("of an unknown format")
    return UUID(bytes=sealed[len(_FORMAT) : _HEADER_OCTETS])


def open_vault(settings: Settings) -> Vault:
    """The vault under the key-encryption key of the settings. Raises KekError."""
    secret = settings.kek or read_kek(settings.kek_path)
    return Vault(LocalKey(secret), tuple(LocalKey(read_kek(path)) for path in settings.server.kek_retired))


def read_kek(path: Path) -> bytes:
    """The 32 octets in a key file. Raises KekError when it is not there or holds something else."""
    try:
        secret = base64.b64decode(path.read_bytes().strip(), validate=True)
    except FileNotFoundError as error:
        raise KekError(
            f"there is no key-encryption key in {path}: copy it from the host that made it (`posthouse up` makes a new one)"
        ) from error
    except (OSError, ValueError) as error:
        raise KekError(f"the key-encryption key in {path} cannot be read: {error}") from error
    if len(secret) != _KEY_OCTETS:
        raise KekError(f"{path} does not hold 32 octets in base64")
    return secret


def ensure_kek(path: Path) -> bool:
    """Make a key file readable only by its owner, unless there is one. True when it was made."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(_KEY_OCTETS)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True
