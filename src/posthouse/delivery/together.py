"""Makes several signatures at once where the processor can (`runtime.crypto_mb`), one after the other where it cannot.

Eight RSA-2048 signatures together cost as much as two or three one by one.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from posthouse.runtime.crypto_mb import LANES, MODULUS_BITS, PUBLIC_EXPONENT, Ed25519Key, Lanes, RsaKey
from posthouse.wire import dkim
from posthouse.wire.dkim import Draft

_KEYS: Final = 1_000  # of each algorithm, kept as the lanes want them
_FEWEST_RSA: Final = 3  # signatures for which the lanes are cheaper, by measurement
_FEWEST_ED25519: Final = 2

_Key = TypeVar("_Key", RsaKey, Ed25519Key)


class Together:
    """Signs for one process; one by one where there are no lanes."""

    def __init__(self, lanes: Lanes | None) -> None:
        self._lanes = lanes

    @property
    def most(self) -> int:
        """So many at a time are worth gathering."""
        return 1 if self._lanes is None else LANES

    def sign(self, drafts: Sequence[Draft]) -> list[bytes]:
        """The signature over the digest of each draft with its key."""
        if self._lanes is None or len(drafts) < _FEWEST_ED25519:
            return [dkim.sign_digest(draft.key, draft.digest) for draft in drafts]
        made: dict[int, bytes] = {}
        rsa: dict[int, list[tuple[int, tuple[RsaKey, bytes]]]] = {}  # by length of the key: index and what is asked
        ed25519: list[tuple[int, tuple[Ed25519Key, bytes]]] = []
        for index, draft in enumerate(drafts):
            key = _numbers(draft.key.private_key)
            if isinstance(key, RsaKey):
                rsa.setdefault(key.bits, []).append((index, (key, dkim.padded(draft.digest, key.bits // 8))))
            elif key is not None:
                ed25519.append((index, (key, draft.digest)))
        for each in rsa.values():
            made |= _made(self._lanes.rsa, each, _FEWEST_RSA)
        made |= _made(self._lanes.ed25519, ed25519, _FEWEST_ED25519)
        return [made.get(index) or dkim.sign_digest(draft.key, draft.digest) for index, draft in enumerate(drafts)]


def _made(
    function: Callable[[Sequence[tuple[_Key, bytes]]], list[bytes] | None],
    asked: Sequence[tuple[int, tuple[_Key, bytes]]],
    fewest: int,
) -> dict[int, bytes]:
    """Signatures by index; those that are too few for the lanes, or that came out wrong, are not among them."""
    made: dict[int, bytes] = {}
    for first in range(0, len(asked), LANES):
        some = asked[first : first + LANES]
        if len(some) >= fewest:
            signatures = function([each for _, each in some]) or ()
            made |= dict(zip([index for index, _ in some], signatures, strict=False))
    return made


@lru_cache(_KEYS)
def _numbers(key: RSAPrivateKey | Ed25519PrivateKey) -> RsaKey | Ed25519Key | None:
    """A key as the lanes want it; None for one they cannot use."""
    if isinstance(key, Ed25519PrivateKey):
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Ed25519Key(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()), public)
    private = key.private_numbers()
    public_numbers = private.public_numbers
    half = key.key_size // 2
    is_even = private.p.bit_length() == private.q.bit_length() == half
    if key.key_size not in MODULUS_BITS or public_numbers.e != PUBLIC_EXPONENT or not is_even:
        return None
    octets = half // 8
    return RsaKey(
        key.key_size,
        public_numbers.n.to_bytes(2 * octets, "little"),
        private.p.to_bytes(octets, "little"),
        private.q.to_bytes(octets, "little"),
        private.dmp1.to_bytes(octets, "little"),
        private.dmq1.to_bytes(octets, "little"),
        private.iqmp.to_bytes(octets, "little"),
    )
