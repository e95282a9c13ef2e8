"""DKIM key pairs: made, kept and published (RFC 6376 3.6.1, RFC 8463)."""

import base64
from enum import StrEnum
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from posthouse.model.limits import DKIM_RSA_BITS
from posthouse.model.values import dataclass

_PUBLIC_EXPONENT: Final = 65_537


class Algorithm(StrEnum):
    """The `a=` of a signature. Both are used side by side: not every receiver knows the newer one yet."""

    ED25519 = "ed25519-sha256"
    RSA = "rsa-sha256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the name its public half is published under. Keep the object: loading costs more than signing."""

    domain: str  # lower-case A-label
    selector: str
    algorithm: Algorithm
    private_key: RSAPrivateKey | Ed25519PrivateKey


def generate(algorithm: Algorithm, domain: str, selector: str) -> SigningKey:
    """A new key pair: RSA of 2048 bits, or Ed25519."""
    if algorithm is Algorithm.RSA:
        return SigningKey(domain, selector, algorithm, generate_private_key(_PUBLIC_EXPONENT, DKIM_RSA_BITS))
    return SigningKey(domain, selector, algorithm, Ed25519PrivateKey.generate())


def load(data: bytes, domain: str, selector: str) -> SigningKey:
    """The key in an unencrypted PEM or DER PKCS#8 (or traditional RSA) file. Raises ValueError for anything else."""
    try:
        is_pem = data.lstrip().startswith(b"-----BEGIN")
        key = (serialization.load_pem_private_key if is_pem else serialization.load_der_private_key)(data, None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("the private key is encrypted or of an unknown kind") from error
    if isinstance(key, RSAPrivateKey):
        return SigningKey(domain, selector, Algorithm.RSA, key)
    if isinstance(key, Ed25519PrivateKey):
        return SigningKey(domain, selector, Algorithm.ED25519, key)
    raise ValueError("a DKIM key is RSA or Ed25519")


def dump(key: SigningKey) -> bytes:
    """The private key as DER PKCS#8, in the clear: whoever stores it seals it."""
    return key.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def dns_name(key: SigningKey) -> str:
    """Where the public key is published."""
    return f"{key.selector}._domainkey.{key.domain}"


def dns_value(key: SigningKey) -> str:
    """The TXT record to publish there. Longer than one 255-octet string for RSA; DNS hosts split it."""
    kind = "rsa" if key.algorithm is Algorithm.RSA else "ed25519"
    return f"v=DKIM1; k={kind}; p={base64.b64encode(_public_octets(key)).decode('ascii')}"


def _public_octets(key: SigningKey) -> bytes:
    public = key.private_key.public_key()
    if key.algorithm is Algorithm.RSA:
        return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
