"""DANE for SMTP (RFC 7672): which TLSA records can be used, and whether the certificates a host showed are the ones they mean. Pure.

A record of usage DANE-EE(3) names the host's own certificate or key, and that is all it takes: neither names nor dates are looked
at (RFC 7672 3.1.1). One of usage DANE-TA(2) names an issuer that must be among the certificates shown, and everything below it is
verified as usual (3.1.2). The usages of the public PKI, 0 and 1, mean nothing for SMTP (3.1.3).
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from posthouse.model.dns import TlsaRecord
from posthouse.model.limits import CHAIN_CERTIFICATES
from posthouse.model.values import dataclass
from posthouse.wire.tlsrpt import ResultType

DANE_TA: Final = 2
DANE_EE: Final = 3
CERTIFICATE: Final = 0
PUBLIC_KEY: Final = 1
_OCTETS: Final = {0: None, 1: 32, 2: 64}  # of the data, by matching type: as it is, SHA-256, SHA-512


@dataclass(frozen=True, slots=True)
class Tlsa:
    """What a host publishes. `base` is the name the records stand under, which is also the one to say in SNI.

    Without `records` there are only some that cannot be used: the session has to be encrypted and proves nothing (RFC 7672 2.2).
    """

    base: str
    records: tuple[TlsaRecord, ...]


def usable(records: Sequence[TlsaRecord]) -> tuple[TlsaRecord, ...]:
    """Those that mean something for SMTP, of digests only the strongest there is (RFC 7671 9)."""
    known = [record for record in records if _is_known(record)]
    strongest: dict[tuple[int, int], int] = {}
    for record in known:
        kind = record.usage, record.selector
        strongest[kind] = max(strongest.get(kind, 0), record.matching)
    return tuple(r for r in known if r.matching in (0, strongest[r.usage, r.selector]))


def _is_known(record: TlsaRecord) -> bool:
    if record.usage not in (DANE_TA, DANE_EE) or record.selector not in (CERTIFICATE, PUBLIC_KEY):
        return False
    octets = _OCTETS.get(record.matching, 0)
    return octets is None or len(record.data) == octets


def judged(records: Sequence[TlsaRecord], chain: Sequence[bytes], names: Sequence[str], now: datetime) -> ResultType:
    """Whether one of the usable `records` vouches for a host that showed `chain`: DER certificates, its own first.

    `names` are those the host may go by (RFC 7672 3.2.2); only issuers' records ask for one.
    """
    try:
        certificates = [x509.load_der_x509_certificate(each) for each in chain[:CHAIN_CERTIFICATES]]
        if not certificates:
            return ResultType.TLSA_INVALID
        if any(_means(record, certificates[0]) for record in records if record.usage == DANE_EE):
            return ResultType.SUCCESS
        anchors = list(dict.fromkeys(_anchors(records, certificates)))
        return _verified(certificates, anchors, names, now) if anchors else ResultType.TLSA_INVALID
    except (ValueError, UnsupportedAlgorithm):  # a certificate nobody can read
        return ResultType.VALIDATION_FAILURE


def _means(record: TlsaRecord, certificate: x509.Certificate) -> bool:
    if record.selector == CERTIFICATE:
        whole = certificate.public_bytes(Encoding.DER)
    else:
        whole = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    match record.matching:
        case 0:
            return whole == record.data
        case 1:
            return hashlib.sha256(whole).digest() == record.data
        case _:
            return hashlib.sha512(whole).digest() == record.data


def _anchors(records: Sequence[TlsaRecord], chain: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
    """The issuers that are vouched for: shown by the host, or whole in the DNS (RFC 7672 3.1.2)."""
    for record in records:
        if record.usage == DANE_TA:
            yield from (each for each in chain if _means(record, each))
            if (record.selector, record.matching) == (CERTIFICATE, 0):
                yield x509.load_der_x509_certificate(record.data)


def _verified(
    chain: Sequence[x509.Certificate], anchors: list[x509.Certificate], names: Sequence[str], now: datetime
) -> ResultType:
    leaf = chain[0]
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        return ResultType.CERTIFICATE_EXPIRED
    builder = PolicyBuilder().store(Store(anchors)).time(now)
    builder = builder.extension_policies(ca_policy=_ISSUER, ee_policy=_HOST)
    named = [name for name in names if _is_named(leaf, name)]
    for name in named:
        try:
            builder.build_server_verifier(x509.DNSName(name)).verify(leaf, list(chain[1:]))
        except VerificationError:
            continue
        return ResultType.SUCCESS
    return ResultType.CERTIFICATE_NOT_TRUSTED if named else ResultType.CERTIFICATE_HOST_MISMATCH


def _is_named(leaf: x509.Certificate, name: str) -> bool:
    """Whether the certificate says this name, in full or with `*` for the first label (RFC 6125 6.4.3)."""
    try:
        said = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    names = {each.lower() for each in said.get_values_for_type(x509.DNSName)}
    return name in names or f"*.{name.partition('.')[2]}" in names


def _may_issue(
    _policy: verification.Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints
) -> None:
    if not constraints.ca:
        raise ValueError("not an issuer")


def _may_sign(_policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("its key may not sign certificates")


# An issuer named in somebody's DNS owes the profile of the public PKI nothing: it has to be an issuer, that is all.
_ISSUER: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _may_issue)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
)
_HOST: Final = ExtensionPolicy.permit_all().require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
