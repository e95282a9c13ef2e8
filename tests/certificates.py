"""A certificate authority of the tests' own, and whatever it is asked to sign."""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Identity:
    """A key, its certificate, and those above it without the root."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def spki(self) -> bytes:
        return self.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def context(self, folder: Path, *extra: x509.Certificate) -> ssl.SSLContext:
        """For a server that shows this certificate, those above it, and `extra`."""
        path = folder / f"{self.certificate.serial_number}.pem"
        shown = (self.certificate, *self.above, *extra)
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(key + b"".join(each.public_bytes(Encoding.PEM) for each in shown))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def issued(
    *names: str,
    by: Identity | None = None,
    ca: bool = False,
    since: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
    only_for: str = "",
) -> Identity:
    """A certificate for these names, signed by somebody or by itself; an authority's may be `only_for` names in one domain."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "authority")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since or now() - DAY)
        .not_valid_after(until or now() + DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names and not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    if only_for:
        builder = builder.add_extension(x509.NameConstraints([x509.DNSName(only_for)], None), critical=True)
    above = () if by is None or by.certificate.subject == by.certificate.issuer else (by.certificate, *by.above)
    return Identity(key, builder.sign(by.key if by else key, hashes.SHA256()), above)


def pem(folder: Path, root: Identity) -> str:
    """A file with one certificate."""
    path = folder / "authority.pem"
    path.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    return str(path)
