"""Fetches the MTA-STS policy a domain publishes (RFC 8461 3)."""

from typing import Protocol

from posthouse.model.dns import Answer
from posthouse.model.limits import STS_FETCH_S, STS_LOOK_S, STS_POLICY_OCTETS
from posthouse.runtime.https import Fetched, HttpsClient, NotFetched, Trouble
from posthouse.wire import mta_sts
from posthouse.wire.mta_sts import PolicyError, StsPolicy
from posthouse.wire.tlsrpt import ResultType

_PATH = "/.well-known/mta-sts.txt"


class Texts(Protocol):
    """Who looks up TXT records."""

    async def txt(self, name: str) -> Answer[str]:
        """Each with its strings joined."""
        ...


class NoPolicy(Exception):  # noqa: N818 - the domain's trouble, not an error of ours
    """A policy was announced and cannot be had; the text says why, `result` in the words of RFC 8460."""

    def __init__(self, result: ResultType, detail: str) -> None:
        super().__init__(detail)
        self.result = result


async def announced(texts: Texts, domain: str) -> str | None:
    """The id of the policy a domain says it has, None when it says nothing, or nothing clear (RFC 8461 3.1)."""
    return mta_sts.record_id((await texts.txt(f"_mta-sts.{domain}")).records)


async def fault(https: HttpsClient, texts: Texts, domain: str) -> str | None:
    """What is wrong with the policy a domain announces, told while its owner waits; "" when nothing is, None without one."""
    if await announced(texts, domain) is None:
        return None
    try:
        await fetched(https, domain, STS_LOOK_S)
    except NoPolicy as error:
        return str(error)
    return ""


async def fetched(https: HttpsClient, domain: str, limit_s: float = STS_FETCH_S) -> StsPolicy:
    """The policy itself. Raises NoPolicy."""
    answer = await https.get(f"mta-sts.{domain}", _PATH, limit_s=limit_s, octets=STS_POLICY_OCTETS)
    match answer:
        case NotFetched(Trouble.CERTIFICATE, detail):
            raise NoPolicy(ResultType.STS_WEBPKI_INVALID, detail)
        case NotFetched(_, detail):
            raise NoPolicy(ResultType.STS_POLICY_FETCH_ERROR, detail)
        case Fetched(200, "text/plain", body):
            try:
                return mta_sts.policy(body)
            except PolicyError as error:
                raise NoPolicy(ResultType.STS_POLICY_INVALID, f"the policy file of {domain}: {error}") from error
        case Fetched(200, media_type, _):
            raise NoPolicy(ResultType.STS_POLICY_INVALID, f"the policy file of {domain} is {media_type or 'untyped'}")
        case Fetched(status, _, _):  # RFC 8461 3.3: redirects are not followed
            raise NoPolicy(ResultType.STS_POLICY_FETCH_ERROR, f"mta-sts.{domain} answers {status}")
