"""The TLS contexts of our sessions with receivers, and the proof a receiver gives of its name in the handshake."""

import ssl
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from posthouse.delivery.courier import Target
from posthouse.delivery.tls_policy import Proof
from posthouse.model.values import dataclass
from posthouse.wire import dane
from posthouse.wire.tlsrpt import ResultType

_EXPIRED: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED
_OTHER_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
_WORDS: Final = {
    ResultType.TLSA_INVALID: "is none of those its TLSA records mean",
    ResultType.CERTIFICATE_EXPIRED: "is not valid today",
    ResultType.CERTIFICATE_HOST_MISMATCH: "is for other names",
    ResultType.CERTIFICATE_NOT_TRUSTED: "comes from nobody trusted",
    ResultType.VALIDATION_FAILURE: "cannot be read",
}
_DEMANDS: Final = {
    Proof.NONE: "",
    Proof.DANE: "DANE demands the right one",
    Proof.STS: "the domain's MTA-STS policy demands a valid one",
    Proof.CERTIFICATE: "a valid one is demanded",
}


class UnprovenError(Exception):
    """The handshake went well with somebody who did not prove to be who we want; the text is for an SMTP reply."""

    def __init__(self, result: ResultType, host: str, proof: Proof) -> None:
        super().__init__(f"the certificate of {host} {_WORDS[result]}; {_DEMANDS[proof]}")
        self.result = result


@dataclass(frozen=True)
class Verifier:
    """Contexts take long to build, so there is one of each. `ca_file` takes the place of the system's authorities."""

    now: Callable[[], datetime]
    ca_file: str | None = None

    @cached_property
    def anybody(self) -> ssl.SSLContext:
        """Encrypts to whoever answers: opportunistic, and DANE, which looks at the certificates itself."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    @cached_property
    def authorities(self) -> ssl.SSLContext:
        """For certificates of the public PKI, and the name in them."""
        return ssl.create_default_context(cafile=self.ca_file)

    def context(self, proof: Proof) -> ssl.SSLContext:
        """The context a proof needs."""
        return self.anybody if proof in {Proof.NONE, Proof.DANE} else self.authorities

    def check(self, session: ssl.SSLObject, proof: Proof, target: Target, domain: str) -> None:
        """What the context cannot see to; after the handshake, before another word is said. Raises UnprovenError."""
        if proof is not Proof.DANE:
            return
        assert target.tlsa is not None
        names = dict.fromkeys((target.tlsa.base, target.host, domain))
        result = dane.judged(target.tlsa.records, shown(session), list(names), self.now())
        if result is not ResultType.SUCCESS:
            raise UnprovenError(result, target.host, proof)


def refused(error: ssl.SSLCertVerificationError, host: str, proof: Proof) -> UnprovenError:
    """What OpenSSL said about a certificate, in our words."""
    code = error.verify_code
    result = ResultType.CERTIFICATE_NOT_TRUSTED
    if code in _EXPIRED:
        result = ResultType.CERTIFICATE_EXPIRED
    elif code in _OTHER_NAME:
        result = ResultType.CERTIFICATE_HOST_MISMATCH
    return UnprovenError(result, host, proof)


def shown(session: ssl.SSLObject) -> list[bytes]:
    """The certificates a receiver showed, DER, its own first.

    Without verification Python hands out only the first of them before 3.13, which is too little for DANE-TA. The object beneath has
    known all of them since 3.10 under the name that became public; should it be gone one day, DANE-EE still works with the first.
    """
    beneath: Any = session if hasattr(session, "get_unverified_chain") else getattr(session, "_sslobj", None)
    if hasattr(beneath, "get_unverified_chain"):
        return [_der(each) for each in beneath.get_unverified_chain() or ()]
    leaf = session.getpeercert(binary_form=True)
    return [leaf] if leaf else []


def _der(certificate: Any) -> bytes:  # noqa: ANN401 - bytes since 3.13, an object without a type before
    return certificate if isinstance(certificate, bytes) else ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
