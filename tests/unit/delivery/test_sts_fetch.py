"""What is wrong with a policy, told to the domain's owner."""

from typing import Any

import pytest

from posthouse.delivery import sts_fetch
from posthouse.model.dns import Answer, DnsStatus
from posthouse.runtime.https import Fetched, NotFetched, Trouble

POLICY = b"version: STSv1\nmode: enforce\nmx: mail.acme.test\nmax_age: 604800\n"


class Texts:
    """A DNS with these texts at every name."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    async def txt(self, name: str) -> Answer[str]:
        assert name == "_mta-sts.acme.test"
        return Answer(DnsStatus.NOERROR if self.texts else DnsStatus.NXDOMAIN, self.texts)


class Https:
    """A web that always answers this."""

    def __init__(self, answer: Fetched | NotFetched) -> None:
        self.answer = answer

    async def get(self, host: str, path: str, **limits: Any) -> Fetched | NotFetched:
        assert (host, path) == ("mta-sts.acme.test", "/.well-known/mta-sts.txt")
        assert limits["limit_s"] <= 5
        return self.answer


@pytest.mark.parametrize(
    ("texts", "answer", "expected"),
    [
        ((), Fetched(200, "text/plain", POLICY), None),
        (("v=STSv1; id=1",), Fetched(200, "text/plain", POLICY), ""),
        (("v=STSv1; id=1",), Fetched(404, "text/html", b""), "mta-sts.acme.test answers 404"),
        (("v=STSv1; id=1",), Fetched(200, "text/html", POLICY), "the policy file of acme.test is text/html"),
        (
            ("v=STSv1; id=1",),
            Fetched(200, "text/plain", POLICY.replace(b"enforce", b"strict")),
            "the policy file of acme.test: mode is 'strict', which is none of enforce, testing and none",
        ),
        (("v=STSv1; id=1",), NotFetched(Trouble.TIME, "it did not answer"), "it did not answer"),
    ],
)
async def test_a_policy_is_judged_as_senders_do(
    texts: tuple[str, ...], answer: Fetched | NotFetched, expected: str | None
) -> None:
    assert await sts_fetch.fault(Https(answer), Texts(*texts), "acme.test") == expected  # type: ignore[arg-type]
