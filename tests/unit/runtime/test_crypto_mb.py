"""Eight private-key operations at a time: the same signatures as one by one, and nothing at all rather than a wrong one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from posthouse.runtime import crypto_mb
from posthouse.runtime.crypto_mb import LANES, Ed25519Key, Lanes, RsaKey
from posthouse.wire.dkim import padded

RSA = {bits: [generate_private_key(65_537, bits) for _ in range(3)] for bits in (1024, 2048)}
ED25519 = [Ed25519PrivateKey.generate() for _ in range(3)]
DIGESTS = [os.urandom(32) for _ in range(LANES)]


@pytest.fixture
def lanes() -> Lanes:
    found = crypto_mb.lanes()
    if found is None:
        pytest.skip("this processor has no AVX-512 IFMA")
    return found


@pytest.fixture
def anew() -> Iterator[None]:
    crypto_mb.lanes.cache_clear()
    yield
    crypto_mb.lanes.cache_clear()


def rsa_key(key: RSAPrivateKey) -> RsaKey:
    numbers, octets = key.private_numbers(), key.key_size // 16
    halves = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    p, q, p_exponent, q_exponent, coefficient = (number.to_bytes(octets, "little") for number in halves)
    modulus = numbers.public_numbers.n.to_bytes(2 * octets, "little")
    return RsaKey(key.key_size, modulus, p, q, p_exponent, q_exponent, coefficient)


def ed25519_key(key: Ed25519PrivateKey) -> Ed25519Key:
    return Ed25519Key(
        key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()),
        key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
    )


@pytest.mark.parametrize("bits", sorted(crypto_mb.MODULUS_BITS))
@pytest.mark.parametrize("number", [1, 3, 8])
def test_rsa_signatures_are_those_of_openssl_whatever_the_keys(lanes: Lanes, bits: int, number: int) -> None:
    keys = [RSA[bits][lane % 3] for lane in range(number)]
    digests = DIGESTS[:number]
    asked = [(rsa_key(key), padded(digest, bits // 8)) for key, digest in zip(keys, digests, strict=True)]
    expected = [
        key.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256())) for key, digest in zip(keys, digests, strict=True)
    ]
    assert lanes.rsa(asked) == expected


@pytest.mark.parametrize("number", [1, 3, 8])
def test_ed25519_signatures_are_those_of_openssl_whatever_the_keys(lanes: Lanes, number: int) -> None:
    keys = [ED25519[lane % 3] for lane in range(number)]
    asked = [(ed25519_key(key), digest) for key, digest in zip(keys, DIGESTS, strict=False)]
    assert lanes.ed25519(asked) == [key.sign(digest) for key, digest in zip(keys, DIGESTS, strict=False)]


@pytest.mark.parametrize("part", ["p", "q", "p_exponent", "q_exponent", "coefficient"])
def test_a_wrong_bit_in_a_key_gives_no_signature_away(lanes: Lanes, part: str) -> None:
    key = rsa_key(RSA[2048][0])
    value = bytearray(getattr(key, part))
    value[7] ^= 1
    message = padded(DIGESTS[0], 256)
    assert lanes.rsa([(key, message), (key._replace(**{part: bytes(value)}), message)]) is None
    assert lanes.rsa([(key, message)]) is not None


def test_an_ed25519_key_whose_halves_do_not_belong_together_signs_nothing(lanes: Lanes) -> None:
    one, other = map(ed25519_key, ED25519[:2])
    assert lanes.ed25519([(one, DIGESTS[0]), (Ed25519Key(one.private, other.public), DIGESTS[0])]) is None


@pytest.mark.parametrize("content", [None, b"", b"no library"])
def test_without_the_library_there_are_no_lanes(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "libcrypto_mb.so"
    if content is not None:
        path.write_bytes(content)
    # In a process of its own: a library that is loaded once stays.
    script = "import sys; from pathlib import Path; from posthouse.runtime import crypto_mb as it; it._path = lambda: Path(sys.argv[1]); print(it.lanes())"
    said = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert said.stdout == "None\n"


@pytest.mark.usefixtures("anew")
def test_where_the_package_is_not_installed_there_are_no_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto_mb, "_DISTRIBUTION", "not-there-at-all")
    assert crypto_mb.lanes() is None


@pytest.mark.usefixtures("lanes", "anew")
def test_loading_leaves_no_file_open() -> None:
    before = set(Path("/proc/self/fd").iterdir())
    assert crypto_mb.lanes() is not None
    assert len(set(Path("/proc/self/fd").iterdir())) == len(before)
