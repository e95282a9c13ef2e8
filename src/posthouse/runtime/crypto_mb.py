"""Eight private-key operations for the price of two: libcrypto_mb of Intel's Cryptography Primitives, where the processor has what it needs.

Each of the eight works in a lane of its own of the vector unit (AVX-512 IFMA), whatever the keys; a call takes as long for one as for
eight. What comes out is checked with the public key before anybody sees it: a wrong bit in an RSA signature by CRT, or in an Ed25519
one, gives the private key away.
"""

import ctypes
import os
from collections.abc import Sequence
from ctypes import CDLL, c_char_p, c_int, c_uint32, c_uint64, c_void_p
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

LANES: Final = 8
# it has methods for 3072 and 4096 too, which are no faster than one after the other
MODULUS_BITS: Final = frozenset({1024, 2048})
PUBLIC_EXPONENT: Final = 65_537
ED25519_OCTETS: Final = 32  # of a private or public key, and of each half of a signature
_MOST_OCTETS: Final = max(MODULUS_BITS) // 8
_DISTRIBUTION: Final = "ipp-crypto"
_LIBRARY: Final = "libcrypto_mb.so"
# The library asks for its compiler's run-time libraries and uses nothing of them. It is bound at once when it is loaded, so if it
# ever does, loading fails and nobody is worse off than without.
_NOT_NEEDED: Final = (b"libsvml.so", b"libirng.so", b"libimf.so", b"libintlc.so.5")
_PRESENT: Final = b"libc.so.6"

_Pointers = c_void_p * LANES
_Strings = c_char_p * LANES
_Lengths = c_int * LANES
_Key = TypeVar("_Key")


class RsaKey(NamedTuple):
    """Little-endian numbers: the modulus as long as the key, the others half as long."""

    bits: int
    modulus: bytes
    p: bytes
    q: bytes
    p_exponent: bytes
    q_exponent: bytes
    coefficient: bytes


class Ed25519Key(NamedTuple):
    """Both halves raw (RFC 8032 5.1.5)."""

    private: bytes
    public: bytes


class Lanes:
    """The library with its buffers: one per thread."""

    def __init__(self, library: CDLL) -> None:
        self._library = library
        self._first = [ctypes.create_string_buffer(_MOST_OCTETS) for _ in range(LANES)]
        self._second = [ctypes.create_string_buffer(_MOST_OCTETS) for _ in range(LANES)]
        self._to_first = _Pointers(*map(ctypes.addressof, self._first))
        self._to_second = _Pointers(*map(ctypes.addressof, self._second))

    def rsa(self, asked: Sequence[tuple[RsaKey, bytes]]) -> list[bytes] | None:
        """The RSA private-key operation on up to eight padded messages, under keys of one length; None when any is not right."""
        keys, messages = _filled(asked)
        bits, octets = keys[0].bits, keys[0].bits // 8
        status = self._library.mbx_rsa_private_crt_mb8(
            _Strings(*messages),
            self._to_first,
            _Strings(*[key.p for key in keys]),
            _Strings(*[key.q for key in keys]),
            _Strings(*[key.p_exponent for key in keys]),
            _Strings(*[key.q_exponent for key in keys]),
            _Strings(*[key.coefficient for key in keys]),
            bits,
            self._library.mbx_RSA_private_crt_Method(bits),
            None,
        ) or self._library.mbx_rsa_public_mb8(
            self._to_first,
            self._to_second,
            _Strings(*[key.modulus for key in keys]),
            bits,
            self._library.mbx_RSA_pub65537_Method(bits),
            None,
        )
        if status or [back.raw[:octets] for back in self._second] != messages:
            return None
        return [made.raw[:octets] for made in self._first[: len(asked)]]

    def ed25519(self, asked: Sequence[tuple[Ed25519Key, bytes]]) -> list[bytes] | None:
        """The signatures over up to eight messages (RFC 8032 5.1.6); None when any is not right."""
        keys, messages = _filled(asked)
        texts, lengths = _Strings(*messages), _Lengths(*map(len, messages))
        public = _Strings(*[key.public for key in keys])
        status = self._library.mbx_ed25519_sign_mb8(
            self._to_first, self._to_second, texts, lengths, _Strings(*[key.private for key in keys]), public
        ) or self._library.mbx_ed25519_verify_mb8(self._to_first, self._to_second, texts, lengths, public)
        if status:
            return None
        halves = zip(self._first, self._second, strict=True)
        return [r.raw[:ED25519_OCTETS] + s.raw[:ED25519_OCTETS] for r, s in halves][: len(asked)]


@cache
def lanes() -> Lanes | None:
    """The library, if it is installed and this processor has what it needs."""
    try:
        image = _path().read_bytes()
        for name in _NOT_NEEDED:
            image = image.replace(b"\0%s\0" % name, b"\0%s\0" % _PRESENT.ljust(len(name), b"\0"))
        library = _loaded(image)
        library.mbx_is_crypto_mb_applicable.argtypes = [c_uint64]
        return Lanes(_declared(library)) if library.mbx_is_crypto_mb_applicable(0) else None
    except (OSError, AttributeError, metadata.PackageNotFoundError):
        return None


def _path() -> Path:
    """Where the wheel has put it: outside the packages, so its list of files has to tell."""
    for file in metadata.files(_DISTRIBUTION) or ():
        if file.name == _LIBRARY:
            return Path(str(file.locate()))
    raise FileNotFoundError(_LIBRARY)


def _loaded(image: bytes) -> CDLL:
    """A library from memory. The file it lies in has no name and is gone when it is closed; what is mapped stays."""
    descriptor = os.memfd_create(_LIBRARY)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(image)
        return CDLL(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _declared(library: CDLL) -> CDLL:
    """With the types of the functions used, as crypto_mb/rsa.h and ed25519.h give them."""
    for name in ("mbx_RSA_private_crt_Method", "mbx_RSA_pub65537_Method"):
        method = getattr(library, name)
        method.argtypes, method.restype = [c_int], c_void_p
    for name, arguments in (
        ("mbx_rsa_private_crt_mb8", [_Strings, _Pointers, *[_Strings] * 5, c_int, c_void_p, c_void_p]),
        ("mbx_rsa_public_mb8", [_Pointers, _Pointers, _Strings, c_int, c_void_p, c_void_p]),
        ("mbx_ed25519_sign_mb8", [_Pointers, _Pointers, _Strings, _Lengths, _Strings, _Strings]),
        ("mbx_ed25519_verify_mb8", [_Pointers, _Pointers, _Strings, _Lengths, _Strings]),
    ):
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, c_uint32
    return library


def _filled(asked: Sequence[tuple[_Key, bytes]]) -> tuple[list[_Key], list[bytes]]:
    """Keys and messages for every lane: those that have nothing to do repeat the first."""
    every = [*asked, *[asked[0]] * (LANES - len(asked))]
    return [key for key, _ in every], [message for _, message in every]
