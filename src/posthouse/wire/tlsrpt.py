"""The words of TLS reporting (RFC 8460): which policy a session was under, and how it ended. Pure."""

from enum import StrEnum


class PolicyType(StrEnum):
    """Whose demands a session was under (RFC 8460 4.4, policy-type)."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


class ResultType(StrEnum):
    """How a session ended (RFC 8460 4.3); everything but SUCCESS is a failure, whether mail went out after all or not.

    TLSA_INVALID is given both for records that cannot be used and for a certificate that none of them describes: the owner of the
    domain has to look at the same place.
    """

    SUCCESS = "success"
    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    CERTIFICATE_HOST_MISMATCH = "certificate-host-mismatch"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    DANE_REQUIRED = "dane-required"
    STS_POLICY_FETCH_ERROR = "sts-policy-fetch-error"
    STS_POLICY_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"
